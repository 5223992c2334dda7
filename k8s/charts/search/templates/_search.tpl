{{/* What search alone has: an engine, which the network policy must let it reach. */}}

{{- define "search.egress" -}}
{{- $policy := include "portcullis.shared" (dict "root" . "section" "networkPolicy") | fromJson -}}
{{- if not (.Values.config.engine).url -}}
{{- fail "search: config.engine.url is empty: say where Elasticsearch or OpenSearch is, as in https://opensearch:9200" -}}
{{- end -}}
- to:
    {{- toYaml $policy.engine.to | nindent 4 }}
  ports:
    - { port: {{ int $policy.engine.port }}, protocol: TCP }
{{- end -}}
