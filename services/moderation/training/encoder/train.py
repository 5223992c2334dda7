"""Trains the encoder of moderation's content model. Seeded; goes on where it was stopped, run by run.

    python train.py --rows rows.jsonl --work DIR [--threads N] [--epochs N]

The rows are those that `train-moderation --rows` writes: text, a label for each category (or null), group, part and weight.
Only the training part is learnt. Two encoders come out: WORK/shipped, and WORK/unseen, which has seen no answer of the
collection of jailbroken models, so that figures on those say what an unseen source costs.

The network, its published weights, windows and export are those of the injection classifier's training, and are imported
from there.
"""

import argparse
import collections
import hashlib
import json
import math
import pathlib
import random
import shutil
import sys

import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(1, str(HERE.parents[2] / "injection-classifier" / "training" / "encoder"))

import export  # noqa: E402
import model  # noqa: E402
import steps  # noqa: E402
import texts  # noqa: E402

SEED = 20_261_126
OUTPUTS = ["hate", "abuse", "sexual", "violence", "self_harm", "illegal"]
RATE, HEAD_RATE, FROZEN = 8e-5, 1e-3, 2
#: Tokens that keep a row of the embedding table.
KEPT = 20_000
#: Harmless rows of other collections that a pass sees, and how often it sees what was written for this project.
HARMLESS, WRITTEN_PASSES = 6_000, 2
LONGEST = 6_000
#: With every training row, and without the answers of jailbroken models.
RUNS = ["shipped", "unseen"]

Row = collections.namedtuple("Row", "text labels group part weight")


def read(path: pathlib.Path) -> list[Row]:
    with path.open(encoding="utf-8") as lines:
        return [Row(**json.loads(line)) for line in lines]


def one_pass(rows: list[Row], seed: int) -> list[Row]:
    """What a pass over the training part sees."""
    chance = random.Random(seed)
    harmless = [row for row in rows if row.group.startswith("benign")]
    written = [row for row in rows if row.group.startswith("written")]
    rest = [row for row in rows if not row.group.startswith("benign")]
    return rest + written * (WRITTEN_PASSES - 1) + chance.sample(harmless, min(HARMLESS, len(harmless)))


def cut(rows: list[Row], tool, ends: tuple[int, int], seed: int) -> list[list[int]]:
    """One window of each row, with its marks: more often the first one, which says what an answer sets out to do."""
    chance, out = random.Random(seed), []
    for row, encoded in zip(rows, tool.encode_batch([row.text[:LONGEST] for row in rows], add_special_tokens=False)):
        pieces = texts.windows(encoded.ids)
        piece = pieces[0] if chance.random() < 0.4 else chance.choice(pieces)
        out.append([ends[0], *piece, ends[1]])
    return out


def loss_of(logits: torch.Tensor, rows: list[Row]) -> torch.Tensor:
    """Each category by itself where it is known, and whether it is any of them at all."""
    known = torch.tensor([[label is not None for label in row.labels] for row in rows])
    # a little short of certain: some labels are wrong
    wanted = torch.tensor([[0.97 if label else 0.01 for label in row.labels] for row in rows])
    weight = torch.tensor([row.weight for row in rows])
    each = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    categories = (each * known * weight[:, None]).sum(1).mean()
    bad = torch.tensor([0.97 if any(row.labels) else 0.02 for row in rows])
    any_of_them = F.binary_cross_entropy_with_logits(torch.logsumexp(logits, 1), bad, reduction="none")
    return 0.4 * categories + (any_of_them * weight).mean()


def learn(name: str, work: pathlib.Path, rows: list[Row], keep: list[int], words: list[str], epochs: float) -> model.Encoder:
    torch.manual_seed(SEED)
    encoder = model.published(keep, OUTPUTS)
    encoder.freeze(FROZEN)
    tool = texts.tokenizer(words)
    ends = words.index("[CLS]"), words.index("[SEP]")
    plan = []
    for epoch in range(math.ceil(epochs)):
        seed = SEED + 31 * epoch
        now = one_pass(rows, seed)
        ids = cut(now, tool, ends, seed)
        some = steps.batches([len(one) for one in ids], seed)
        some = some[: round(len(some) * min(1.0, epochs - epoch))]
        plan += [([ids[n] for n in batch], [now[n] for n in batch]) for batch in some]
    return steps.learn(name, work / f"{name}.pt", encoder, plan, loss_of, (RATE, HEAD_RATE), SEED)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", required=True, type=pathlib.Path)
    parser.add_argument("--work", required=True, type=pathlib.Path, help="folder for checkpoints and results")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--epochs", type=float, default=1.5)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.work.mkdir(parents=True, exist_ok=True)
    # what an earlier run left of other rows is not gone on with
    stamp = given.work / "learnt-from"
    now = f"{hashlib.sha256(given.rows.read_bytes()).hexdigest()} {given.epochs}\n"
    if not stamp.exists() or stamp.read_text() != now:
        for name in RUNS:
            shutil.rmtree(given.work / name, ignore_errors=True)
            (given.work / f"{name}.pt").unlink(missing_ok=True)
        stamp.write_text(now)
    rows = [row for row in read(given.rows) if row.part == "train"]
    keep = texts.keep(rows, KEPT)
    words = [model.vocabulary()[number] for number in keep]
    others = [row for row in rows if not row.group.startswith("llm_response")]
    for name, own in zip(RUNS, [rows, others]):
        if not (given.work / name / "encoder.json").exists():
            export.export(learn(name, given.work, own, keep, words, given.epochs), words, given.work / name)


if __name__ == "__main__":
    main()
