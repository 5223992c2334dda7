"""What an upgrade may not change: fields that Kubernetes refuses to change, compared between two releases."""

import copy

FIELDS = {
    "Deployment": ["spec.selector"],
    "StatefulSet": ["spec.selector", "spec.serviceName", "spec.podManagementPolicy", "spec.volumeClaimTemplates"],
    "Job": ["spec.selector", "spec.template", "spec.completions"],
    "Service": ["spec.clusterIP"],
    "PersistentVolumeClaim": ["spec.storageClassName", "spec.accessModes", "spec.volumeName"],
    "Secret": ["type"],
}


def field(document, path):
    for step in path.split("."):
        document = (document or {}).get(step)
    return document


def is_hook(document):
    """Hooks are made anew at each upgrade."""
    return "helm.sh/hook" in (document["metadata"].get("annotations") or {})


def changed(before, after):
    """Names each immutable field that differs between the objects of the last release and those of this one."""
    now = {(d["kind"], d["metadata"]["name"]): d for d in after}
    problems = []
    for old in before:
        new = now.get((old["kind"], old["metadata"]["name"]))
        if new is None or is_hook(old):
            continue
        for path in FIELDS.get(old["kind"], []):
            if field(old, path) != field(new, path):
                problems.append(f"{old['kind']} {old['metadata']['name']}: {path} is immutable and was changed: an upgrade would fail")
    return problems


def self_test():
    claim = {"kind": "StatefulSet", "metadata": {"name": "a"}, "spec": {"serviceName": "a", "volumeClaimTemplates": [{"size": 1}], "replicas": 1}}
    other = copy.deepcopy(claim)
    other["spec"]["replicas"] = 2
    problems = [f"immutable: what may change is refused: {p}" for p in changed([claim], [other])]
    other["spec"]["volumeClaimTemplates"][0]["size"] = 2
    if not any("volumeClaimTemplates" in problem for problem in changed([claim], [other])):
        problems.append("immutable: a changed claim is not found")
    return problems
