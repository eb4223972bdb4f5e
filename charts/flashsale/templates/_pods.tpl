{{/* What all pods share. Each takes the root context unless it says otherwise. */}}

{{/* The part of Pod Security "restricted" that stands at the pod. */}}
{{- define "flashsale.podSecurity" -}}
{{- include "flashsale.podSecurityAs" (dict "user" .Values.runAsUser "group" .Values.runAsGroup "fsGroup" .Values.runAsGroup) -}}
{{- end }}

{{/* The same, as the given `user` and `group`, which may be null. */}}
{{- define "flashsale.podSecurityAs" -}}
runAsNonRoot: true
{{- if not (kindIs "invalid" .user) }}
runAsUser: {{ int64 .user }}
{{- end }}
{{- if not (kindIs "invalid" .group) }}
runAsGroup: {{ int64 .group }}
{{- end }}
{{- with .fsGroup }}
fsGroup: {{ int64 . }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* An id as text; empty where the platform chooses it. */}}
{{- define "flashsale.id" -}}
{{- if not (kindIs "invalid" .) -}}
{{- int64 . -}}
{{- end -}}
{{- end }}

{{/* The part that stands at the container. */}}
{{- define "flashsale.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Where a program listens. Takes the root context and a port. */}}
{{- define "flashsale.listen" -}}
{{- $address := .root.Values.listenAddress -}}
{{- printf (ternary "[%s]:%d" "%s:%d" (contains ":" $address)) $address .port -}}
{{- end }}

{{- define "flashsale.imagePullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Where pods run. Takes the values of a component. */}}
{{- define "flashsale.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end }}

{{/* Where pods of Jobs and of `helm test` run. Takes the root context. */}}
{{- define "flashsale.jobPlacement" -}}
{{- with .Values.jobs.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- include "flashsale.placement" .Values.jobs }}
{{- end }}

{{/* Health and readiness on the port `probes`. */}}
{{- define "flashsale.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: probes}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: probes}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: probes}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end }}

{{/* The addresses of the stores as the programs take them. */}}
{{- define "flashsale.databaseEnv" -}}
- name: FLASHSALE_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "flashsale.databaseSecret" . }}
      key: {{ include "flashsale.databaseKey" . | quote }}
{{- end }}
{{- define "flashsale.gatewayDatabaseEnv" -}}
- name: FLASHSALE_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "flashsale.gatewayDatabaseSecret" . }}
      key: {{ include "flashsale.gatewayDatabaseKey" . | quote }}
{{- end }}
{{- define "flashsale.redisEnv" -}}
- name: FLASHSALE_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "flashsale.redisSecret" . }}
      key: {{ include "flashsale.redisKey" . | quote }}
{{- end }}

{{/* Private certificates, beside the address in the same Secret or in one of their own. Each takes a
     dict of `root` and `secrets`, which has the name of the Secret for `redis`, `database`, `jwks`. */}}

{{- define "flashsale.tlsEnv" -}}
{{- range $name, $_ := .secrets }}
- {name: FLASHSALE_{{ upper $name }}_TLS, value: /etc/flashsale/{{ $name }}-tls}
{{- end }}
{{- end }}

{{- define "flashsale.tlsMounts" -}}
{{- range $name, $_ := .secrets }}
- {name: {{ $name }}-tls, mountPath: /etc/flashsale/{{ $name }}-tls, readOnly: true}
{{- end }}
{{- end }}

{{/* A Secret need not have certificates: the directory is empty then. Changes reach the files by
     themselves. */}}
{{- define "flashsale.tlsVolumes" -}}
{{- range $name, $secret := .secrets }}
- name: {{ $name }}-tls
  secret:
    secretName: {{ $secret }}
    optional: true
    # Octal 0440, or 0444 where the pods' group is left to the cluster.
    defaultMode: {{ ternary 292 288 (kindIs "invalid" $.root.Values.runAsGroup) }}
    items:
      - {key: ca.crt, path: ca.crt}
      - {key: tls.crt, path: tls.crt}
      - {key: tls.key, path: tls.key}
{{- end }}
{{- end }}
