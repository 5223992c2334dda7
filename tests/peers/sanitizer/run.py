"""The sanitizer beside detect-secrets, Presidio's pattern recognisers and gitleaks, on the same messages in one run.

Prints a table: the share of messages in which each found something, by class, what it found in everyday messages, and
the time a message took. Whatever a tool is not made for is left out of its column ("-")."""

import argparse
import collections
import json
import pathlib
import shutil
import subprocess
import tempfile
import time

from messages import CLASSES, made_up

SECRETS = {name for name in CLASSES if name.endswith(("key", "token", "secret", "jwt", "string"))}
PERSONAL = set(CLASSES) - SECRETS


def portcullis(program, messages):
    """Findings `pii.*` and `secret.*` of `portcullis scan`, and what the stage says it took."""
    lines = "".join(json.dumps({"text": text, "id": str(at)}) + "\n" for at, (_, text) in enumerate(messages))
    out = subprocess.run([*program, "-"], input=lines, capture_output=True, text=True, check=True).stdout
    found, spent = [], 0
    for line in out.splitlines():
        verdict = json.loads(line)
        kinds = [finding["kind"] for finding in verdict["findings"]]
        found.append(any(kind.startswith(("pii.", "secret.")) for kind in kinds))
        spent += next(row["took_us"] for row in verdict["receipt"] if row["stage"] == "sanitizer")
    return found, spent / len(messages)


def timed(messages, judge):
    start = time.perf_counter()
    found = [judge(text) for _, text in messages]
    return found, (time.perf_counter() - start) / len(messages) * 1e6


def detect_secrets(messages):
    """A file for each message, the way it is made for: its scan of single lines takes every word for a secret, and in one
    file it counts equal findings once."""
    from detect_secrets import SecretsCollection
    from detect_secrets.settings import default_settings

    with tempfile.TemporaryDirectory() as folder, default_settings():
        path = pathlib.Path(folder, "message.txt")

        def judge(text):
            path.write_text(text + "\n")
            secrets = SecretsCollection()
            secrets.scan_file(str(path))
            return any(True for _ in secrets)

        return timed(messages, judge)


def presidio(messages):
    from presidio_analyzer import predefined_recognizers as known

    names = ["CreditCardRecognizer", "EmailRecognizer", "PhoneRecognizer", "IbanRecognizer", "IpRecognizer", "UsSsnRecognizer",
             "NhsRecognizer", "PlPeselRecognizer", "EsNifRecognizer"]
    recognisers = [getattr(known, name)() for name in names]

    def judge(text):
        # 0.4 is what Presidio's documentation takes for a doubtful match; context words need its language model
        return any(hit.score >= 0.4 for one in recognisers for hit in one.analyze(text, one.supported_entities, None) or [])

    return timed(messages, judge)


def gitleaks(program, messages):
    with tempfile.TemporaryDirectory() as folder:
        for at, (_, text) in enumerate(messages):
            pathlib.Path(folder, f"{at}.txt").write_text(text)
        report = pathlib.Path(folder, "report.json")
        start = time.perf_counter()
        subprocess.run([program, "dir", folder, "--report-path", report, "--no-banner", "--exit-code", "0", "--log-level", "error",
                        "--max-target-megabytes", "1"], check=True, stdout=subprocess.DEVNULL)
        spent = (time.perf_counter() - start) / len(messages) * 1e6
        hit = {int(pathlib.Path(leak["File"]).stem) for leak in json.loads(report.read_text()) if leak["File"].endswith(".txt")}
    return [at in hit for at in range(len(messages))], spent


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--portcullis", default="target/release/portcullis scan", help="the command that scans, without its `-`")
    parser.add_argument("--gitleaks", default=shutil.which("gitleaks"))
    parser.add_argument("--each", type=int, default=100, help="messages of each class")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    messages = made_up(options.each, options.seed)
    tools = {
        "portcullis": (portcullis(options.portcullis.split(), messages), SECRETS | PERSONAL),
        "detect-secrets": (detect_secrets(messages), SECRETS),
        "presidio": (presidio(messages), PERSONAL),
    }
    if options.gitleaks:
        tools["gitleaks"] = (gitleaks(options.gitleaks, messages), SECRETS)
    total = collections.Counter(name for name, _ in messages)
    print("| found in | " + " | ".join(tools) + " |\n|---|" + "---|" * len(tools))
    for name in [*CLASSES, None]:
        row = []
        for (found, _), judged in tools.values():
            hits = sum(is_hit for is_hit, (of, _) in zip(found, messages) if of == name)
            row.append(f"{hits / total[name]:.1%}" if name is None or name in judged else "-")
        print(f"| {name or 'everyday messages (false alarms)'} | " + " | ".join(row) + " |")
    print("| µs a message | " + " | ".join(f"{spent:.0f}" for (_, spent), _ in tools.values()) + " |")


if __name__ == "__main__":
    main()
