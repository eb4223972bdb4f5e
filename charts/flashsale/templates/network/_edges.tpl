{{/* Edges of network policies. Each renders one rule of a list. */}}

{{/* A rule: `peers` (none: anyone) in `direction` (from, to), `ports` over `protocols` (none: TCP). */}}
{{- define "flashsale.edge" -}}
- ports:
    {{- range $port := .ports }}
    {{- range $protocol := $.protocols | default (list "TCP") }}
    - {port: {{ $port }}, protocol: {{ $protocol }}}
    {{- end }}
    {{- end }}
  {{- with .peers }}
  {{ $.direction }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* The port in an address, or the `default`. Takes a dict of `url` and `default`. */}}
{{- define "flashsale.portOf" -}}
{{- $host := regexReplaceAll "^[a-z+]+://([^@]*@)?" .url "" -}}
{{- $port := regexFind "^[^/?#]*" $host | regexFind ":[0-9]+$" | trimPrefix ":" -}}
{{- $port | default .default -}}
{{- end }}

{{/* The ports in addresses of one host or several, as a JSON list. Takes a dict of `urls` and the `default` of a host. */}}
{{- define "flashsale.portsOf" -}}
{{- $ports := list -}}
{{- range $url := .urls -}}
{{- $hosts := regexReplaceAll "^[a-z+]+://([^@]*@)?" $url "" | regexFind "^[^/?#]*" -}}
{{- range $host := splitList "," $hosts -}}
{{- $ports = append $ports (regexFind ":[0-9]+$" $host | trimPrefix ":" | default $.default | int) -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end }}

{{/* The pods of one component of this release, as peers. Takes a dict of `root` and `component`. */}}
{{- define "flashsale.pods" -}}
- podSelector:
    matchLabels:
      {{- include "flashsale.selector" . | nindent 6 }}
{{- end }}

{{/* The edges, each from the root context. */}}

{{- define "flashsale.toDns" -}}
{{- include "flashsale.edge" (dict "direction" "to" "peers" .Values.networkPolicy.dnsTo "ports" (list 53) "protocols" (list "UDP" "TCP")) -}}
{{- end }}

{{- define "flashsale.toDatabase" -}}
{{- include "flashsale.toDatabaseAt" (dict "root" . "urls" (list .Values.database.url)) -}}
{{- end }}

{{/* The migration goes to PostgreSQL itself, if it is given. */}}
{{- define "flashsale.toDatabaseDirectly" -}}
{{- $urls := list .Values.database.url -}}
{{- with .Values.database.directUrl -}}
{{- $urls = append $urls . -}}
{{- end -}}
{{- include "flashsale.toDatabaseAt" (dict "root" . "urls" $urls) -}}
{{- end }}

{{/* Takes a dict of `root` and `urls`. */}}
{{- define "flashsale.toDatabaseAt" -}}
{{- $policy := .root.Values.networkPolicy -}}
{{- $ports := include "flashsale.portsOf" (dict "urls" .urls "default" 5432) | fromJsonArray -}}
{{- $peers := $policy.databaseTo -}}
{{- if include "flashsale.devPostgres" .root -}}
{{- $peers = include "flashsale.storePods" (dict "root" .root "component" "postgres") | fromYamlArray -}}
{{- end -}}
{{- include "flashsale.edge" (dict "direction" "to" "peers" $peers "ports" ($policy.databasePorts | default $ports)) -}}
{{- end }}

{{- define "flashsale.toRedis" -}}
{{- $policy := .Values.networkPolicy -}}
{{- $port := include "flashsale.portOf" (dict "url" .Values.redis.url "default" 6379) -}}
{{- $peers := $policy.redisTo -}}
{{- if include "flashsale.devRedis" . -}}
{{- $peers = include "flashsale.storePods" (dict "root" . "component" "redis") | fromYamlArray -}}
{{- end -}}
{{- include "flashsale.edge" (dict "direction" "to" "peers" $peers "ports" ($policy.redisPorts | default (list $port))) -}}
{{- end }}

