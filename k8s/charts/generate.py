"""Writes the chart of each service in services.yaml: Chart.yaml, values, schema, templates and notes.

Usage: generate.py [--check]    with --check nothing is written, and what is stale is named (exit status 1).

A service is added by an entry in services.yaml and one in portcullis/Chart.yaml and portcullis/values.yaml.
"""

import json
import pathlib
import re
import sys
import textwrap

from ruamel.yaml import YAML

CHARTS = pathlib.Path(__file__).resolve().parent
ROOT = CHARTS.parent.parent
HEAD = "# Written by k8s/charts/generate.py from k8s/charts/services.yaml: change it there.\n"
RULES = ROOT / "deploy" / "prometheus" / "rules"

PERSISTENCE = """
# Files of the service: @about@
persistence:
  # -- Keep them on a volume that outlives the pod
  enabled: @keep@
  # -- Where they are
  mountPath: @path@
  # -- Size of the volume; of the folder, where nothing outlives the pod
  size: @size@
  # -- Class of the volume; empty: the cluster's default
  storageClass: ""
  # -- How the volume may be mounted
  accessModes: [ReadWriteOnce]
  # -- A claim that is there already, instead of one of its own
  existingClaim: ""
"""

REPLICAS = """
# -- Pods, where nothing scales them
replicas: 2
"""

REDIS = """
# How to reach Redis or Valkey; each field of `global.redis` wins over the one here.
redis:
  # -- Address; may use templates
  url: redis://{{ .Release.Name }}-valkey:6379
  auth:
    # -- Log in
    enabled: true
    # -- User; empty: the default one
    user: ""
    # -- Secret with the password
    existingSecret: "{{ .Release.Name }}-redis"
    # -- Its key
    passwordKey: password
"""

AUTOSCALING = """
autoscaling:
  # -- Scale the pods
  enabled: false
  # -- At least so many
  minReplicas: 2
  # -- At most so many
  maxReplicas: 10
  # -- Aim for the use of the requested CPU, in percent; 0: not by CPU
  cpu: 70
  # -- Aim for requests in flight in each pod; 0: not by these. Needs an adapter for metrics of pods
  inFlight: 0
"""

KEDA = """
keda:
  # -- Scale by how far the service lags behind the journal
  enabled: false
  # -- At least so many pods
  minReplicas: 1
  # -- At most so many
  maxReplicas: 8
  # -- Entries behind, for each pod
  lag: 1000
  # -- Seconds between looks
  pollingSeconds: 15
  # -- Monitoring of NATS, host and port; may use templates
  monitoringEndpoint: "{{ .Release.Name }}-nats-headless.{{ .Release.Namespace }}.svc:8222"
  # -- Account of the journal
  account: $G
"""

NETWORK_REDIS = """  redis:
    # -- Where Redis is
    to: [{ podSelector: { matchLabels: { app.kubernetes.io/name: valkey } } }]
    # -- Its port
    port: 6379
"""

NETWORK_HTTP = """  http:
    # -- Who may ask over HTTP: by default pods with this label, in any namespace
    from:
      - namespaceSelector: {}
        podSelector: { matchLabels: { portcullis.dev/client: "true" } }
"""


def workspace_version():
    text = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    return re.search(r'^version = "([^"]+)"', text, re.MULTILINE).group(1)


def chart_yaml(name, service, version):
    return f"""{HEAD}apiVersion: v2
name: {name}
description: "Portcullis: {service['summary']}"
type: application
version: {version}
appVersion: "{version}"
kubeVersion: ">=1.30.0-0"
keywords: [security, ai, guard, nats]
dependencies:
  - name: portcullis-lib
    version: {version}
    repository: file://../lib
"""


def values_yaml(name, service):
    text = (CHARTS / "common" / "values.yaml").read_text(encoding="utf-8")
    resources, data = service["resources"], service.get("data")
    persistence = ""
    if data:
        persistence = PERSISTENCE.replace("@about@", data["about"]).replace("@keep@", str(data["keep"]).lower())
        persistence = persistence.replace("@path@", data["path"]).replace("@size@", data["size"])
    single = service.get("single")
    scaling = "" if single else (KEDA if service.get("keda") else AUTOSCALING)
    fill = {
        "name": name,
        "replicas": "" if single else REPLICAS,
        "redis": REDIS if service.get("redis") else "",
        "networkRedis": NETWORK_REDIS if service.get("redis") else "",
        "networkHttp": NETWORK_HTTP if service.get("http") else "",
        "networkOwn": textwrap.indent(service.get("network", ""), "  "),
        "portHttp": "  # -- The door for bots\n  http: 8080\n" if service.get("http") else "",
        "persistence": persistence,
        "autoscaling": scaling,
        "pre_stop": str(service.get("pre_stop", 0)),
        "cpu": str(resources["cpu"]),
        "memory": resources["memory"],
        "limit": resources["limit"],
    }
    for key, value in fill.items():
        text = text.replace(f"@{key}@", value)
    own = service.get("values", "")
    return f"{HEAD}{own}{chr(10) if own else ''}{text}"


