{{/* What audit alone has: a database, where the record is not in files. */}}

{{- define "audit.config" -}}
{{- if .Values.standby -}}
{{- if not .Values.postgres.enabled -}}
{{- fail "audit: standby needs postgres.enabled: files have one writer, and a second would refuse to start" -}}
{{- end -}}
{{- if not (and .Values.persistence.enabled .Values.persistence.existingClaim) -}}
{{- fail "audit: standby needs persistence.existingClaim: both need the same keys/, on a volume that both mount (ReadWriteMany)" -}}
{{- end -}}
{{- end -}}
data: /var/lib/portcullis
{{- if .Values.postgres.enabled }}
ledger: postgres
postgres:
  url: {{ tpl (required "audit: postgres.url is empty: say where the database is, as in postgres://db.example:5432/portcullis" .Values.postgres.url) . | quote }}
  user: {{ .Values.postgres.user | quote }}
  {{- if .Values.postgres.existingSecret }}
  password: { file: /etc/portcullis/secrets/postgres-password }
  {{- end }}
{{- end }}
{{- end -}}

{{- define "audit.secrets" -}}
{{- if and .Values.postgres.enabled .Values.postgres.existingSecret -}}
- secret:
    name: {{ tpl .Values.postgres.existingSecret . }}
    items:
      - key: {{ .Values.postgres.passwordKey }}
        path: postgres-password
{{- end -}}
{{- end -}}

{{- define "audit.egress" -}}
{{- $policy := include "portcullis.shared" (dict "root" . "section" "networkPolicy") | fromJson -}}
{{- if and (.Values.config.checkpoints).url $policy.enabled (not $policy.extraEgress) -}}
{{- fail "audit: config.checkpoints.url is set, and the network policy lets nothing reach it: say where it is in networkPolicy.extraEgress" -}}
{{- end -}}
{{- if .Values.postgres.enabled -}}
- to:
    {{- toYaml $policy.postgres.to | nindent 4 }}
  ports:
    - { port: {{ int $policy.postgres.port }}, protocol: TCP }
{{- end -}}
{{- end -}}
