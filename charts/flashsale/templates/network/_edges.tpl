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
{{- $policy := .Values.networkPolicy -}}
{{- $port := include "flashsale.portOf" (dict "url" .Values.database.url "default" 5432) -}}
{{- $peers := $policy.databaseTo -}}
{{- if include "flashsale.devPostgres" . -}}
{{- $peers = include "flashsale.storePods" (dict "root" . "component" "postgres") | fromYamlArray -}}
{{- end -}}
{{- include "flashsale.edge" (dict "direction" "to" "peers" $peers "ports" ($policy.databasePorts | default (list $port))) -}}
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
- namespaceSelector: {}
  podSelector:
    matchLabels:
      {{- include "flashsale.selector" . | nindent 6 }}
{{- end }}

{{- define "flashsale.toApiServer" -}}
{{- $policy := .Values.networkPolicy -}}
{{- include "flashsale.edge" (dict "direction" "to" "peers" $policy.apiServerTo "ports" $policy.apiServerPorts) -}}
{{- end }}

{{- define "flashsale.toJwks" -}}
{{- $port := include "flashsale.portOf" (dict "url" .Values.auth.jwksUrl "default" 443) -}}
{{- include "flashsale.edge" (dict "direction" "to" "ports" (.Values.networkPolicy.jwksPorts | default (list $port))) -}}
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
{{- include "flashsale.edge" (dict "direction" "from" "peers" .root.Values.networkPolicy.metricsFrom "ports" (list .port)) -}}
{{- end }}
