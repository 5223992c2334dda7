"""Proves the charts: lint, rendering of every example and ci values, strict validation, rules of the house, snapshots.

Usage: check.py [--update] [--baseline]    with --update, snapshots are written anew; with --baseline, what an upgrade from this
release may not change. `make charts` calls it with the tools named by PORTCULLIS_HELM, PORTCULLIS_KUBECONFORM, PORTCULLIS_HELM_DOCS and PORTCULLIS_KUBERNETES_SCHEMAS.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from ruamel.yaml import YAML

import immutable
import rules

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HERE = ROOT / "tests" / "charts"
VERSIONS = ("1.30.0", "1.37.0")
HELM, KUBECONFORM, HELM_DOCS, SCHEMAS = (
    os.environ[f"PORTCULLIS_{tool}"] for tool in ("HELM", "KUBECONFORM", "HELM_DOCS", "KUBERNETES_SCHEMAS"))
UPDATE = "--update" in sys.argv[1:]
BASELINE = "--baseline" in sys.argv[1:]

failures = []


def fail(what):
    failures.append(what)
    print(f"FAILED  {what}", file=sys.stderr)


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def read(text):
    yaml = YAML(typ="safe", pure=True)
    return [document for document in yaml.load_all(text) if document]


def prepare(folder):
    """A copy of the charts whose own dependencies are packed. Servers' charts, which lie in repositories of others, are
    taken out of the umbrella: each must be off unless asked for, so that nothing but its own objects is missing."""
    charts = pathlib.Path(folder) / "charts"
    shutil.copytree(ROOT / "k8s" / "charts", charts, ignore=shutil.ignore_patterns("*.tgz", "Chart.lock"))
    umbrella = charts / "portcullis" / "Chart.yaml"
    values = read((charts / "portcullis" / "values.yaml").read_text(encoding="utf-8"))[0]
    kept = []
    for line in umbrella.read_text(encoding="utf-8").splitlines(keepends=True):
        if "https://" not in line:
            kept.append(line)
            continue
        name = re.search(r"name: ([\w-]+)", line).group(1)
        if f"condition: {name}.enabled" not in line or values[name]["enabled"] is not False:
            fail(f"portcullis/Chart.yaml: the dependency {name} has no condition, or is on by default")
    umbrella.write_text("".join(kept), encoding="utf-8")
    names = [path.parent.name for path in sorted(charts.glob("*/Chart.yaml")) if path.parent.name != "lib"]
    names.sort(key=lambda name: name == "portcullis")
    for name in names:
        done = run(HELM, "dependency", "update", "--skip-refresh", str(charts / name))
        if done.returncode:
            sys.exit(f"helm dependency update {name}: {done.stderr}")
    return charts, names


def render(charts, name, values, kubernetes, namespace="portcullis"):
    command = [HELM, "template", "portcullis", str(charts / name), "--namespace", namespace,
               "--kube-version", kubernetes]
    for file in values:
        command += ["--values", str(file)]
    return run(*command)


def conforms(version, text):
    done = run(KUBECONFORM, "-strict", "-summary", "-kubernetes-version", version,
               "-schema-location", SCHEMAS + "/kubernetes/" + version + "/{{ .ResourceKind }}{{ .KindSuffix }}.json",
               "-schema-location", SCHEMAS + "/others/{{ .Group }}/{{ .ResourceKind }}_{{ .ResourceAPIVersion }}.json",
               input=text)
    # Nothing may be skipped: an object without a schema is an object that nobody looked at.
    return done.returncode == 0 and "Skipped: 0" in done.stdout, done.stdout + done.stderr


def validate(label, text):
    for version in VERSIONS:
        good, says = conforms(version, text)
        if not good:
            fail(f"{label}: Kubernetes {version}: {says}")


def check_strictness():
    """The validation itself: an unknown field is refused, deep inside too, and in objects of others as well."""
    good = "apiVersion: v1\nkind: Service\nmetadata: { name: a }\nspec: { ports: [{ port: 1%s }] }\n"
    other = ("apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: { name: a }\n"
             "spec: { selector: {}, endpoints: [{ port: a%s }] }\n")
    for version in VERSIONS:
        for text in (good, other):
            if not conforms(version, text % "")[0] or conforms(version, text % ", nosuchfield: 1")[0]:
                fail(f"the schemas of Kubernetes {version} do not tell good from bad")


def stable(text):
    """Rendered text without what differs from run to run."""
    return re.sub(r'(: |password: )"[A-Za-z0-9]{40}"', r'\1"<random>"', text)


def snapshot(label, text):
    path = HERE / "snapshots" / f"{label}.yaml"
    text = stable(text)
    if UPDATE:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != text:
        other = pathlib.Path(tempfile.gettempdir()) / f"rendered-{label}.yaml"
        other.write_text(text, encoding="utf-8")
        difference = run("diff", "-u", str(path), str(other)).stdout
        fail(f"{label}: differs from its snapshot; look at it, then `make charts-update`:\n{difference[:4000]}")


def upgrade(label, documents):
    """Compares with the last release what an upgrade from it may not change. What is rendered since then has no baseline."""
    path = HERE / "baseline" / f"{label}.yaml"
    if BASELINE:
        path.parent.mkdir(exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            file.write("# What the last release rendered and an upgrade may not change. Written by `make charts-baseline`, at a release.\n")
            YAML(typ="safe", pure=True).dump(immutable.kept(documents), file)
    elif path.exists():
        for problem in immutable.changed(read(path.read_text(encoding="utf-8"))[0], documents):
            fail(f"{label}: {problem}")
    else:
        print(f"charts: {label} is new since the last release: its upgrade is compared with nothing")


def users_of(text):
    """The users of a NATS configuration, each with what it may do, whatever the order and the spaces."""
    users = {}
    for block in re.findall(r'\{\s*user: (.*?)\n\s*\}\s*\n\s*\}', text + "\n", re.DOTALL):
        name = re.match(r'"([^"]+)"', block).group(1)
        allow = {kind: sorted(re.findall(r'"([^"]*)"', subjects)) for kind, subjects in
                 re.findall(r'(publish|subscribe): \{ allow: \[([^\]]*)\]', block)}
        users[name] = (allow, re.findall(r"allow_responses: \{.*?\}", block))
    return users


def check_users(documents):
    """The users that the chart writes are those of the table of rights."""
    secret = next(d for d in documents if d["kind"] == "Secret" and d["metadata"]["name"] == "portcullis-nats-users")
    rendered = users_of(secret["stringData"]["users.conf"])
    wanted = users_of((HERE / "users.golden.conf").read_text(encoding="utf-8"))
    if len(wanted) < 10 or rendered != wanted:
        different = [name for name in wanted | rendered if wanted.get(name) != rendered.get(name)]
        fail(f"the users of NATS in the chart differ from the table of rights: {different or 'too few were read'}")
    passwords = {key: value for key, value in secret["stringData"].items() if key != "users.conf"}
    if set(passwords) != set(wanted) or len(set(passwords.values())) != len(wanted):
        fail("each user of NATS has one password of its own")
    for user, password in passwords.items():
        if f'password: "{password}"' not in secret["stringData"]["users.conf"] or len(password) < 32:
            fail(f"the password of {user} is not the one that the server knows")


def check_refusals(charts):
    """Bad values are refused, in words that help: the file says of which chart it is and what must be said."""
    for file in sorted((HERE / "refused").glob("*.yaml")):
        head = file.read_text(encoding="utf-8").splitlines()
        chart, words = head[0].removeprefix("# chart: "), head[1].removeprefix("# says: ")
        values = [file]
        minimal = charts / chart / "ci" / "minimal-values.yaml"
        if minimal.exists() and "# bare" not in head:
            values.insert(0, minimal)
        done = render(charts, chart, values, VERSIONS[0])
        if done.returncode == 0:
            fail(f"refused/{file.name}: it was not refused")
        elif words not in done.stderr:
            fail(f"refused/{file.name}: it was refused without saying {words!r}: {done.stderr}")


def some_reader(charts):
    """A service that does not exist yet, by an entry alone: a reader of the journal that scales by its lag. What helm says
    of it, and its values."""
    sys.path.insert(0, str(ROOT / "k8s" / "charts"))
    import generate

    entry = {"summary": "a reader", "component": "reader", "keda": True,
             "resources": {"cpu": "100m", "memory": "64Mi", "limit": "128Mi"}}
    chart = charts / "some-reader"
    for path, text in generate.chart_files("some-reader", entry, generate.workspace_version(), {"type": "object"}).items():
        (chart / path).parent.mkdir(parents=True, exist_ok=True)
        (chart / path).write_text(text, encoding="utf-8")
    values = chart / "lag.yaml"
    values.write_text("keda: { enabled: true, lag: 500 }\nmonitoring: { enabled: true }\n", encoding="utf-8")
    packed = run(HELM, "dependency", "update", "--skip-refresh", str(chart))
    if packed.returncode:
        fail(f"some-reader: {packed.stderr}")
    return values


def check_reader(charts):
    values = some_reader(charts)
    done = render(charts, "some-reader", [values], VERSIONS[0])
    if done.returncode:
        fail(f"some-reader: {done.stderr}")
        return
    validate("some-reader", done.stdout)
    documents = read(done.stdout)
    scaled = [d for d in documents if d["kind"] == "ScaledObject"]
    trigger = scaled[0]["spec"]["triggers"][0]["metadata"] if scaled else {}
    if trigger.get("lagThreshold") != "500" or trigger.get("consumer") != "some-reader" or trigger.get("stream") != "JOURNAL":
        fail(f"some-reader: it does not scale by its lag: {scaled}")
    if any(d["kind"] == "HorizontalPodAutoscaler" or "replicas" in d.get("spec", {}) for d in documents):
        fail("some-reader: two things decide the number of its pods")
    for problem in rules.broken(documents):
        fail(f"some-reader: {problem}")
    for single in rules.SINGLE:
        done = render(charts, single, [values], VERSIONS[0])
        if "additional properties 'keda' not allowed" not in done.stderr:
            fail(f"{single} can be scaled by lag: {rules.SINGLE[single]}")


def check_init(charts):
    """The job that makes the streams along with the rest: a job cannot be changed, so another one has another name; and it
    is the same one, where nothing is another."""
    file = ROOT / "k8s" / "examples" / "small.yaml"

    def job(more):
        values = charts / "more.yaml"
        values.write_text(more, encoding="utf-8")
        done = render(charts, "portcullis", [file, values], VERSIONS[0])
        jobs = [d for d in read(done.stdout) if d["kind"] == "Job"]
        if len(jobs) != 1:
            fail(f"init: {len(jobs)} jobs with {more!r}: {done.stderr}")
            return None, None
        return jobs[0]["metadata"]["name"], jobs[0]["spec"]

    (name, spec), (again, same), (other, changed) = job("{}"), job("{}"), job("init: { journalMib: 512 }")
    if (name, spec) != (again, same) or name == other or spec == changed:
        fail(f"init: its name must change with what it does, and only then: {name}, {again}, {other}")
    for replicas in ("0", "3"):
        says = str(job(f"init: {{ replicas: {replicas} }}"))
        if ("--replicas=" in says) != (replicas != "0"):
            fail(f"init: replicas {replicas} makes {says}")


def mib(size):
    number, unit = re.fullmatch(r"([0-9]+)(Mi|Gi|Ti)", size).groups()
    return int(number) * {"Mi": 1, "Gi": 1024, "Ti": 1048576}[unit]


def check_room():
    """What the streams set aside fits what NATS may store: where it is installed along, the chart itself says so."""
    examples, chart = ROOT / "k8s" / "examples", ROOT / "k8s" / "charts" / "portcullis"
    streams = read((chart / "files" / "streams.json").read_text(encoding="utf-8"))[0]
    init = read((examples / "production.yaml").read_text(encoding="utf-8"))[0]["init"]
    servers = read((examples / "production-nats.yaml").read_text(encoding="utf-8"))[0]["config"]
    size = servers["jetstream"]["fileStore"]["pvc"]["size"]
    needs = init.get("journals", 1) * init["journalMib"] + streams["othersMib"]
    if needs > mib(size) * 0.9:
        fail(f"production.yaml: the streams set {needs} MiB aside, and production-nats.yaml has {size}")
    alone = (ROOT / "deploy" / "nats" / "nats-server.conf").read_text(encoding="utf-8")
    size = int(re.search(r"max_file_store: ([0-9]+)GB\n", alone).group(1)) * 10**9 // 2**20
    needs = streams["journalMib"] + streams["othersMib"]
    if needs > size * 0.9:
        fail(f"deploy/nats/nats-server.conf: the streams set {needs} MiB aside by default, and it lets them have {size}")
    if init["replicas"] > servers["cluster"]["replicas"]:
        fail("production.yaml: more copies of a stream than production-nats.yaml has servers")


def check_docs(charts, names):
    """The READMEs are what helm-docs makes of the values."""
    done = run(HELM_DOCS, "--chart-search-root", str(charts), "--template-files", "../common/README.md.gotmpl",
               "--sort-values-order", "file", "--log-level", "error")
    if done.returncode:
        fail(f"helm-docs: {done.stderr}")
    for name in names:
        made, kept = charts / name / "README.md", ROOT / "k8s" / "charts" / name / "README.md"
        if UPDATE:
            shutil.copy(made, kept)
        elif not kept.exists() or made.read_text(encoding="utf-8") != kept.read_text(encoding="utf-8"):
            fail(f"k8s/charts/{name}/README.md is stale: run `make charts-update`")


def check_versions(charts):
    """Every chart has the version of the workspace."""
    version = re.search(r'^version = "([^"]+)"', (ROOT / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE).group(1)
    for path in sorted(charts.glob("*/Chart.yaml")):
        chart = read(path.read_text(encoding="utf-8"))[0]
        ours = [d["version"] for d in chart.get("dependencies", []) if d["repository"].startswith("file:")]
        if {chart["version"], chart.get("appVersion", version), *ours} != {version}:
            fail(f"{path.parent.name}/Chart.yaml: a version is not {version}, that of the workspace")


def cases(charts, names):
    for name in names:
        for file in sorted((charts / name / "ci").glob("*-values.yaml")):
            yield f"{name}.{file.name.removesuffix('-values.yaml')}", name, [file]
    for file in sorted((ROOT / "k8s" / "examples").glob("*.yaml")):
        # Values for a chart of somebody else.
        if file.name != "production-nats.yaml":
            yield f"example.{file.stem}", "portcullis", [file]


def main():
    generated = run(sys.executable, str(ROOT / "k8s" / "charts" / "generate.py"), "--check")
    if generated.returncode:
        fail(generated.stderr.strip())
    check_strictness()
    for problem in rules.self_test() + immutable.self_test():
        fail(problem)
    with tempfile.TemporaryDirectory() as folder:
        charts, names = prepare(folder)
        check_versions(charts)
        check_docs(charts, names)
        rendered = 0
        for label, name, values in cases(charts, names):
            lint = run(HELM, "lint", "--strict", "--quiet", str(charts / name), "--kube-version", VERSIONS[0],
                       *(part for file in values for part in ("--values", str(file))))
            if lint.returncode:
                fail(f"{label}: helm lint: {lint.stdout}{lint.stderr}")
            done = render(charts, name, values, VERSIONS[0])
            if done.returncode:
                fail(f"{label}: {done.stderr}")
                continue
            documents = read(done.stdout)
            validate(label, done.stdout)
            snapshot(label, done.stdout)
            for problem in rules.broken(documents):
                fail(f"{label}: {problem}")
            upgrade(label, documents)
            if label == "portcullis.users":
                check_users(documents)
            rendered += 1
        for file in sorted((ROOT / "k8s" / "examples").glob("gitops/*.yaml")):
            validate(f"gitops/{file.name}", file.read_text(encoding="utf-8"))
        check_refusals(charts)
        check_init(charts)
        check_room()
        check_reader(charts)
    known = {f"{label}.yaml" for label, _, _ in cases(ROOT / "k8s" / "charts", names)}
    for folder in ("snapshots", "baseline"):
        for file in (HERE / folder).glob("*.yaml"):
            if file.name not in known:
                fail(f"{folder}/{file.name} belongs to nothing that is rendered: remove it, or say what became of it")
    if failures:
        sys.exit(f"charts: {len(failures)} failed")
    print(f"charts: {len(names)} charts, {rendered} renderings, validated against Kubernetes {' and '.join(VERSIONS)}")


if __name__ == "__main__":
    main()
