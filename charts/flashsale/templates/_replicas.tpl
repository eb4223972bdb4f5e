{{/* How many pods a Deployment has, where others may scale it too. */}}

{{/*
For the next upgrade: the number in the values, and whether the manifest leaves the number to an
autoscaler. Takes the dict of "flashsale.replicas".
*/}}
{{- define "flashsale.replicasBefore" -}}
flashsale.dev/replicas: {{ (index .root.Values .component).replicas | toString | quote }}
{{- if and .autoscaled (not (include "flashsale.replicas" .)) }}
flashsale.dev/autoscaled: "true"
{{- end }}
{{- end }}

{{/*
`replicas:` of a Deployment. As long as the number in the values stays the same, the Deployment keeps
the number of pods that a person or an autoscaler gave it: Helm 3 would set it back, and Helm 4 refuse
the upgrade. Takes a dict of `root`, `component` and `autoscaled`.
*/}}
{{- define "flashsale.replicas" -}}
{{- $wanted := (index .root.Values .component).replicas -}}
{{- $name := printf "%s-%s" (include "flashsale.fullname" .root) .component -}}
{{- $namespace := .root.Release.Namespace -}}
{{- $live := lookup "apps/v1" "Deployment" $namespace $name | default dict -}}
{{- $annotations := dig "metadata" "annotations" dict $live -}}
{{- $noted := index $annotations "flashsale.dev/replicas" -}}
{{- $applied := false -}}
{{- $scaled := false -}}
{{- range dig "metadata" "managedFields" list $live -}}
{{- if not (hasPrefix "helm" (.manager | default "")) -}}
{{- $scaled = or $scaled (hasKey (dig "fieldsV1" "f:spec" dict .) "f:replicas") -}}
{{- else if eq .operation "Apply" -}}
{{- $applied = true -}}
{{- end -}}
{{- end -}}
{{- /* Releases before these annotations wrote the number each time, unless they had an autoscaler. */ -}}
{{- $before := $noted | default (ternary (toString $wanted) "" $scaled) -}}
{{- $left := hasKey $annotations "flashsale.dev/autoscaled" -}}
{{- if and $live .autoscaled (not $noted) -}}
{{- $left = not (empty (lookup "autoscaling/v1" "HorizontalPodAutoscaler" $namespace $name)) -}}
{{- end -}}
{{- if and .autoscaled (or (not $live) $left) -}}
{{- /* No number: an upgrade would undo what the autoscaler does while hooks run, and a rollback what it
did since that revision. */ -}}
{{- else if and $live (or .autoscaled (eq $before (toString $wanted))) -}}
{{- /* Here the manifest before may have a number. Without one Helm 3 would take it out, which leaves one
pod; so would Helm 4, unless somebody else owns it too. Then it is left out, so that it cannot conflict with
an autoscaler that changes it during the upgrade. */ -}}
{{- if not (and $applied $scaled) -}}
replicas: {{ $live.spec.replicas }}
{{- end -}}
{{- else if not .autoscaled -}}
replicas: {{ $wanted }}
{{- end -}}
{{- end }}
