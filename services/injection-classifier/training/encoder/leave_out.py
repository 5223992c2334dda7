"""How much of a family of attacks an encoder finds that has never seen one of it: each left out in turn.

    python leave_out.py --data DIR/train.jsonl --work DIR [--threads N] [--tokens MILLIONS]

For each family an encoder is learnt from the training sources, the grammars and the authored texts without any attack of that
family, and, with the same number of tokens, one from all of them. Recall is that on the family's rows of sources that neither
has learnt from, at 1 % of false alarms on the harmless rows of test sources; of a family without such rows, that on the rows of
training sources, which the first one alone has not seen. A short run: its figures compare with each other, not with those of the
shipped bundle. Goes on where it was stopped; writes WORK/leave_out.json.
"""

import argparse
import json
import pathlib
import random

import numpy as np
import torch

import data
import model
import steps
import texts
import train

#: What each family is: the rows of collections by kind, and what else is like them.
FAMILIES = {
    "direct": lambda row: row.kind == 0 and not row.name.startswith("delimiter"),
    "jailbreak": lambda row: row.kind == 1,
    "prompt leak": lambda row: row.kind == 2,
    "delimiters and disguises": lambda row: row.name.startswith(("delimiter", "obfuscated")),
    "other languages": lambda row: row.lang != "en",
    "orders in third-party content": lambda row: row.user is None or row.name in data.CONTEXT_KINDS,
}


def is_attack(row: data.Row) -> bool:
    # a prompt to an assistant is harmless from a person, and no attack of a family
    return bool(row.user) or (bool(row.context) and row.user is None)


def learn(name: str, work: pathlib.Path, rows: list[data.Row], words: list[str], keep: list[int], tokens: float) -> model.Encoder:
    torch.manual_seed(train.SEED)
    encoder = model.published(keep)
    encoder.freeze(train.FROZEN)
    rows = random.Random(train.SEED).sample(rows, len(rows))
    varied = texts.vary(rows, train.SEED)
    ids = texts.cut(varied, words, train.SEED)
    total = np.cumsum([len(one) for one in ids])
    count = int(np.searchsorted(total, tokens * 1e6))
    ids, varied = ids[:count], varied[:count]
    batches = steps.batches([len(one) for one in ids], train.SEED)
    plan = [([ids[n] for n in batch], [varied[n] for n in batch]) for batch in batches]
    return steps.learn(name, work / f"{name}.pt", encoder, plan, train.loss_of, (train.RATE, train.HEAD_RATE), train.SEED)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="train.jsonl")
    parser.add_argument("--work", required=True, type=pathlib.Path, help="folder for checkpoints and results")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--tokens", type=float, default=1.2, help="millions of tokens that each encoder learns from")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.work.mkdir(parents=True, exist_ok=True)
    rows = data.read(given.data)
    learnt = train.corpus(rows, "measured", given.data)
    keep = texts.keep(learnt)
    words = [model.vocabulary()[number] for number in keep]
    chance = random.Random(train.SEED)
    held = [row for row in rows if data.part(row.family) != "train"]
    attacks = [row for row in held if is_attack(row)]
    harmless = [row for row in held if data.part(row.family) == "test" and row.user == 0 and row.context != 1]
    judged = chance.sample(attacks, min(4000, len(attacks))) + chance.sample(harmless, min(4000, len(harmless)))
    for belongs in FAMILIES.values():
        if not any(belongs(row) for row in attacks):
            judged += [row for row in rows if is_attack(row) and belongs(row)]
    found = {}

    def measure(name: str, own: list[data.Row], families: list[str]):
        encoder = learn(name, given.work, own, words, keep, given.tokens)
        scores = train.score(encoder, words, judged)
        for family in families:
            third = family == "orders in third-party content"
            column = scores[:, 1 if third else 0]
            quiet = [s for row, s in zip(judged, column) if not is_attack(row) and (row.name in data.CONTEXT_KINDS) == third]
            of = [s for row, s in zip(judged, column) if is_attack(row) and FAMILIES[family](row)]
            only_learnt = not any(FAMILIES[family](row) for row in attacks)
            if of and quiet and not (only_learnt and name == "all"):
                share = float((np.array(of) > np.quantile(quiet, 0.99)).mean())
                found.setdefault(family, {"rows": len(of)})["seen" if name == "all" else "unseen"] = round(share, 4)
        (given.work / "leave_out.json").write_text(json.dumps(found, indent=2) + "\n")
        print(json.dumps(found), flush=True)

    measure("all", learnt, list(FAMILIES))
    for family, belongs in FAMILIES.items():
        own = [row for row in learnt if not (is_attack(row) and belongs(row))]
        measure(family.replace(" ", "-"), own, [family])


if __name__ == "__main__":
    main()
