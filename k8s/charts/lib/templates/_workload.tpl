{{/* What runs the pods, and what keeps and scales them. */}}

{{/* Whether something else decides the number of pods. */}}
{{- define "portcullis.scaled" -}}
{{- if not .single -}}
{{- if or (and .root.Values.autoscaling .root.Values.autoscaling.enabled) (and .root.Values.keda .root.Values.keda.enabled) -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{- define "portcullis.workload" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
apiVersion: apps/v1
kind: {{ ternary "StatefulSet" "Deployment" (eq (include "portcullis.stateful" .) "true") }}
metadata:
  {{- include "portcullis.metadata" . | nindent 2 }}
spec:
  {{- if .single }}
  # {{ .single }}.
  replicas: 1
  {{- else if not (include "portcullis.scaled" .) }}
  replicas: {{ .replicas | default $values.replicas }}
  {{- end }}
  revisionHistoryLimit: {{ $values.revisionHistoryLimit }}
  {{- if include "portcullis.stateful" . }}
  serviceName: {{ include "portcullis.fullname" . }}
  podManagementPolicy: Parallel
  updateStrategy:
    type: RollingUpdate
  persistentVolumeClaimRetentionPolicy:
    whenDeleted: Retain
    whenScaled: Retain
  {{- else if .single }}
  strategy:
    type: Recreate
  {{- else }}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
  {{- end }}
  selector:
    matchLabels:
      {{- include "portcullis.selector" . | nindent 6 }}
  template:
    {{- include "portcullis.pod" . | nindent 4 }}
  {{- if include "portcullis.stateful" . }}
  volumeClaimTemplates:
    - apiVersion: v1
      kind: PersistentVolumeClaim
      metadata:
        name: data
        labels:
          {{- include "portcullis.selector" . | nindent 10 }}
      spec:
        accessModes:
          {{- toYaml $values.persistence.accessModes | nindent 10 }}
        {{- with $values.persistence.storageClass | default $values.global.storageClass }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests:
            storage: {{ $values.persistence.size }}
  {{- end }}
{{- end -}}

{{- define "portcullis.serviceaccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "portcullis.serviceAccount" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "portcullis.labels" . | nindent 4 }}
  {{- with include "portcullis.annotations" (mustMerge (dict "more" .root.Values.serviceAccount.annotations) .) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
automountServiceAccountToken: false
{{- end -}}

{{- define "portcullis.servicePorts" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "portcullis.metadata" (mustMerge (dict "more" .root.Values.service.annotations) .) | nindent 2 }}
spec:
  {{- if include "portcullis.stateful" . }}
  {{- if not .http }}
  clusterIP: None
  {{- end }}
  {{- else }}
  type: {{ .root.Values.service.type }}
  {{- end }}
  selector:
    {{- include "portcullis.selector" . | nindent 4 }}
  ports:
    - name: health
      port: {{ .root.Values.ports.health }}
      targetPort: health
    {{- if .http }}
    - name: http
      port: {{ .root.Values.ports.http }}
      targetPort: http
      appProtocol: http
    {{- end }}
{{- end -}}

{{- define "portcullis.pdb" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "portcullis.metadata" . | nindent 2 }}
spec:
  # Never a minimum: with one pod that would stop every drain of a node.
  maxUnavailable: {{ .root.Values.podDisruptionBudget.maxUnavailable }}
  # A pod that is not ready serves nobody: it may go.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "portcullis.selector" . | nindent 6 }}
{{- end -}}

{{- define "portcullis.hpa" -}}
{{- $auto := .root.Values.autoscaling -}}
{{- if lt (int $auto.maxReplicas) (int $auto.minReplicas) -}}
{{- fail (printf "%s: autoscaling.maxReplicas (%v) is below autoscaling.minReplicas (%v)" .root.Chart.Name $auto.maxReplicas $auto.minReplicas) -}}
{{- end -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "portcullis.metadata" . | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: {{ ternary "StatefulSet" "Deployment" (eq (include "portcullis.stateful" .) "true") }}
    name: {{ include "portcullis.fullname" . }}
  minReplicas: {{ $auto.minReplicas }}
  maxReplicas: {{ $auto.maxReplicas }}
  metrics:
    {{- if $auto.cpu }}
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ $auto.cpu }}
    {{- end }}
    {{- if $auto.inFlight }}
    # Needs an adapter that serves portcullis_seats_taken as a metric of pods.
    - type: Pods
      pods:
        metric:
          name: portcullis_seats_taken
        target:
          type: AverageValue
          averageValue: {{ $auto.inFlight | quote }}
    {{- end }}
    {{- if not (or $auto.cpu $auto.inFlight) }}
    {{- fail (printf "%s: autoscaling is enabled, and neither autoscaling.cpu nor autoscaling.inFlight says by what" .root.Chart.Name) }}
    {{- end }}
  behavior:
    scaleUp:
      stabilizationWindowSeconds: 0
      policies:
        - { type: Percent, value: 100, periodSeconds: 15 }
        - { type: Pods, value: 4, periodSeconds: 15 }
      selectPolicy: Max
    scaleDown:
      stabilizationWindowSeconds: 300
      policies:
        - { type: Percent, value: 25, periodSeconds: 60 }
{{- end -}}

{{/* Readers of the journal that may be several (search) scale by how far they lag: never the ledger's one
     writer, and never anomaly, whose second half would learn from the other half of the traffic. */}}
{{- define "portcullis.scaledobject" -}}
{{- $keda := .root.Values.keda -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  {{- include "portcullis.metadata" . | nindent 2 }}
spec:
  scaleTargetRef:
    name: {{ include "portcullis.fullname" . }}
  minReplicaCount: {{ $keda.minReplicas }}
  maxReplicaCount: {{ $keda.maxReplicas }}
  pollingInterval: {{ $keda.pollingSeconds }}
  triggers:
    - type: nats-jetstream
      metadata:
        natsServerMonitoringEndpoint: {{ tpl $keda.monitoringEndpoint .root | quote }}
        account: {{ $keda.account | quote }}
        stream: JOURNAL
        consumer: {{ .root.Chart.Name | quote }}
        lagThreshold: {{ $keda.lag | quote }}
{{- end -}}
