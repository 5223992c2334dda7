"""Proves the alerts: each fires and clears, has a runbook, and every expression of rules and dashboards can be read.

Usage: check.py    `make alerts` calls it, with the tool named by PORTCULLIS_PROMTOOL.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from ruamel.yaml import YAML

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RULES = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yaml"))
PROMTOOL = os.environ["PORTCULLIS_PROMTOOL"]
# Commands of NATS in runbooks, as the one user that people have: with its inbox, and what the table of rights lets it do.
AS_OPERATOR = "nats --inbox-prefix _INBOX_operator "
PERMITTED = ("stream info ", "stream get ALERT ", "stream get DEAD ", "consumer info ", "kv history portcullis_policy ", "micro ls",
             "sub portcullis.v1.alert.")
yaml = YAML(typ="safe", pure=True)
failures = []


def fail(what):
    failures.append(what)
    print(f"FAILED  {what}", file=sys.stderr)


def promtool(*arguments):
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def alerts():
    for file in RULES:
        for group in yaml.load(file.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    yield rule


def check_documents(found):
    """Each alert says what is wrong and where to read on; each runbook belongs to an alert."""
    names = [rule["alert"] for rule in found]
    if len(set(names)) != len(names):
        fail("an alert is there twice")
    folder = ROOT / "deploy" / "runbooks"
    for rule in found:
        name, runbook = rule["alert"], folder / f"{rule['alert']}.md"
        if rule["labels"].get("severity") not in ("critical", "warning"):
            fail(f"{name}: its severity is neither critical nor warning")
        if not rule["annotations"]["runbook_url"].endswith(f"/deploy/runbooks/{name}.md"):
            fail(f"{name}: its runbook is another's")
        if not runbook.exists():
            fail(f"{name}: there is no runbook")
            continue
        text = runbook.read_text(encoding="utf-8")
        for part in ("## What it means", "## Look", "## Do", "## It is over when"):
            if part not in text:
                fail(f"{name}: its runbook has no part {part!r}")
    for file in folder.glob("Portcullis*.md"):
        if file.stem not in names:
            fail(f"{file.name}: there is no such alert")
    for file in sorted(folder.glob("*.md")):
        # `nats refused …` is a line of the log.
        for command in re.findall(r"(?:^|`)(nats (?!refused).*?)(?:`|$)", file.read_text(encoding="utf-8"), re.MULTILINE):
            if not command.startswith(AS_OPERATOR) or not command.removeprefix(AS_OPERATOR).startswith(PERMITTED):
                fail(f"{file.name}: {command!r} is not what the user operator may do, in its own inbox")


def expressions():
    """Every expression of the dashboards, with the variables of Grafana as values."""
    for file in sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json")):
        board = json.loads(file.read_text(encoding="utf-8"))
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                text = target["expr"].replace("$__rate_interval", "5m").replace("$__range", "1h")
                yield file.name, panel["title"], re.sub(r"\$\w+", ".*", text)


def check_dashboards(folder):
    rules = [{"record": f"dashboard:panel:{index}", "expr": expression} for index, (_, _, expression) in enumerate(expressions())]
    if len(rules) < 40:
        fail("the dashboards have too few expressions to be true")
    file = pathlib.Path(folder) / "dashboards.json"
    file.write_text(json.dumps({"groups": [{"name": "dashboards", "rules": rules}]}), encoding="utf-8")
    good, says = promtool("check", "rules", str(file))
    if not good:
        fail(f"dashboards: {says}")


def check_firing(folder, found):
    """By promtool: at one moment it fires, at a later one it does not, and before either it did not."""
    cases = yaml.load((pathlib.Path(__file__).parent / "cases.yaml").read_text(encoding="utf-8"))
    # The case without a comma is the one that every alert has.
    first = {name for name, case in cases.items() if "," not in name and "fires" in case}
    if first != {rule["alert"] for rule in found}:
        fail(f"cases and alerts differ: {first ^ {rule['alert'] for rule in found}}")
        return
    plain = []
    for file in RULES:
        # Annotations are sentences with templates; what counts here is whether and with which labels it fires.
        groups = yaml.load(file.read_text(encoding="utf-8"))
        for group in groups["groups"]:
            for rule in group["rules"]:
                rule.pop("annotations", None)
        copy = pathlib.Path(folder) / file.name
        copy.write_text(json.dumps(groups), encoding="utf-8")
        plain.append(str(copy))
    severity = {rule["alert"]: rule["labels"]["severity"] for rule in found}
    tests = []
    for title, case in cases.items():
        name = title.split(",")[0]
        if name not in severity or ("fires" in case) == ("quiet" in case):
            fail(f"the case {title!r} is of no alert, or says neither or both of when it fires and when it must not")
            continue
        fires = [{"exp_labels": {"severity": severity[name], **case.get("labels", {})}}]
        wanted = [(at, []) for at in ["0m", *case.get("quiet", [])]]
        if "fires" in case:
            wanted += [(case["fires"], fires), (case["clears"], [])]
        tests.append({
            "name": title,
            "interval": "1m",
            "input_series": [{"series": series, "values": values} for series, values in case["series"].items()],
            "alert_rule_test": [{"eval_time": at, "alertname": name, "exp_alerts": alerts} for at, alerts in wanted],
        })
    file = pathlib.Path(folder) / "tests.json"
    file.write_text(json.dumps({"rule_files": plain, "evaluation_interval": "1m", "tests": tests}), encoding="utf-8")
    good, says = promtool("test", "rules", str(file))
    if not good:
        fail(f"promtool test rules: {says}")


def main():
    found = list(alerts())
    for file in RULES:
        good, says = promtool("check", "rules", "--lint=all", "--lint-fatal", str(file))
        if not good:
            fail(f"{file.name}: {says}")
    check_documents(found)
    with tempfile.TemporaryDirectory() as folder:
        check_dashboards(folder)
        check_firing(folder, found)
    if failures:
        sys.exit(f"alerts: {len(failures)} failed")
    print(f"alerts: {len(found)} alerts fire and clear, each with a runbook; {len(list(expressions()))} expressions of dashboards read")


if __name__ == "__main__":
    main()
