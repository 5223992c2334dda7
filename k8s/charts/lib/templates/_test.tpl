{{/* `helm test`: the service itself, told to ask another's door whether it is ready. */}}

{{- define "portcullis.test" -}}
{{- $labels := dict "app.kubernetes.io/name" (printf "%s-test" (include "portcullis.name" .)) "app.kubernetes.io/instance" .root.Release.Name "app.kubernetes.io/component" "test" "app.kubernetes.io/part-of" "portcullis" -}}
{{- if .root.Values.networkPolicy.enabled }}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "portcullis.fullname" . }}-test
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- toYaml $labels | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ include "portcullis.name" . }}-test
      app.kubernetes.io/instance: {{ .root.Release.Name }}
  policyTypes: [Ingress, Egress]
  egress:
    {{- include "portcullis.dnsEgress" . | nindent 4 }}
    - to:
        - podSelector:
            matchLabels:
              {{- include "portcullis.selector" . | nindent 14 }}
      ports:
        - { port: health, protocol: TCP }
---
{{- end }}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "portcullis.fullname" . }}-test
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- toYaml $labels | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  {{- with include "portcullis.pullSecrets" . }}
  {{- . | nindent 2 }}
  {{- end }}
  serviceAccountName: {{ include "portcullis.serviceAccount" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  restartPolicy: Never
  securityContext:
    {{- include "portcullis.podSecurity" . | nindent 4 }}
  containers:
    - name: ready
      image: {{ include "portcullis.image" . | quote }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: ["--ready", "{{ include "portcullis.fullname" . }}:{{ .root.Values.ports.health }}"]
      securityContext:
        {{- include "portcullis.containerSecurity" . | nindent 8 }}
      resources:
        requests: { cpu: 10m, memory: 16Mi }
        limits: { memory: 32Mi }
{{- end -}}