def text_type(**more):
    return {"type": "string", **more}


def struct(properties, **more):
    return {"type": "object", "additionalProperties": False, "properties": properties, **more}


def free(**more):
    return {"type": "object", **more}


def config_schema(name):
    return json.loads((ROOT / "deploy" / "config" / f"{name}.schema.json").read_text(encoding="utf-8"))


def values_schema(name, service, config):
    """What may stand in the values. `config` is what the service itself says that it takes."""
    config.pop("$schema", None)
    texts = free(additionalProperties=text_type())
    count = {"type": "integer", "minimum": 0}
    peers = {"type": "array", "items": free(), "minItems": 1}
    port = {"type": "integer", "minimum": 1, "maximum": 65535}
    flag = {"type": "boolean"}
    names = {"type": "array", "items": text_type(minLength=1)}
    objects = {"type": "array", "items": free()}
    probe = struct({key: {"type": "integer", "minimum": 1} for key in
                    ("periodSeconds", "failureThreshold", "timeoutSeconds", "successThreshold")}
                   | {"initialDelaySeconds": count})
    quantity = {"type": ["string", "number"], "description": "a quantity, such as 250m or 64Mi"}
    amounts = free(additionalProperties=quantity)
    network = {
        "enabled": flag,
        "dns": struct({"to": peers}),
        "nats": struct({"to": peers, "port": port}),
        "otlp": struct({"to": peers, "port": port}),
        "metrics": struct({"from": {"type": "array", "items": free()}}),
        "extraIngress": objects,
        "extraEgress": objects,
    }
    properties = {
        "global": free(description="values that the umbrella chart sets for all"),
        "portcullis-lib": free(),
        "enabled": {"type": "boolean", "description": "read by the umbrella chart"},
        "image": struct({
            "registry": text_type(),
            "repository": text_type(minLength=1),
            "tag": text_type(),
            "digest": text_type(pattern="^(sha256:[0-9a-f]{64})?$", description="sha256: and 64 hex digits, or nothing"),
            "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
        }),
        "imagePullSecrets": names,
        "nameOverride": text_type(),
        "fullnameOverride": text_type(),
        "config": config,
        "nats": struct({
            "url": text_type(minLength=1),
            "auth": struct({"enabled": flag, "existingSecret": text_type(), "passwordKey": text_type()}),
            "tls": struct({"enabled": flag, "caSecret": text_type(), "caKey": text_type()}),
        }),
        "otlpEndpoint": text_type(pattern="^(|http://.*|\\{\\{.*)$", description="http://host:4318, or nothing"),
        "resources": struct({"requests": amounts, "limits": amounts, "claims": objects}),
        "terminationGracePeriodSeconds": {"type": "integer", "minimum": 1},
        "preStopSeconds": count,
        "probes": struct({"startup": probe, "readiness": probe, "liveness": probe}),
        "podDisruptionBudget": struct({
            "enabled": flag,
            "maxUnavailable": {"oneOf": [{"type": "integer", "minimum": 1}, text_type(pattern="^[0-9]+%$")]},
        }),
        "topologySpread": struct({
            "enabled": flag, "keys": names, "whenUnsatisfiable": {"enum": ["ScheduleAnyway", "DoNotSchedule"]},
        }),
        "networkPolicy": struct(network),
        "monitoring": struct({
            "enabled": flag, "rules": flag, "labels": texts,
            "interval": text_type(pattern="^[0-9]+(ms|s|m)$"), "timeout": text_type(pattern="^[0-9]+(ms|s|m)$"),
        }),
        "ports": struct({"health": port}),
        "service": struct({"type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]}, "annotations": texts}),
        "serviceAccount": struct({"create": flag, "name": text_type(), "annotations": texts}),
        "podSecurity": struct({"user": {"type": "integer", "minimum": 1, "description": "not root"}}),
        "commonLabels": texts,
        "commonAnnotations": texts,
        "podLabels": texts,
        "podAnnotations": texts,
        "env": objects,
        "extraVolumes": objects,
        "extraVolumeMounts": objects,
        "priorityClassName": text_type(),
        "nodeSelector": texts,
        "tolerations": objects,
        "affinity": free(),
        "revisionHistoryLimit": count,
        "extraObjects": {"type": "array", "items": {"type": ["object", "string"]}},
    }
    if service.get("http"):
        properties["ports"]["properties"]["http"] = port
        network["http"] = struct({"from": {"type": "array", "items": free()}})
    if service.get("redis"):
        network["redis"] = struct({"to": peers, "port": port})
        properties["redis"] = struct({
            "url": text_type(minLength=1),
            "auth": struct({
                "enabled": flag, "user": text_type(), "existingSecret": text_type(), "passwordKey": text_type(),
            }),
        })
    if service.get("data"):
        properties["persistence"] = struct({
            "enabled": flag, "mountPath": text_type(pattern="^/"), "size": text_type(pattern="^[0-9]+(Mi|Gi|Ti)$"),
            "storageClass": text_type(), "accessModes": names, "existingClaim": text_type(),
        })
    if not service.get("single"):
        properties["replicas"] = {"type": "integer", "minimum": 1}
        if service.get("keda"):
            properties["keda"] = struct({
                "enabled": flag, "minReplicas": count, "maxReplicas": {"type": "integer", "minimum": 1},
                "lag": {"type": "integer", "minimum": 1}, "pollingSeconds": {"type": "integer", "minimum": 1},
                "monitoringEndpoint": text_type(), "account": text_type(),
            })
        else:
            properties["autoscaling"] = struct({
                "enabled": flag, "minReplicas": {"type": "integer", "minimum": 1},
                "maxReplicas": {"type": "integer", "minimum": 1},
                "cpu": {"type": "integer", "minimum": 0, "maximum": 100}, "inFlight": count,
            })
    network |= service.get("network_schema", {})
    properties |= service.get("schema", {})
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"Values of the chart {name}"}
    schema |= struct(dict(sorted(properties.items())))
    return json.dumps(schema, indent=1, default=dict) + "\n"


def service_template(service):
    arguments = [f'"root" . "component" "{service["component"]}"']
    if service.get("http"):
        arguments.append('"http" true')
    if service.get("redis"):
        arguments.append(f'"redis" "{service["redis"]}"')
    if service.get("single"):
        why, unless = json.dumps(service["single"]), service.get("single_unless")
        arguments.append(f'"single" (ternary "" {why} {unless}) "replicas" 2' if unless else f'"single" {why}')
    data = service.get("data")
    more = service.get("arguments", "").strip()
    if data and not more:
        arguments.append(f'"config" (fromJson `{json.dumps(data["config"])}`)')
    if more:
        arguments.append(more)
    arguments.append('"rules" (.Files.Get "files/rules.yaml")')
    return ("{{/* Written by k8s/charts/generate.py. */}}\n"
            f'{{{{ include "portcullis.service" (dict {" ".join(arguments)}) }}}}\n')


def notes(name, service):
    what = "dict \"root\" ."
    # The name of the service, once for all lines.
    text = f"""{{{{- $name := include "portcullis.fullname" ({what}) -}}}}
Portcullis {name} {{{{ .Chart.AppVersion }}}}: {service['summary']}.

  kubectl -n {{{{ .Release.Namespace }}}} get pods -l app.kubernetes.io/name={{{{ include "portcullis.name" ({what}) }}}},app.kubernetes.io/instance={{{{ .Release.Name }}}}
  helm test {{{{ .Release.Name }}}} -n {{{{ .Release.Namespace }}}}

It logs in to {{{{ include "portcullis.natsUrl" ({what}) }}}} as the user {name}; the streams and buckets are made by
`portcullis admin init`, which the umbrella chart runs. A pod that is not ready says why at /readyz.
"""
    return text + service.get("notes", "")


def chart_files(name, service, version, config):
    """Every file of a chart that is written, by its path in the chart."""
    return {
        "Chart.yaml": chart_yaml(name, service, version),
        "values.yaml": values_yaml(name, service),
        "values.schema.json": values_schema(name, service, config),
        "templates/service.yaml": service_template(service),
        "templates/NOTES.txt": notes(name, service),
        ".helmignore": "ci/\nREADME.md.gotmpl\n",
    }


def outputs():
    yaml = YAML(typ="safe", pure=True)
    services = yaml.load((CHARTS / "services.yaml").read_text(encoding="utf-8"))
    version = workspace_version()
    files = {}
    for name, service in services.items():
        folder = CHARTS / name
        for path, text in chart_files(name, service, version, config_schema(name)).items():
            files[folder / path] = text
        rules = RULES / f"{name}.yaml"
        if rules.exists():
            files[folder / "files" / "rules.yaml"] = rules.read_text(encoding="utf-8")
        elif service["component"] == "stage":
            text = (RULES / "stage.yaml").read_text(encoding="utf-8")
            files[folder / "files" / "rules.yaml"] = re.sub(r'job=~"[a-z|-]+"', f'job="{name}"', text)
    umbrella = CHARTS / "portcullis" / "files" / "rules"
    for shared in ("gateway", "bus", "slo"):
        rules = RULES / f"{shared}.yaml"
        if rules.exists():
            files[umbrella / rules.name] = rules.read_text(encoding="utf-8")
    dashboards = ROOT / "deploy" / "grafana" / "dashboards"
    for board in sorted(dashboards.glob("*.json")):
        files[CHARTS / "portcullis" / "files" / "dashboards" / board.name] = board.read_text(encoding="utf-8")
    return files


def main():
    check = sys.argv[1:] == ["--check"]
    stale = []
    for path, text in outputs().items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(str(path.relative_to(ROOT)))
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if check and stale:
        sys.exit("stale, run `make charts-update`: " + ", ".join(stale))


if __name__ == "__main__":
    main()
