{{/* What spans values, and so is beyond the schema. Renders nothing, or fails with what to write. */}}
{{- define "flashsale.check" -}}
{{- $v := .Values -}}
{{- range $name := list "database" "redis" -}}
{{- $store := index $v $name -}}
{{- if and $store.existingSecret $store.url -}}
{{- fail (printf "%s.existingSecret and %s.url are both set; keep one" $name $name) -}}
{{- end -}}
{{- if not (or $store.existingSecret $store.url $v.dev.enabled) -}}
{{- fail (printf "say where %s is: set %s.existingSecret (a Secret with key %q), or %s.url, or dev.enabled=true to try things out" (ternary "PostgreSQL" "Redis" (eq $name "database")) $name $store.key $name) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "workerSecret" "gatewaySecret" -}}
{{- if and (index $v.database $name) (eq (index $v.database $name) $v.database.existingSecret) -}}
{{- fail (printf "database.%s names the Secret of the owner; leave it out, or name one with a role of its own" $name) -}}
{{- end -}}
{{- end -}}
{{- with $v.database.roles -}}
{{- if or (eq .owner .worker) (eq .owner .gateway) (eq .worker .gateway) -}}
{{- fail "two of database.roles have one name; give each its own, or one would have the rights of both" -}}
{{- end -}}
{{- end -}}
{{- if and $v.database.directKey $v.database.directUrl -}}
{{- fail "database.directKey and database.directUrl are both set; keep one" -}}
{{- end -}}
{{- if and $v.database.directKey (not $v.database.existingSecret) -}}
{{- fail "database.directKey is a key of database.existingSecret, which is not set; set database.directUrl instead" -}}
{{- end -}}
{{- if and $v.dev.enabled (not (include "flashsale.devPostgres" .)) (not (include "flashsale.devRedis" .)) -}}
{{- fail "dev.enabled would start nothing, since database and redis are both given; set dev.enabled=false" -}}
{{- end -}}
{{- if eq $v.auth.mode "jwt" -}}
{{- if not (or $v.auth.jwksUrl $v.auth.jwksSecret) -}}
{{- fail "say who signs shoppers' tokens: set auth.jwksUrl or auth.jwksSecret, or auth.mode=off where anyone may claim to be anyone" -}}
{{- end -}}
{{- if and $v.auth.jwksUrl $v.auth.jwksSecret -}}
{{- fail "auth.jwksUrl and auth.jwksSecret are both set; keep one" -}}
{{- end -}}
{{- if and $v.auth.jwksTlsSecret (not $v.auth.jwksUrl) -}}
{{- fail "auth.jwksTlsSecret is for auth.jwksUrl, which is not set; leave it out" -}}
{{- end -}}
{{- if not (and $v.auth.issuer $v.auth.audience) -}}
{{- fail "auth.mode=jwt needs auth.issuer and auth.audience: what a token's iss and aud have to say" -}}
{{- end -}}
{{- end -}}
{{- if and (eq $v.auth.mode "off") $v.gateway.signInUrl -}}
{{- fail "gateway.signInUrl is for auth.mode=jwt: with auth.mode=off nobody signs in; leave it out" -}}
{{- end -}}
{{- with $v.gateway.pass.verifier -}}
{{- if and .url (not .existingSecret.name) -}}
{{- fail "gateway.pass.verifier.url is set, but not gateway.pass.verifier.existingSecret.name, the Secret with the verifier's secret" -}}
{{- end -}}
{{- end -}}
{{- with $v.gateway.operations -}}
{{- if and .existingSecret.name .token -}}
{{- fail "gateway.operations.existingSecret.name and gateway.operations.token are both set; keep one" -}}
{{- end -}}
{{- end -}}
{{- if and $v.operator.namespaced $v.operator.namespaces -}}
{{- fail "operator.namespaced and operator.namespaces are both set; keep one" -}}
{{- end -}}
{{- if le (int $v.operator.leaseDurationSeconds) (int $v.operator.renewDeadlineSeconds) -}}
{{- fail "operator.leaseDurationSeconds must be greater than operator.renewDeadlineSeconds" -}}
{{- end -}}
{{- if le (mul 5 (int $v.operator.renewDeadlineSeconds)) (mul 6 (int $v.operator.retryPeriodSeconds)) -}}
{{- fail "operator.renewDeadlineSeconds must be greater than 1.2 times operator.retryPeriodSeconds, since attempts are delayed by up to a fifth at random" -}}
{{- end -}}
{{- with $v.gateway.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail "gateway.autoscaling.minReplicas must not be greater than maxReplicas" -}}
{{- end -}}
{{- end -}}
{{- end }}
