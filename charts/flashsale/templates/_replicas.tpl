{{/* How many pods a Deployment has, where others may scale it too. */}}

{{/* The number in the values, for the next upgrade to compare with. Takes the values of a component. */}}
{{- define "flashsale.wantedReplicas" -}}
flashsale.dev/replicas: {{ .replicas | toString | quote }}
{{- end }}

{{/*
`replicas:` of a Deployment. As long as the number in the values stays the same, the Deployment keeps
the number of pods that a person or an autoscaler gave it: Helm 3 would set it back, and Helm 4 refuse
the upgrade. Takes a dict of `root`, `component` and `autoscaled`.
*/}}
{{- define "flashsale.replicas" -}}
{{- $wanted := (index .root.Values .component).replicas -}}
{{- $name := printf "%s-%s" (include "flashsale.fullname" .root) .component -}}
{{- $live := lookup "apps/v1" "Deployment" .root.Release.Namespace $name | default dict -}}
{{- $applied := false -}}
{{- $scaled := false -}}
{{- range dig "metadata" "managedFields" list $live -}}
{{- if not (hasPrefix "helm" .manager) -}}
{{- $scaled = or $scaled (hasKey (dig "fieldsV1" "f:spec" dict .) "f:replicas") -}}
{{- else if eq .operation "Apply" -}}
{{- $applied = true -}}
{{- end -}}
{{- end -}}
{{- /* Releases before this annotation wrote the number each time. */ -}}
{{- $before := dig "metadata" "annotations" "flashsale.dev/replicas" "" $live | default (ternary (toString $wanted) "" $scaled) -}}
{{- if and $live (or .autoscaled (eq $before (toString $wanted))) -}}
{{- /* What Helm applies without a number keeps that of its other owner, and cannot conflict with an
autoscaler that changes it during the upgrade. Without another owner the number would become 1. */ -}}
{{- if not (and $applied $scaled) -}}
replicas: {{ $live.spec.replicas }}
{{- end -}}
{{- else if not .autoscaled -}}
replicas: {{ $wanted }}
{{- end -}}
{{- end }}
