{{/* What the cluster can. */}}

{{/*
"true" when it knows the group version `api`, which Kubernetes has `since` a version. Both are
asked: a cluster may switch an API off, and `helm template --kube-version` changes the version
alone.
*/}}
{{- define "flashsale.knows" -}}
{{- $new := semverCompare (printf ">=%s-0" .since) .root.Capabilities.KubeVersion.Version -}}
{{- and $new (.root.Capabilities.APIVersions.Has .api) -}}
{{- end }}

{{/* "true" when objects of the Prometheus operator are wanted; `when` is auto, always or never. */}}
{{- define "flashsale.monitored" -}}
{{- $known := .root.Capabilities.APIVersions.Has "monitoring.coreos.com/v1" -}}
{{- or (eq .when "always") (and (eq .when "auto") $known) -}}
{{- end }}
