{{/* The pod of a service. */}}

{{/* Security that the restricted Pod Security Standard asks for, and a root file system that nobody writes to. */}}
{{- define "portcullis.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .root.Values.podSecurity.user }}
runAsGroup: {{ .root.Values.podSecurity.user }}
fsGroup: {{ .root.Values.podSecurity.user }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "portcullis.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Where the service keeps what it writes: a claim of its own (`persistence`), one that is there, or a folder as long
     as the pod lives. */}}
{{- define "portcullis.stateful" -}}
{{- with .root.Values.persistence -}}
{{- if and .enabled (not .existingClaim) -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/* Longer than the drain: what is in flight may take grace_ms, then each connection may take 5 s to close. */}}
{{- define "portcullis.gracePeriod" -}}
{{- $config := include "portcullis.config" . | fromJson -}}
{{- $drain := add (div (int ($config.grace_ms | default 10000)) 1000) (int (.root.Values.preStopSeconds | default 0)) 15 -}}
{{- $given := int .root.Values.terminationGracePeriodSeconds -}}
{{- if lt $given (int $drain) -}}
{{- fail (printf "%s: terminationGracePeriodSeconds is %d, and draining may take %d s (config.grace_ms, preStopSeconds and 15 s to close connections): the pod would be killed with messages in flight. Set it to %d or more." .root.Chart.Name $given $drain $drain) -}}
{{- end -}}
{{- $given -}}
{{- end -}}

{{- define "portcullis.secrets" -}}
{{- $root := .root -}}
{{- $nats := include "portcullis.shared" (dict "root" $root "section" "nats") | fromJson -}}
{{- $redis := include "portcullis.shared" (dict "root" $root "section" "redis") | fromJson -}}
{{- if $nats.auth.enabled }}
- secret:
    name: {{ tpl (required (printf "%s: nats.auth.existingSecret names the Secret with the passwords of NATS users (portcullis admin nats-config writes it)" $root.Chart.Name) $nats.auth.existingSecret) $root }}
    items:
      - key: {{ $nats.auth.passwordKey | default (include "portcullis.natsUser" .) }}
        path: nats-password
{{- end }}
{{- if $nats.tls.enabled }}
- secret:
    name: {{ tpl (required (printf "%s: nats.tls.caSecret names the Secret with the certificate of the authority that signed the server's" $root.Chart.Name) $nats.tls.caSecret) $root }}
    items:
      - key: {{ $nats.tls.caKey | default "ca.crt" }}
        path: nats-ca.crt
{{- end }}
{{- if and .redis $redis.auth.enabled }}
- secret:
    name: {{ tpl (required (printf "%s: redis.auth.existingSecret names the Secret with the password of Redis" $root.Chart.Name) $redis.auth.existingSecret) $root }}
    items:
      - key: {{ $redis.auth.passwordKey | default "password" }}
        path: redis-password
{{- end }}
{{- with .secrets }}
{{ . }}
{{- end }}
{{- end -}}

{{- define "portcullis.pod" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $secrets := include "portcullis.secrets" . | trim -}}
metadata:
  labels:
    {{- include "portcullis.labels" . | nindent 4 }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # A changed configuration is a new pod: services read it once, at their start.
    checksum/config: {{ include "portcullis.config" . | sha256sum }}
    {{- with mustMergeOverwrite (dict) ($values.global.podAnnotations | default dict) ($values.podAnnotations | default dict) }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- with include "portcullis.pullSecrets" . }}
  {{- . | nindent 2 }}
  {{- end }}
  serviceAccountName: {{ include "portcullis.serviceAccount" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    {{- include "portcullis.podSecurity" . | nindent 4 }}
  {{- with $values.priorityClassName | default $values.global.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  terminationGracePeriodSeconds: {{ include "portcullis.gracePeriod" . }}
  containers:
    - name: {{ include "portcullis.name" . }}
      image: {{ include "portcullis.image" . | quote }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args: ["--config", "/etc/portcullis/config.toml"]
      securityContext:
        {{- include "portcullis.containerSecurity" . | nindent 8 }}
      {{- with $values.env }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: health
          containerPort: {{ $values.ports.health }}
        {{- if .http }}
        - name: http
          containerPort: {{ $values.ports.http }}
        {{- end }}
      # Ready means: the bus, the snapshots and the warm-up have been there. A later loss of the bus is gaps and a
      # metric, not unready, so that a blip does not take all doors out at once.
      startupProbe:
        httpGet: { path: /readyz, port: health }
        {{- toYaml $values.probes.startup | nindent 8 }}
      readinessProbe:
        httpGet: { path: /readyz, port: health }
        {{- toYaml $values.probes.readiness | nindent 8 }}
      livenessProbe:
        httpGet: { path: /livez, port: health }
        {{- toYaml $values.probes.liveness | nindent 8 }}
      {{- with $values.preStopSeconds }}
      lifecycle:
        # Until the endpoints are gone everywhere, new connections still come here.
        preStop:
          sleep:
            seconds: {{ . }}
      {{- end }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      volumeMounts:
        - name: config
          mountPath: /etc/portcullis/config.toml
          subPath: config.toml
          readOnly: true
        {{- if $secrets }}
        - name: secrets
          mountPath: /etc/portcullis/secrets
          readOnly: true
        {{- end }}
        - name: tmp
          mountPath: /tmp
        {{- with $values.persistence }}
        - name: data
          mountPath: {{ .mountPath }}
        {{- end }}
        {{- with .mounts }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "portcullis.fullname" . }}-config
    {{- if $secrets }}
    - name: secrets
      projected:
        defaultMode: 0440
        sources:
          {{- $secrets | nindent 10 }}
    {{- end }}
    - name: tmp
      emptyDir:
        sizeLimit: 64Mi
    {{- if and $values.persistence (not (include "portcullis.stateful" .)) }}
    - name: data
      {{- if and $values.persistence.enabled $values.persistence.existingClaim }}
      persistentVolumeClaim:
        claimName: {{ tpl $values.persistence.existingClaim $root }}
      {{- else }}
      emptyDir:
        sizeLimit: {{ $values.persistence.size }}
      {{- end }}
    {{- end }}
    {{- with .volumes }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $values.nodeSelector | default $values.global.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations | default $values.global.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if $values.topologySpread.enabled }}
  topologySpreadConstraints:
    {{- range $values.topologySpread.keys }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: {{ $values.topologySpread.whenUnsatisfiable }}
      labelSelector:
        matchLabels:
          {{- include "portcullis.selector" $ | nindent 10 }}
      {{- if not (include "portcullis.stateful" $) }}
      matchLabelKeys: [pod-template-hash]
      {{- end }}
    {{- end }}
  {{- end }}
{{- end -}}
