{{/* Names, labels and images. Every template of this chart takes a dict: `root` is the context of the chart that
     includes it; the rest says what the service is (see _service.tpl). */}}

{{- define "portcullis.name" -}}
{{- .root.Values.nameOverride | default .root.Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "portcullis.fullname" -}}
{{- $name := include "portcullis.name" . -}}
{{- if .root.Values.fullnameOverride -}}
{{- .root.Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .root.Release.Name -}}
{{- .root.Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .root.Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods of a service; never changes, since it is immutable in a workload. */}}
{{- define "portcullis.selector" -}}
app.kubernetes.io/name: {{ include "portcullis.name" . }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}

{{- define "portcullis.labels" -}}
{{- $root := .root -}}
{{- $common := mustMergeOverwrite (dict) ($root.Values.global.commonLabels | default dict) ($root.Values.commonLabels | default dict) -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{ include "portcullis.selector" . }}
app.kubernetes.io/component: {{ .component | default "stage" }}
app.kubernetes.io/part-of: portcullis
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{- with $common }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Annotations of every object: the global ones, those of the chart, and those of `more`. */}}
{{- define "portcullis.annotations" -}}
{{- $root := .root -}}
{{- $all := mustMergeOverwrite (dict) ($root.Values.global.commonAnnotations | default dict) ($root.Values.commonAnnotations | default dict) (.more | default dict) -}}
{{- with $all }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The metadata of an object: `suffix` is added to the name, `more` are annotations and `labels` labels of its own. */}}
{{- define "portcullis.metadata" -}}
name: {{ include "portcullis.fullname" . }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "portcullis.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- . | nindent 2 }}
  {{- end }}
{{- with include "portcullis.annotations" . }}
{{- . }}
{{- end }}
{{- end -}}

{{/* An image: the global registry wins, a digest wins over a tag. `image` may be given; else it is the chart's. */}}
{{- define "portcullis.image" -}}
{{- $image := .image | default .root.Values.image -}}
{{- $registry := .root.Values.global.imageRegistry | default $image.registry -}}
{{- $name := ternary $image.repository (printf "%s/%s" $registry $image.repository) (empty $registry) -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name ($image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "portcullis.pullSecrets" -}}
{{- with concat (.root.Values.global.imagePullSecrets | default list) (.root.Values.imagePullSecrets | default list) | uniq }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "portcullis.serviceAccount" -}}
{{- if .root.Values.serviceAccount.create -}}
{{- .root.Values.serviceAccount.name | default (include "portcullis.fullname" .) -}}
{{- else -}}
{{- .root.Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}
