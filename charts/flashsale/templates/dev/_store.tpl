{{/* What both stores share. Each takes a dict of `root`, `store` (postgres, redis) and `port`. */}}

{{- define "flashsale.storeService" -}}
{{- $component := dict "root" .root "component" .store -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "flashsale.fullname" .root }}-{{ .store }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "flashsale.labels" $component | nindent 4 }}
spec:
  {{- with (index .root.Values.dev .store).clusterIP }}
  clusterIP: {{ . }}
  {{- end }}
  selector:
    {{- include "flashsale.selector" $component | nindent 4 }}
  ports:
    - {name: {{ .store }}, port: {{ .port }}, targetPort: {{ .port }}, protocol: TCP}
{{- end }}

{{/* Whether it takes connections: neither image is known to have more tools than the server. */}}
{{- define "flashsale.storeProbes" -}}
startupProbe:
  tcpSocket: {port: {{ .port }}}
  periodSeconds: 1
  failureThreshold: 120
livenessProbe:
  tcpSocket: {port: {{ .port }}}
  periodSeconds: 10
  failureThreshold: 6
readinessProbe:
  tcpSocket: {port: {{ .port }}}
  periodSeconds: 2
{{- end }}

{{/* Its data: a claim, or a directory that goes with the pod. */}}
{{- define "flashsale.storeVolume" -}}
{{- if not .root.Values.dev.storage.persistent -}}
- name: data
  emptyDir: {}
{{- end -}}
{{- end }}

{{- define "flashsale.storeClaim" -}}
{{- with .root.Values.dev.storage -}}
{{- if .persistent -}}
volumeClaimTemplates:
  - metadata:
      name: data
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .className }}
      storageClassName: {{ . | quote }}
      {{- end }}
      resources:
        requests:
          storage: {{ .size }}
{{- end -}}
{{- end -}}
{{- end }}
