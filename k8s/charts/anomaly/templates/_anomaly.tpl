{{/* What anomaly alone has: outlets beside the bus, which the network policy must let it reach. */}}

{{- define "anomaly.egress" -}}
{{- $policy := include "portcullis.shared" (dict "root" . "section" "networkPolicy") | fromJson -}}
{{- $outlets := .Values.config.outlets | default dict -}}
{{- if and $outlets.webhook (not $policy.extraEgress) -}}
{{- fail "anomaly: config.outlets.webhook is set, and the network policy lets nothing reach it: say where it is in networkPolicy.extraEgress" -}}
{{- end -}}
{{- if $outlets.alertmanager -}}
- to:
    {{- toYaml $policy.alertmanager.to | nindent 4 }}
  ports:
    - { port: {{ int $policy.alertmanager.port }}, protocol: TCP }
{{- end -}}
{{- end -}}
