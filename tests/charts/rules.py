"""Rules that every rendered object of ours keeps: the restricted Pod Security Standard, names, edges of the network."""

import copy

SERVICES = {"ingress", "rate-limit", "sanitizer", "injection-classifier", "sentiment", "moderation", "audit", "anomaly", "search"}
# Who needs Redis; everybody needs NATS.
WITH_REDIS = {"ingress", "rate-limit"}
# Of whom there is one, and why.
SINGLE = {"audit": "the ledger has one writer", "anomaly": "two watches would each learn from half of the traffic"}
GRACE = 25  # what a drain may take by default: 10 s for what is in flight, 15 s to close


def pod_of(document):
    """The labels and the specification of the pods that an object makes, if it makes some."""
    if document["kind"] == "Pod":
        return document["metadata"].get("labels", {}), document["spec"]
    template = document.get("spec", {}).get("template") if document["kind"] in ("Deployment", "StatefulSet", "Job") else None
    return (template["metadata"].get("labels", {}), template["spec"]) if template else None


def pod_problems(name, spec):
    security = spec.get("securityContext", {})
    if security.get("runAsNonRoot") is not True or security.get("runAsUser", 0) == 0:
        yield f"{name} may run as root"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield f"{name} has no seccomp profile"
    if spec.get("automountServiceAccountToken") is not False:
        yield f"{name} is given a token of the cluster"
    for forbidden in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(forbidden):
            yield f"{name} has {forbidden}"
    for volume in spec.get("volumes", []):
        if not {"configMap", "projected", "emptyDir", "secret", "persistentVolumeClaim"} & set(volume):
            yield f"{name} mounts a volume that the restricted standard forbids: {volume['name']}"
    for container in spec["containers"]:
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False or own.get("capabilities", {}).get("drop") != ["ALL"]:
            yield f"{name} may gain privileges"
        if own.get("readOnlyRootFilesystem") is not True:
            yield f"{name} may write to its root file system"
        resources = container.get("resources", {})
        if "memory" not in resources.get("limits", {}) or "cpu" not in resources.get("requests", {}):
            yield f"{name} asks for no resources"
        image = container["image"]
        if "@sha256:" not in image and (":" not in image.rsplit("/", 1)[-1] or image.endswith(":latest")):
            yield f"{name} runs an image that may change: {image}"


def service_problems(name, document):
    spec = document["spec"]["template"]["spec"]
    container = spec["containers"][0]
    if container["readinessProbe"]["httpGet"]["path"] != "/readyz" or container["livenessProbe"]["httpGet"]["path"] != "/livez":
        yield f"{name}: its probes are not the honest ones"
    if spec["terminationGracePeriodSeconds"] < GRACE:
        yield f"{name}: it may be killed while it drains"
    replicas = document["spec"].get("replicas")
    if name in SINGLE and replicas != 1 and not (name == "audit" and replicas == 2 and stands_by(document["kind"], spec)):
        yield f"{name}: {SINGLE[name]}"


def stands_by(kind, spec):
    """Whether a second audit can take over: where both have the same keys, on a claim that is not each one's own."""
    return kind == "Deployment" and any("persistentVolumeClaim" in volume for volume in spec["volumes"])


def matches(selector, labels):
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def edges(policy):
    """The ports that a policy lets a pod reach, other than those of the resolver."""
    return {port["port"] for rule in policy["spec"].get("egress", []) for port in rule["ports"]} - {53}


def network_problems(documents):
    policies = [d for d in documents if d["kind"] == "NetworkPolicy"]
    for document in documents:
        pod = pod_of(document)
        if not pod:
            continue
        labels = pod[0]
        own = [p for p in policies if p["spec"]["podSelector"] and matches(p["spec"]["podSelector"], labels)]
        name = document["metadata"]["name"]
        if len(own) != 1 or set(own[0]["spec"]["policyTypes"]) != {"Ingress", "Egress"}:
            yield f"{name}: {len(own)} network policies hold its pods, and one must, both ways"
            continue
        service = labels.get("app.kubernetes.io/name")
        if service in SERVICES:
            allowed = {4222} | ({6379} if service in WITH_REDIS else set())
            traced = "otlp_endpoint" in config_of(documents, name)
            if service == "anomaly" and "alertmanager" in config_of(documents, name):
                allowed |= {9093}
            if service == "search":
                allowed |= {9200}
            if service == "audit" and "postgres" in config_of(documents, name):
                allowed |= {5432}
            if service == "audit" and "[checkpoints]\nurl = " in config_of(documents, name):
                # Where it is told the values alone say; in those of the tests, at this port.
                allowed |= {80}
            if edges(own[0]) != allowed | ({4318} if traced else set()):
                yield f"{name}: it may reach {sorted(edges(own[0]))}, and needs {sorted(allowed)}"
            doors = {port["port"] for rule in own[0]["spec"]["ingress"] for port in rule["ports"]}
            if doors != {"health"} | ({"http"} if service == "ingress" else set()):
                yield f"{name}: it may be reached at {sorted(doors)}"


