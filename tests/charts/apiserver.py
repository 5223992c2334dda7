"""Proves the charts by a real API server: every object of every rendering is created with field validation `Strict`, in a
namespace that enforces the restricted Pod Security Standard, and each pod that a workload would make is admitted there.

Usage: apiserver.py    `make apiserver` calls it, with the tools named by PORTCULLIS_KUBE_APISERVER, PORTCULLIS_ETCD,
PORTCULLIS_HELM and PORTCULLIS_KUBERNETES_SCHEMAS. Nothing runs the pods: it is the server's word that counts here.
"""

import collections
import contextlib
import copy
import json
import os
import pathlib
import secrets
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import check
import immutable

TOKEN = secrets.token_hex(16)
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
START_S = 120
# First what others name.
FIRST = ["Namespace", "PriorityClass", "ServiceAccount", "Secret", "ConfigMap", "Service"]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A kube-apiserver with an etcd of its own, and the objects that it is asked to take."""

    def __init__(self, folder, stack):
        self.folder = pathlib.Path(folder)
        self.stack = stack
        self.kinds = {}
        client, peer, self.port = free_port(), free_port(), free_port()
        self.start("etcd", os.environ["PORTCULLIS_ETCD"], f"--data-dir={folder}/etcd", "--unsafe-no-fsync", "--log-level=warn",
                   f"--listen-client-urls=http://127.0.0.1:{client}", f"--advertise-client-urls=http://127.0.0.1:{client}",
                   f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
                   f"--initial-cluster=default=http://127.0.0.1:{peer}")
        subprocess.run(["openssl", "genrsa", "-out", f"{folder}/accounts.key", "2048"], check=True, capture_output=True)
        (self.folder / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n", encoding="utf-8")
        self.api = self.start(
            "kube-apiserver", os.environ["PORTCULLIS_KUBE_APISERVER"], f"--etcd-servers=http://127.0.0.1:{client}",
            "--bind-address=127.0.0.1", f"--secure-port={self.port}", f"--cert-dir={folder}/certificates",
            "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none", "--authorization-mode=RBAC",
            f"--token-auth-file={folder}/tokens.csv", "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={folder}/accounts.key",
            f"--service-account-signing-key-file={folder}/accounts.key", "--allow-privileged=true")
        self.wait()

    def start(self, name, *command):
        log = self.stack.enter_context((self.folder / f"{name}.log").open("w", encoding="utf-8"))
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

        def stop():
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

        self.stack.callback(stop)
        return process

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")[-3000:]

    def wait(self):
        end = time.monotonic() + START_S
        while True:
            with contextlib.suppress(OSError):
                if self.ask("GET", "/readyz")[0] == 200:
                    break
            if self.api.poll() is not None or time.monotonic() > end:
                sys.exit(f"apiserver: it does not become ready:\n{self.log('kube-apiserver')}\n{self.log('etcd')}")
            time.sleep(0.2)
        self.version = self.ask("GET", "/version")[1]["gitVersion"]

    def ask(self, method, path, body=None, kind="application/json"):
        """Status, body and warnings of one request."""
        # The server signed its certificate itself, for names that are not this address.
        trust = ssl.create_default_context(cafile=f"{self.folder}/certificates/apiserver.crt")
        trust.check_hostname = False
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", method=method,
                                         data=None if body is None else json.dumps(body, default=dict).encode(),
                                         headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": kind})
        try:
            with urllib.request.urlopen(request, context=trust, timeout=60) as answer:
                text, status, warnings = answer.read(), answer.status, answer.headers.get_all("Warning") or []
        except urllib.error.HTTPError as error:
            text, status, warnings = error.read(), error.code, []
        try:
            return status, json.loads(text), warnings
        except ValueError:
            return status, {"message": text.decode(errors="replace")}, warnings

    def resource(self, version, kind):
        """The path of a kind's collection, as the server itself names it: with a place for the namespace, if it has one."""
        if version not in self.kinds:
            root = f"/apis/{version}" if "/" in version else f"/api/{version}"
            found = self.ask("GET", root)[1].get("resources", [])
            self.kinds[version] = {
                each["kind"]: f"{root}/namespaces/{{}}/{each['name']}" if each["namespaced"] else f"{root}/{each['name']}"
                for each in found if "/" not in each["name"]}
        return self.kinds[version].get(kind)

    def create(self, document, namespace, dry=False):
        """Why the server does not take it without a word, or nothing."""
        path = self.resource(document["apiVersion"], document["kind"])
        if not path:
            return f"the server knows no {document['kind']} of {document['apiVersion']}"
        query = "?fieldValidation=Strict" + ("&dryRun=All" if dry else "")
        status, body, warnings = self.ask("POST", path.format(document["metadata"].get("namespace", namespace)) + query, document)
        if status not in (200, 201):
            return body.get("message", str(body))
        return "; ".join(warnings) or None

    def define(self, folder):
        """The definitions of cert-manager, KEDA, Argo CD and the Prometheus operator, as they publish them."""
        files = sorted(pathlib.Path(folder).glob("*.json"))
        if not files:
            sys.exit(f"apiserver: no definitions in {folder}")
        for file in files:
            definition = json.loads(file.read_text(encoding="utf-8"))
            # cert-manager's are templates of its chart, in their labels alone.
            definition["metadata"].pop("labels", None)
            refused = self.create(definition, None)
            if refused:
                sys.exit(f"apiserver: {file.name}: {refused}")
        end = time.monotonic() + START_S
        for file in files:
            definition = json.loads(file.read_text(encoding="utf-8"))
            group, versions = definition["spec"]["group"], definition["spec"]["versions"]
            for version in (each["name"] for each in versions if each["served"]):
                while not self.resource(f"{group}/{version}", definition["spec"]["names"]["kind"]):
                    self.kinds.pop(f"{group}/{version}", None)
                    if time.monotonic() > end:
                        sys.exit(f"apiserver: {file.name} is not served")
                    time.sleep(0.1)


