"""What an upgrade may not change: fields that Kubernetes refuses to change, and names that others hold on to.

tests/charts/baseline/ has them as the last release rendered them, one file a rendering; `make charts-baseline` writes it,
at a release and not before. apiserver.py asks a real server whether it indeed refuses each of them.
"""

import copy

FIELDS = {
    "Deployment": ["spec.selector"],
    "StatefulSet": ["spec.selector", "spec.serviceName", "spec.podManagementPolicy", "spec.volumeClaimTemplates"],
    "Job": ["spec.selector", "spec.template", "spec.completions"],
    "Service": ["spec.clusterIP"],
    "PersistentVolumeClaim": ["spec.storageClassName", "spec.accessModes", "spec.volumeName"],
    "Secret": ["type"],
}
# Of these the charts render none: they are here for whoever adds one.
NOT_RENDERED = {("Job", "spec.selector"), ("Job", "spec.completions")} | {("PersistentVolumeClaim", f) for f in FIELDS["PersistentVolumeClaim"]}
# What is lost where an object of the last release is not there any more.
HELD_ON_TO = {
    "Service": "whoever asks by its name finds nobody",
    "StatefulSet": "what its claims hold is left behind",
    "PersistentVolumeClaim": "what it holds is deleted",
}
# Without a word these are what the server takes, so that writing them out is no change.
DEFAULTS = {"spec.podManagementPolicy": "OrderedReady"}


def field(document, path):
    for step in path.split("."):
        document = (document or {}).get(step)
    return document


def value(document, path):
    found = field(document, path)
    found = DEFAULTS.get(path) if found is None else found
    if path == "spec.clusterIP":
        # An address that the server chose stays; having one or none may not change.
        return "None" if found == "None" else "an address"
    if path == "spec.volumeClaimTemplates":
        # The size of a claim's template is as immutable as the rest.
        return [{"name": claim["metadata"]["name"], **claim["spec"]} for claim in found or []]
    return found


def applies(path, document):
    """Whether the object has this field, so that it can be compared."""
    return field(document, path) is not None or path == "spec.clusterIP"


def is_hook(document):
    """Hooks are made anew at each upgrade."""
    return "helm.sh/hook" in (document["metadata"].get("annotations") or {})


def kept(documents):
    """What of these objects the next release is compared with, in an order of its own."""
    found = []
    for document in documents:
        kind = document["kind"]
        if kind in FIELDS and not is_hook(document):
            fields = {path: value(document, path) for path in FIELDS[kind] if value(document, path) is not None}
            found.append({"kind": kind, "name": document["metadata"]["name"], "fields": fields})
    return sorted(found, key=lambda one: (one["kind"], one["name"]))


def changed(before, documents):
    """Names what differs between the baseline of the last release and the objects of this one, and what that would do."""
    now = {(one["kind"], one["name"]): one["fields"] for one in kept(documents)}
    problems = []
    for old in before:
        kind, name = old["kind"], old["name"]
        new = now.get((kind, name))
        if new is None:
            if kind in HELD_ON_TO:
                problems.append(f"{kind} {name} is gone since the last release: {HELD_ON_TO[kind]}")
            continue
        for path in sorted({*old["fields"], *new}):
            if old["fields"].get(path) != new.get(path):
                problems.append(f"{kind} {name}: {path} is immutable and was changed from {old['fields'].get(path)} to {new.get(path)}: "
                                "an upgrade from the last release would fail")
    return problems


def self_test():
    """What may change passes, and each thing that may not is found by its name."""
    labels = {"matchLabels": {"app.kubernetes.io/name": "a"}}
    claim = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"image": "a:1"}]}}
    documents = [
        {"kind": "StatefulSet", "metadata": {"name": "s"}, "spec": {
            "serviceName": "s", "podManagementPolicy": "Parallel", "selector": labels, "replicas": 1, "template": template,
            "volumeClaimTemplates": [claim]}},
        {"kind": "Deployment", "metadata": {"name": "d"}, "spec": {"selector": labels, "replicas": 2, "template": template}},
        {"kind": "Service", "metadata": {"name": "s"}, "spec": {"clusterIP": "None", "ports": [{"port": 1}]}},
        {"kind": "Service", "metadata": {"name": "d"}, "spec": {"ports": [{"port": 1}]}},
        {"kind": "Secret", "metadata": {"name": "k"}, "type": "Opaque", "stringData": {"a": "b"}},
        {"kind": "Job", "metadata": {"name": "init", "annotations": {"helm.sh/hook": "pre-upgrade"}}, "spec": {"template": template}},
    ]
    baseline = kept(documents)
    problems = []

    def after(change):
        new = copy.deepcopy(documents)
        change(new)
        return changed(baseline, new)

    def may(what, change):
        problems.extend(f"immutable: {what} may change, and is refused: {said}" for said in after(change))

    def may_not(what, change):
        if not any(what in said for said in after(change)):
            problems.append(f"immutable: {what!r} is not found")

    may("nothing", lambda new: None)
    may("the order", lambda new: new.reverse())
    may("the number of pods", lambda new: new[0]["spec"].update(replicas=3))
    may("the image", lambda new: new[1]["spec"]["template"]["spec"]["containers"][0].update(image="a:2"))
    may("a port", lambda new: new[3]["spec"]["ports"][0].update(port=2))
    may("a hook", lambda new: new[5]["spec"]["template"].update(metadata={}))
    may("a hook's presence", lambda new: new.pop(5))
    may("a new object", lambda new: new.append({"kind": "Service", "metadata": {"name": "new"}, "spec": {}}))
    may_not("StatefulSet s: spec.selector", lambda new: new[0]["spec"]["selector"]["matchLabels"].update(b="c"))
    may_not("StatefulSet s: spec.serviceName", lambda new: new[0]["spec"].update(serviceName="t"))
    may_not("StatefulSet s: spec.podManagementPolicy", lambda new: new[0]["spec"].pop("podManagementPolicy"))
    may_not("StatefulSet s: spec.volumeClaimTemplates", lambda new: new[0]["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"].update(storage="2Gi"))
    may_not("StatefulSet s: spec.volumeClaimTemplates", lambda new: new[0]["spec"]["volumeClaimTemplates"][0]["spec"].update(storageClassName="fast"))
    may_not("StatefulSet s: spec.volumeClaimTemplates", lambda new: new[0]["spec"].pop("volumeClaimTemplates"))
    may_not("StatefulSet s is gone", lambda new: new[0].update(kind="Deployment"))
    may_not("Deployment d: spec.selector", lambda new: new[1]["spec"].update(selector={"matchLabels": {}}))
    may_not("Service s: spec.clusterIP", lambda new: new[2]["spec"].pop("clusterIP"))
    may_not("Service d: spec.clusterIP", lambda new: new[3]["spec"].update(clusterIP="None"))
    may_not("Service d is gone", lambda new: new[3]["metadata"].update(name="e"))
    may_not("Secret k: type", lambda new: new[4].update(type="kubernetes.io/tls"))
    return problems