def waits(document):
    """Whether it comes only when every service is ready, as a hook after the installation does with `helm install --wait`
    and in Argo CD: then nothing may wait for it."""
    hooks = (document["metadata"].get("annotations") or {}).get("helm.sh/hook", "").split(",")
    return any(hook.strip() in ("post-install", "post-upgrade") for hook in hooks)


def config_of(documents, name):
    return next((d["data"]["config.toml"] for d in documents
                 if d["kind"] == "ConfigMap" and d["metadata"]["name"] == f"{name}-config"), "")


def broken(documents):
    """Every rule that these objects break."""
    problems = []
    seen = set()
    for document in documents:
        name = document["metadata"]["name"]
        key = (document["kind"], document["metadata"].get("namespace"), name)
        if key in seen:
            problems.append(f"{document['kind']} {name} is there twice")
        seen.add(key)
        if waits(document):
            problems.append(f"{document['kind']} {name} waits for what waits for it: it is a hook after the installation")
        pod = pod_of(document)
        if pod:
            problems += pod_problems(f"{document['kind']} {name}", pod[1])
            if pod[0].get("app.kubernetes.io/name") in SERVICES and document["kind"] in ("Deployment", "StatefulSet"):
                problems += service_problems(pod[0]["app.kubernetes.io/name"], document)
                if not any(d["kind"] == "PodDisruptionBudget" and matches(d["spec"]["selector"], pod[0]) for d in documents):
                    problems.append(f"{name}: a drain of nodes may take all its pods")
        if document["kind"] == "ConfigMap" and any("password = \"" in text for text in document.get("data", {}).values()):
            problems.append(f"ConfigMap {name} holds a password")
    return problems + list(network_problems(documents))


def self_test():
    """The rules themselves: a good object passes, and each spoilt one is found."""
    labels = {"app.kubernetes.io/name": "sanitizer", "app.kubernetes.io/instance": "x"}
    container = {
        "image": "r/sanitizer:1", "resources": {"limits": {"memory": "1Mi"}, "requests": {"cpu": "1m"}},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
        "readinessProbe": {"httpGet": {"path": "/readyz"}}, "livenessProbe": {"httpGet": {"path": "/livez"}},
    }
    spec = {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}},
        "automountServiceAccountToken": False, "containers": [container], "terminationGracePeriodSeconds": 45,
    }
    selector = {"matchLabels": labels}
    good = [
        {"kind": "Deployment", "metadata": {"name": "x"}, "spec": {"template": {"metadata": {"labels": labels}, "spec": spec}}},
        {"kind": "PodDisruptionBudget", "metadata": {"name": "x"}, "spec": {"selector": selector}},
        {"kind": "NetworkPolicy", "metadata": {"name": "x"}, "spec": {
            "podSelector": selector, "policyTypes": ["Ingress", "Egress"],
            "egress": [{"ports": [{"port": 4222}]}], "ingress": [{"ports": [{"port": "health"}]}]}},
    ]
    problems = [f"rules: a good object is refused: {p}" for p in broken(good)]

    def spoil(change, word):
        bad = copy.deepcopy(good)
        change(bad)
        if not any(word in problem for problem in broken(bad)):
            problems.append(f"rules: {word!r} is not found")

    pod = lambda bad: bad[0]["spec"]["template"]["spec"]
    spoil(lambda bad: pod(bad)["securityContext"].update(runAsUser=0), "root")
    spoil(lambda bad: pod(bad).update(automountServiceAccountToken=True), "token")
    spoil(lambda bad: pod(bad).update(volumes=[{"name": "h", "hostPath": {"path": "/"}}]), "forbids")
    spoil(lambda bad: pod(bad)["containers"][0].update(image="r/sanitizer:latest"), "may change")
    spoil(lambda bad: pod(bad)["containers"][0]["securityContext"].update(readOnlyRootFilesystem=False), "write")
    spoil(lambda bad: pod(bad).update(terminationGracePeriodSeconds=10), "drains")
    spoil(lambda bad: bad[2]["spec"]["egress"].append({"ports": [{"port": 443}]}), "may reach")
    spoil(lambda bad: bad[2]["spec"].update(policyTypes=["Ingress"]), "both ways")
    spoil(lambda bad: bad.pop(1), "drain of nodes")
    spoil(lambda bad: bad.append(bad[1]), "twice")
    spoil(lambda bad: bad[1]["metadata"].update(annotations={"helm.sh/hook": "post-install,post-upgrade"}), "waits for what waits")
    return problems
