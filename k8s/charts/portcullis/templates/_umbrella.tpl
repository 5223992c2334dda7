{{/* What the umbrella needs of the library: the values that every service has, filled in for its own objects. */}}

{{- define "umbrella.values" -}}
commonLabels: {}
commonAnnotations: {}
imagePullSecrets: []
podSecurity: { user: 65532 }
nats:
  url: {{ `nats://{{ .Release.Name }}-nats:4222` | quote }}
  auth: { enabled: true, existingSecret: {{ `{{ .Release.Name }}-nats-users` | quote }}, passwordKey: "" }
  tls: { enabled: false, caSecret: "", caKey: ca.crt }
networkPolicy:
  dns: { to: [{ namespaceSelector: {}, podSelector: { matchLabels: { k8s-app: kube-dns } } }] }
  nats: { to: [{ podSelector: { matchLabels: { app.kubernetes.io/name: nats } } }], port: 4222 }
redis: { auth: { enabled: false } }
{{- end -}}

{{/* The context of the library's templates for an object of the umbrella: `name` is the name that it has. */}}
{{- define "umbrella.hook" -}}
{{- .Values.init.when | default (ternary "post" "pre" .Values.nats.enabled) -}}
{{- end -}}
