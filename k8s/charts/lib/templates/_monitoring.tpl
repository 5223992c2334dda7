{{/* What the Prometheus operator reads. */}}

{{- define "portcullis.monitored" -}}
{{- if or .root.Values.monitoring.enabled (and .root.Values.global.monitoring .root.Values.global.monitoring.enabled) -}}true{{- end -}}
{{- end -}}

{{- define "portcullis.monitoringLabels" -}}
{{- $labels := mustMergeOverwrite (dict) ((.root.Values.global.monitoring | default dict).labels | default dict) (.root.Values.monitoring.labels | default dict) -}}
{{- with $labels }}
{{- toYaml . }}
{{- end }}
{{- end -}}

{{- define "portcullis.servicemonitor" -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  {{- include "portcullis.metadata" (mustMerge (dict "labels" (include "portcullis.monitoringLabels" .)) .) | nindent 2 }}
spec:
  # Rules and dashboards know a service by its name alone, whatever the release is called.
  jobLabel: app.kubernetes.io/name
  selector:
    matchLabels:
      {{- include "portcullis.selector" . | nindent 6 }}
  endpoints:
    - port: health
      path: /metrics
      interval: {{ .root.Values.monitoring.interval }}
      scrapeTimeout: {{ .root.Values.monitoring.timeout }}
{{- end -}}

{{/* `rules` is a file of rules, as Prometheus itself reads it. It is taken as it is: it has templates of its own. */}}
{{- define "portcullis.prometheusrule" -}}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  {{- include "portcullis.metadata" (mustMerge (dict "labels" (include "portcullis.monitoringLabels" .)) .) | nindent 2 }}
spec:
  {{- .rules | fromYaml | toYaml | nindent 2 }}
{{- end -}}