{{/* The pods of a store of this release, also seen from another namespace. */}}
{{- define "flashsale.storePods" -}}
- namespaceSelector: {{ include "flashsale.namespaces" (dict "root" .root "names" (list .root.Release.Namespace)) }}
  podSelector:
    matchLabels:
      {{- include "flashsale.selector" . | nindent 6 }}
{{- end }}

{{/* Selects namespaces by `names`; all of them before Kubernetes 1.21, which labels none by its name. */}}
{{- define "flashsale.namespaces" -}}
{{- if semverCompare ">=1.21-0" .root.Capabilities.KubeVersion.Version -}}
{matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: {{ toJson .names }}}]}
{{- else -}}
{}
{{- end -}}
{{- end }}

{{- define "flashsale.toApiServer" -}}
{{- $policy := .Values.networkPolicy -}}
{{- include "flashsale.edge" (dict "direction" "to" "peers" $policy.apiServerTo "ports" $policy.apiServerPorts) -}}
{{- end }}

{{- define "flashsale.toJwks" -}}
{{- $urls := include "flashsale.jwksUrls" . | splitList " " -}}
{{- $ports := include "flashsale.portsOf" (dict "urls" $urls "default" 443) | fromJsonArray -}}
{{- include "flashsale.edge" (dict "direction" "to" "peers" .Values.networkPolicy.jwksTo "ports" (.Values.networkPolicy.jwksPorts | default $ports)) -}}
{{- end }}

{{/* The external verifier of passes. */}}
{{- define "flashsale.toVerifier" -}}
{{- $port := include "flashsale.portOf" (dict "url" .Values.gateway.pass.verifier.url "default" (ternary 80 443 (hasPrefix "http:" .Values.gateway.pass.verifier.url))) -}}
{{- include "flashsale.edge" (dict "direction" "to" "ports" (list $port)) -}}
{{- end }}

{{/* Payment providers, whose addresses are in a Secret. */}}
{{- define "flashsale.toPaymentProviders" -}}
{{- include "flashsale.edge" (dict "direction" "to" "ports" .Values.gateway.payments.ports) -}}
{{- end }}

{{- define "flashsale.toGateway" -}}
{{- $peers := include "flashsale.pods" (dict "root" . "component" "gateway") | fromYamlArray -}}
{{- include "flashsale.edge" (dict "direction" "to" "peers" $peers "ports" (list 8080)) -}}
{{- end }}

{{- define "flashsale.fromShoppers" -}}
{{- $peers := .Values.networkPolicy.shoppersFrom -}}
{{- if $peers -}}
{{- $test := include "flashsale.pods" (dict "root" . "component" "test") | fromYamlArray -}}
{{- $peers = concat $peers $test -}}
{{- end -}}
{{- include "flashsale.edge" (dict "direction" "from" "peers" $peers "ports" (list 8080)) -}}
{{- end }}

{{/* Takes a dict of `root` and `port`. */}}
{{- define "flashsale.fromMetrics" -}}
{{- $peers := list -}}
{{- range $peer := .root.Values.networkPolicy.metricsFrom -}}
{{- $labels := ($peer.namespaceSelector | default dict).matchLabels | default dict -}}
{{- if eq (keys $labels | join ",") "kubernetes.io/metadata.name" -}}
{{- $names := values $labels -}}
{{- $namespaces := include "flashsale.namespaces" (dict "root" $.root "names" $names) | fromYaml -}}
{{- $peer = merge (dict "namespaceSelector" $namespaces) (omit $peer "namespaceSelector") -}}
{{- end -}}
{{- $peers = append $peers $peer -}}
{{- end -}}
{{- include "flashsale.edge" (dict "direction" "from" "peers" $peers "ports" (list .port)) -}}
{{- end }}
