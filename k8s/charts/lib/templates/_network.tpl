{{/* Who may talk to whom. A pod that a policy selects for both directions may do nothing that no rule allows. */}}

{{- define "portcullis.dnsEgress" -}}
{{- $policy := include "portcullis.shared" (dict "root" .root "section" "networkPolicy") | fromJson -}}
- to:
    {{- toYaml $policy.dns.to | nindent 4 }}
  ports:
    - { port: 53, protocol: UDP }
    - { port: 53, protocol: TCP }
{{- end -}}

{{- define "portcullis.natsEgress" -}}
{{- $policy := include "portcullis.shared" (dict "root" .root "section" "networkPolicy") | fromJson -}}
- to:
    {{- toYaml $policy.nats.to | nindent 4 }}
  ports:
    - { port: {{ int $policy.nats.port }}, protocol: TCP }
{{- end -}}

{{- define "portcullis.networkpolicy" -}}
{{- $root := .root -}}
{{- $policy := include "portcullis.shared" (dict "root" $root "section" "networkPolicy") | fromJson -}}
{{- $otlp := $root.Values.global.otlpEndpoint | default $root.Values.otlpEndpoint -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "portcullis.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "portcullis.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    # Prometheus, and the test of the chart. Probes come from the node, which a policy does not hold back.
    - from:
        {{- with $policy.metrics.from }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        - podSelector:
            matchLabels:
              app.kubernetes.io/name: {{ include "portcullis.name" . }}-test
              app.kubernetes.io/instance: {{ $root.Release.Name }}
      ports:
        - { port: health, protocol: TCP }
    {{- if .http }}
    {{- with concat ($policy.http.from | default list) (.httpFrom | default list) }}
    - from:
        {{- toYaml . | nindent 8 }}
      ports:
        - { port: http, protocol: TCP }
    {{- end }}
    {{- end }}
    {{- with $policy.extraIngress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  egress:
    {{- include "portcullis.dnsEgress" . | nindent 4 }}
    {{- include "portcullis.natsEgress" . | nindent 4 }}
    {{- if .redis }}
    - to:
        {{- toYaml $policy.redis.to | nindent 8 }}
      ports:
        - { port: {{ int $policy.redis.port }}, protocol: TCP }
    {{- end }}
    {{- if $otlp }}
    - to:
        {{- toYaml $policy.otlp.to | nindent 8 }}
      ports:
        - { port: {{ int $policy.otlp.port }}, protocol: TCP }
    {{- end }}
    {{- with .egress }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $policy.extraEgress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
