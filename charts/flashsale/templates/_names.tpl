{{/* Names. Each takes the root context. */}}

{{/* Prefix of all names. 40 characters at most, so that `-dashboard-…` and the like still fit. */}}
{{- define "flashsale.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "flashsale.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (printf "%s-operator" (include "flashsale.fullname" .)) -}}
{{- end }}

{{/* The Secrets with the addresses of the stores, and their keys. */}}
{{- define "flashsale.databaseSecret" -}}
{{- .Values.database.existingSecret | default (printf "%s-database" (include "flashsale.fullname" .)) -}}
{{- end }}
{{- define "flashsale.databaseKey" -}}
{{- ternary .Values.database.key "url" (not (empty .Values.database.existingSecret)) -}}
{{- end }}
{{- /* Those of workers and gateways, where they have their own. */}}
{{- define "flashsale.gatewayDatabaseSecret" -}}
{{- .Values.database.gatewaySecret | default (include "flashsale.databaseSecret" .) -}}
{{- end }}
{{- define "flashsale.gatewayDatabaseKey" -}}
{{- ternary .Values.database.key (include "flashsale.databaseKey" .) (not (empty .Values.database.gatewaySecret)) -}}
{{- end }}
{{- define "flashsale.separateRoles" -}}
{{- if or .Values.database.workerSecret .Values.database.gatewaySecret }}true{{ end -}}
{{- end }}
{{- define "flashsale.redisSecret" -}}
{{- .Values.redis.existingSecret | default (printf "%s-redis" (include "flashsale.fullname" .)) -}}
{{- end }}
{{- define "flashsale.redisKey" -}}
{{- ternary .Values.redis.key "url" (not (empty .Values.redis.existingSecret)) -}}
{{- end }}

{{/* The Secret with the operations token, nothing where operations are off, and its key. */}}
{{- define "flashsale.operationsSecret" -}}
{{- with .Values.gateway.operations -}}
{{- if .existingSecret.name -}}
{{- .existingSecret.name -}}
{{- else if .token -}}
{{- printf "%s-operations" (include "flashsale.fullname" $) -}}
{{- end -}}
{{- end -}}
{{- end }}
{{- define "flashsale.operationsKey" -}}
{{- with .Values.gateway.operations.existingSecret -}}
{{- ternary .key "token" (not (empty .name)) -}}
{{- end -}}
{{- end }}

{{/* Whether the stores come with this release: "true" or nothing. */}}
{{- define "flashsale.devPostgres" -}}
{{- if and .Values.dev.enabled (not .Values.database.existingSecret) (not .Values.database.url) }}true{{ end -}}
{{- end }}
{{- define "flashsale.devRedis" -}}
{{- if and .Values.dev.enabled (not .Values.redis.existingSecret) (not .Values.redis.url) }}true{{ end -}}
{{- end }}

{{/* When Jobs and what they need are made. A PostgreSQL of the release is not there before it. */}}
{{- define "flashsale.migrateEvents" -}}
{{- ternary "post-install,post-upgrade" "pre-install,pre-upgrade" (eq "true" (include "flashsale.devPostgres" .)) -}}
{{- end }}
{{- define "flashsale.definitionEvents" -}}
{{- ternary "pre-install,pre-upgrade" "pre-install,pre-upgrade,pre-delete" .Values.crds.keep -}}
{{- end }}

{{- define "flashsale.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Labels. Each takes a dict of `root` and `component`. */}}

{{/* What tells the pods of one component apart from all others; must never change. */}}
{{- define "flashsale.selector" -}}
app.kubernetes.io/name: flashsale-{{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- end }}

{{/* Labels of pods. */}}
{{- define "flashsale.podLabels" -}}
{{ include "flashsale.selector" . }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/part-of: flashsale
{{- end }}

{{/* Labels of objects. */}}
{{- define "flashsale.labels" -}}
{{ include "flashsale.podLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The addresses from which gateways read keys, with spaces between them; none without `jwt`. */}}
{{- define "flashsale.jwksUrls" -}}
{{- if eq .Values.auth.mode "jwt" -}}
{{- $urls := list .Values.auth.jwksUrl -}}
{{- range .Values.auth.moreIssuers }}{{ $urls = append $urls .jwksUrl }}{{ end -}}
{{- compact $urls | join " " -}}
{{- end -}}
{{- end }}
