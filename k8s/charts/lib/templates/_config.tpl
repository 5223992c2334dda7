{{/* The configuration file of a service: what the chart knows, and over it what `config` in the values says. */}}

{{/* Settings that the whole house shares: the chart's own section, and over it the global one of the same name. */}}
{{- define "portcullis.shared" -}}
{{- $own := index .root.Values .section | default dict -}}
{{- $global := index .root.Values.global .section | default dict -}}
{{- mustMergeOverwrite (deepCopy $own) (deepCopy $global) | toJson -}}
{{- end -}}

{{- define "portcullis.natsUrl" -}}
{{- $nats := include "portcullis.shared" (dict "root" .root "section" "nats") | fromJson -}}
{{- tpl $nats.url .root -}}
{{- end -}}

{{- define "portcullis.redisUrl" -}}
{{- $redis := include "portcullis.shared" (dict "root" .root "section" "redis") | fromJson -}}
{{- tpl $redis.url .root -}}
{{- end -}}

{{/* The user of a service on the bus is the name of its chart. */}}
{{- define "portcullis.natsUser" -}}
{{- .user | default .root.Chart.Name -}}
{{- end -}}

{{/* What is configured, as JSON. */}}
{{- define "portcullis.config" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $nats := include "portcullis.shared" (dict "root" $root "section" "nats") | fromJson -}}
{{- $redis := include "portcullis.shared" (dict "root" $root "section" "redis") | fromJson -}}
{{- $otlp := tpl ($values.global.otlpEndpoint | default $values.otlpEndpoint | default "") $root -}}
{{- $config := dict "health" (dict "listen" (printf "0.0.0.0:%v" $values.ports.health)) "telemetry" (dict "format" "json") -}}
{{- $_ := set $config "nats" (dict "url" (include "portcullis.natsUrl" .)) -}}
{{- if $nats.auth.enabled -}}
{{- $_ := set $config.nats "user" (include "portcullis.natsUser" .) -}}
{{- $_ := set $config.nats "password" (dict "file" "/etc/portcullis/secrets/nats-password") -}}
{{- end -}}
{{- if $nats.tls.enabled -}}
{{- $_ := set $config.nats "ca_file" "/etc/portcullis/secrets/nats-ca.crt" -}}
{{- end -}}
{{- with $otlp -}}{{- $_ := set $config.telemetry "otlp_endpoint" . -}}{{- end -}}
{{- if .http -}}{{- $_ := set $config "http" (dict "listen" (printf "0.0.0.0:%v" $values.ports.http)) -}}{{- end -}}
{{- if .redis -}}
{{- $section := dict "url" (include "portcullis.redisUrl" .) -}}
{{- if $redis.auth.enabled -}}
{{- $_ := set $section "password" (dict "file" "/etc/portcullis/secrets/redis-password") -}}
{{- with $redis.auth.user -}}{{- $_ := set $section "user" . -}}{{- end -}}
{{- end -}}
{{- if eq .redis "stage" -}}
{{- $_ := set $config "stage" (dict "redis" $section) -}}
{{- else -}}
{{- $_ := set $config "redis" $section -}}
{{- end -}}
{{- end -}}
{{- mustMergeOverwrite $config (deepCopy (.config | default dict)) (deepCopy ($values.config | default dict)) | toJson -}}
{{- end -}}

{{/* A value as TOML: JSON's strings, numbers, booleans and arrays are TOML's too; tables are inline. */}}
{{- define "portcullis.tomlValue" -}}
{{- if kindIs "map" . -}}
{ {{ range $index, $key := keys . | sortAlpha }}{{ if $index }}, {{ end }}{{ $key | toJson }} = {{ include "portcullis.tomlValue" (index $ $key) }}{{ end }} }
{{- else if kindIs "slice" . -}}
[{{ range $index, $item := . }}{{ if $index }}, {{ end }}{{ include "portcullis.tomlValue" $item }}{{ end }}]
{{- else -}}
{{- . | toJson -}}
{{- end -}}
{{- end -}}

{{/* A configuration as TOML: values of its own first, then its sections. Null means: as the service itself has it. */}}
{{- define "portcullis.toml" -}}
{{- $config := . -}}
{{- range $key := keys $config | sortAlpha }}
{{- $value := index $config $key }}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) }}
{{ $key }} = {{ include "portcullis.tomlValue" $value }}
{{- end }}
{{- end }}
{{- range $key := keys $config | sortAlpha }}
{{- $value := index $config $key }}
{{- if kindIs "map" $value }}

[{{ $key }}]
{{- range $name := keys $value | sortAlpha }}
{{- $inner := index $value $name }}
{{- if not (kindIs "invalid" $inner) }}
{{ $name }} = {{ include "portcullis.tomlValue" $inner }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "portcullis.configmap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "portcullis.metadata" (mustMerge (dict "suffix" "config") .) | nindent 2 }}
data:
  config.toml: |
    # Written by the chart {{ .root.Chart.Name }}; the service says at its start what it cannot use.
    {{- include "portcullis.toml" (include "portcullis.config" . | fromJson) | trim | nindent 4 }}
{{- end -}}
