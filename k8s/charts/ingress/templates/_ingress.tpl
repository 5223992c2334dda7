{{/* What ingress alone has: its master secret, policies from a ConfigMap, its spool. */}}

{{- define "ingress.config" -}}
spool: { folder: /var/lib/portcullis/spool }
master_secret: { file: /etc/portcullis/secrets/master-secret }
{{- if .Values.masterSecret.previousKey }}
previous_master_secret: { file: /etc/portcullis/secrets/previous-master-secret }
{{- end }}
{{- if .Values.policies }}
policies: /etc/portcullis/policies
{{- end }}
{{- if not (or .Values.config.keys .Values.config.operator_keys) }}
{{- fail "ingress: config.keys is empty, and the HTTP door, which others can reach, opens only with a key: run `portcullis admin key` and put the hash that it prints into config.keys, as in [{bot: default, sha256: [<64 hex digits>]}]" }}
{{- end }}
{{- end -}}

{{/* The controller of the Ingress object, which the network policy must let in. */}}
{{- define "ingress.from" -}}
{{- if .Values.expose.enabled -}}
{{- $policy := include "portcullis.shared" (dict "root" . "section" "networkPolicy") | fromJson -}}
{{- if and $policy.enabled (not .Values.expose.from) -}}
{{- fail "ingress: expose.enabled is true, and the network policy lets no controller reach the door: say where it is in expose.from, as in [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}]" -}}
{{- end -}}
{{- toYaml .Values.expose.from -}}
{{- else -}}
[]
{{- end -}}
{{- end -}}

{{- define "ingress.secrets" -}}
- secret:
    name: {{ tpl .Values.masterSecret.existingSecret . }}
    items:
      - key: {{ .Values.masterSecret.key }}
        path: master-secret
      {{- with .Values.masterSecret.previousKey }}
      - key: {{ . }}
        path: previous-master-secret
      {{- end }}
{{- end -}}

{{- define "ingress.mounts" -}}
{{- if .Values.policies -}}
- name: policies
  mountPath: /etc/portcullis/policies
  readOnly: true
{{- end -}}
{{- end -}}

{{- define "ingress.volumes" -}}
{{- if .Values.policies -}}
- name: policies
  configMap:
    name: {{ include "portcullis.fullname" (dict "root" .) }}-policies
{{- end -}}
{{- end -}}