def namespace(name):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}


def pod_of(document, name):
    """The pod that a workload would make, with the volumes of its claims."""
    template = copy.deepcopy(document["spec"]["template"])
    for claim in document["spec"].get("volumeClaimTemplates", []):
        of = claim["metadata"]["name"]
        template["spec"]["volumes"].append({"name": of, "persistentVolumeClaim": {"claimName": f"{of}-{name}-0"}})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {**template.get("metadata", {}), "name": name}, "spec": template["spec"]}


def classes(documents):
    """The priority classes that pods name: there beforehand, as the README of the examples says."""
    specs = [d["spec"]["template"]["spec"] for d in documents if d["kind"] in ("Deployment", "StatefulSet", "Job")]
    for name in sorted({spec["priorityClassName"] for spec in specs if "priorityClassName" in spec}):
        yield {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 100000}


def in_order(documents):
    return sorted(documents, key=lambda d: FIRST.index(d["kind"]) if d["kind"] in FIRST else len(FIRST))


def take(server, label, documents, space, counts):
    """Creates every object, and asks for every pod and claim that they would make."""
    for document in in_order(documents):
        name = f"{label}: {document['kind']} {document['metadata']['name']}"
        refused = server.create(document, space)
        counts[document["kind"]] += 1
        if refused:
            check.fail(f"{name}: {refused}")
        if document["kind"] in ("Deployment", "StatefulSet", "Job"):
            refused = server.create(pod_of(document, document["metadata"]["name"]), space, dry=True)
            counts["(pod of a workload)"] += 1
            if refused:
                check.fail(f"{name}: its pod: {refused}")
        for claim in document.get("spec", {}).get("volumeClaimTemplates", []) if document["kind"] == "StatefulSet" else []:
            own = {**claim, "metadata": {**claim["metadata"], "name": f"{claim['metadata']['name']}-{document['metadata']['name']}-0"}}
            refused = server.create(own, space, dry=True)
            counts["(claim of a workload)"] += 1
            if refused:
                check.fail(f"{name}: its claim: {refused}")


def check_server(server, documents, space):
    """The proof itself: what is wrong is refused, and for the reason that is meant."""
    workload = next(d for d in documents if d["kind"] == "Deployment")

    def refuses(what, document, words, dry=True):
        said = server.create(document, space, dry=dry)
        if not said or words not in said:
            check.fail(f"the server should refuse {what}, saying {words!r}: {said}")

    odd = copy.deepcopy(workload)
    odd["metadata"]["name"], odd["spec"]["template"]["spec"]["nosuchfield"] = "odd", 1
    refuses("an unknown field", odd, "nosuchfield")
    for what, change in {
        "a pod of root": lambda spec: spec["securityContext"].update(runAsNonRoot=False),
        "a pod that may gain privileges": lambda spec: spec["containers"][0]["securityContext"].pop("allowPrivilegeEscalation"),
        "a pod on the host's network": lambda spec: spec.update(hostNetwork=True),
        "a pod with a folder of the host": lambda spec: spec["volumes"].append({"name": "h", "hostPath": {"path": "/"}}),
    }.items():
        pod = pod_of(copy.deepcopy(workload), "bad")
        change(pod["spec"])
        refuses(what, pod, "violates PodSecurity")
    stranger = pod_of(copy.deepcopy(workload), "stranger")
    stranger["spec"]["serviceAccountName"] = "nobody"
    refuses("a pod with an account that nobody made", stranger, "not found")


