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

{{/* When streams are made. What this release itself makes and init needs is not there before it. */}}
{{- define "umbrella.init" -}}
{{- $own := or .Values.nats.enabled .Values.natsUsers.create .Values.certificates.enabled -}}
{{- $when := .Values.init.when | default (ternary "along" "pre" $own) -}}
{{- if not (has $when (list "pre" "along")) -}}
{{- fail (printf "init.when is %q: it is `pre` (a hook before everything else), `along` (a job beside everything else) or empty" $when) -}}
{{- end -}}
{{- if and (eq $when "pre") .Values.natsUsers.create -}}
{{- fail "natsUsers.create makes a Secret with this release, and init.when is `pre`: the job would start before it is there. Set init.when to along, or make the Secret by `portcullis admin nats-config`" -}}
{{- end -}}
{{- $when -}}
{{- end -}}

{{/* nats-server sets aside what each stream may hold, and refuses one that does not fit. Where NATS is installed along, its
     storage is known here. Without init.journalMib an upgrade leaves the journals as they are, whatever they are. */}}
{{- define "umbrella.room" -}}
{{- $store := ((.Values.nats.config).jetstream).fileStore | default dict -}}
{{- $size := $store.maxSize | default ($store.pvc).size | default "" | toString -}}
{{- if and .Values.nats.enabled (regexMatch "^[0-9]+(Mi|Gi|Ti)$" $size) (or .Values.init.journalMib .Release.IsInstall) -}}
{{- $streams := .Files.Get "files/streams.json" | fromJson -}}
{{- $factor := index (dict "Mi" 1 "Gi" 1024 "Ti" 1048576) (regexFind "[A-Z]i$" $size) -}}
{{- $has := mul (regexFind "^[0-9]+" $size) $factor -}}
{{- $journal := int64 (.Values.init.journalMib | default $streams.journalMib) -}}
{{- $journals := int64 (max 1 .Values.init.journals) -}}
{{- $needs := add (mul $journal $journals) (int64 $streams.othersMib) -}}
{{- /* The buckets of policies and orders have no limit: a tenth is theirs. */ -}}
{{- if gt (mul $needs 10) (mul $has 9) -}}
{{- fail (printf "the streams set %d MiB aside (init.journalMib %d for each of %d journals, %d for the others), which must be at most nine tenths of what NATS may store, %s: make nats.config.jetstream.fileStore.pvc.size larger, or init.journalMib smaller" $needs $journal $journals (int64 $streams.othersMib) $size) -}}
{{- end -}}
{{- end -}}
{{- end -}}
