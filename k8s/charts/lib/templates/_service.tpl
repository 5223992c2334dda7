{{/* Every object of a service. The dict says what the service is:
       root       the context of its chart
       component  "door", "stage" or "reader"
       http       whether it has a door for HTTP beside its health door
       httpFrom   who may ask there beside those whom the network policy names, as a list of peers
       redis      "" or nothing: needs none; "top": configured as [redis]; "stage": as [stage.redis]
       single     why there may be one alone (the writer of the ledger), or nothing
       replicas   how many there are, where the values do not say it
       config     configuration that this chart knows, under what the values say
       secrets    further sources of the projected volume of secrets, as YAML
       mounts, volumes   further ones, as YAML
       egress     further rules of what it may reach, as YAML
       rules      alerts of this service, as Prometheus reads them */}}
{{- define "portcullis.service" -}}
{{- $values := .root.Values -}}
{{- $this := . -}}
{{- $parts := list (include "portcullis.configmap" .) (include "portcullis.servicePorts" .) (include "portcullis.workload" .) -}}
{{- if $values.serviceAccount.create -}}{{- $parts = append $parts (include "portcullis.serviceaccount" .) -}}{{- end -}}
{{- if $values.podDisruptionBudget.enabled -}}{{- $parts = append $parts (include "portcullis.pdb" .) -}}{{- end -}}
{{- if and (not .single) $values.autoscaling $values.autoscaling.enabled -}}{{- $parts = append $parts (include "portcullis.hpa" .) -}}{{- end -}}
{{- if and (not .single) $values.keda $values.keda.enabled -}}{{- $parts = append $parts (include "portcullis.scaledobject" .) -}}{{- end -}}
{{- if $values.networkPolicy.enabled -}}{{- $parts = append $parts (include "portcullis.networkpolicy" .) -}}{{- end -}}
{{- if include "portcullis.monitored" . -}}
{{- $parts = append $parts (include "portcullis.servicemonitor" .) -}}
{{- if and .rules $values.monitoring.rules -}}{{- $parts = append $parts (include "portcullis.prometheusrule" .) -}}{{- end -}}
{{- end -}}
{{- $parts = append $parts (include "portcullis.test" .) -}}
{{- range $values.extraObjects -}}
{{- $parts = append $parts (tpl (ternary . (toYaml .) (kindIs "string" .)) $this.root) -}}
{{- end -}}
{{- range $index, $part := $parts }}
---
{{ $part | trim }}
{{- end }}
{{- end -}}