SPOILT = {
    "spec.selector": lambda spec: spec["selector"]["matchLabels"].update(other="label"),
    "spec.serviceName": lambda spec: spec.update(serviceName="other"),
    "spec.podManagementPolicy": lambda spec: spec.update(podManagementPolicy="OrderedReady"),
    "spec.volumeClaimTemplates": lambda spec: spec["volumeClaimTemplates"][0]["spec"]["resources"]["requests"].update(storage="999Gi"),
    "spec.template": lambda spec: spec["template"]["spec"]["containers"][0].update(image="other:1"),
    "spec.completions": lambda spec: spec.update(completions=7),
    "spec.clusterIP": lambda spec: spec.update(clusterIP="10.96.3.3", clusterIPs=["10.96.3.3"]),
    "type": None,
}


def check_immutable(server, documents, space):
    """immutable.py names as immutable what this server indeed refuses to change, and it takes what may change."""
    seen = set()
    for document in documents:
        kind, name = document["kind"], document["metadata"]["name"]
        for field in immutable.FIELDS.get(kind, []):
            change = SPOILT.get(field)
            if (kind, field) in seen or not immutable.applies(field, document):
                continue
            seen.add((kind, field))
            path = server.resource(document["apiVersion"], kind).format(space) + f"/{name}"
            live = server.ask("GET", path)[1]
            if field == "type":
                live["type"] = "portcullis.dev/other"
            elif field == "spec.selector" and kind == "Job":
                live["spec"]["selector"]["matchLabels"]["other"] = "label"
            else:
                change(live["spec"])
            status, body, _ = server.ask("PUT", path + "?dryRun=All", live)
            if status != 422:
                check.fail(f"{kind} {name}: {field} is in immutable.py, and the server answers {status} to its change: {body.get('message')}")
    for document in documents:
        if document["kind"] in ("Deployment", "StatefulSet"):
            path = server.resource(document["apiVersion"], document["kind"]).format(space) + f"/{document['metadata']['name']}"
            live = server.ask("GET", path)[1]
            live["spec"]["replicas"] = 7
            live["spec"]["template"]["spec"]["containers"][0]["image"] = "other:1"
            status, body, _ = server.ask("PUT", path + "?dryRun=All", live)
            if status != 200:
                check.fail(f"{document['kind']}: replicas and image may change, and the server says {body.get('message')}")
    return seen


def main():
    counts, renderings, fields = collections.Counter(), 0, set()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="portcullis-apiserver-"))
        server = Server(folder, stack)
        server.define(check.SCHEMAS + "/definitions")
        refused = server.create(namespace("argocd"), None)
        if refused:
            sys.exit(f"apiserver: {refused}")
        charts, names = check.prepare(f"{folder}/rendered")
        cases = [*check.cases(charts, names), ("some-reader", "some-reader", [check.some_reader(charts)])]
        for number, (label, name, values) in enumerate(cases):
            space = f"portcullis-{number}"
            # A controller would make the account; there is none here.
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
            refused = server.create(namespace(space), None) or server.create(account, space)
            done = check.render(charts, name, values, check.VERSIONS[0], space)
            if refused or done.returncode:
                check.fail(f"{label}: {refused or done.stderr}")
                continue
            documents = check.read(done.stdout)
            for needed in classes(documents):
                refused = server.create(needed, None)
                if refused and "already exists" not in refused:
                    check.fail(f"{label}: {refused}")
            take(server, label, documents, space, counts)
            if label == "example.production":
                check_server(server, documents, space)
            if label in ("example.production", "example.small", "portcullis.users"):
                fields |= check_immutable(server, documents, space)
            renderings += 1
        for file in sorted((check.ROOT / "k8s" / "examples").glob("gitops/*.yaml")):
            take(server, f"gitops/{file.name}", check.read(file.read_text(encoding="utf-8")), "argocd", counts)
    missing = {(kind, field) for kind, of in immutable.FIELDS.items() for field in of} - fields - immutable.NOT_RENDERED
    if missing:
        check.fail(f"immutable.py names what no rendering has, so that the server was not asked: {sorted(missing)}")
    if check.failures:
        sys.exit(f"apiserver: {len(check.failures)} failed")
    print(f"apiserver: Kubernetes {server.version} took {sum(counts.values())} objects of {renderings} renderings, strictly, in namespaces "
          f"that enforce the restricted standard; it refuses to change {len(fields)} fields that upgrades must not touch")
    print("  " + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))


if __name__ == "__main__":
    main()
