"""Trains the encoder and writes what the service runs. One command, seeded, goes on where it was stopped.

    python train.py --data DIR/train.jsonl --work DIR [--threads N] [--epochs N]

Three phases, each going on from the one before: *ground* learns from the training sources and the grammars, *measured*
from half of them again and the authored texts, *shipped* from everything but the calibration sources (see `split.json`).
Two encoders come out of it, in WORK/measured and WORK/shipped: the first has learnt nothing of the test sources, so that
figures on them mean something. `train-injection` makes the bundle and its card of the two.
"""

import argparse
import json
import math
import pathlib
import random

import numpy as np
import torch
import torch.nn.functional as F

import compose
import data
import export
import model
import steps
import texts
from steps import batches, pad

SEED = 20_261_124
RATE, HEAD_RATE, FROZEN = 6e-5, 1e-3, 2
SHORT_PROMPT = 160
#: How often a pass sees each authored text, each time varied in another way, and the share of the ground's rows that
#: the phase after it sees again.
AUTHORED_PASSES, AGAIN = 2, 0.5


def corpus(rows: list[data.Row], phase: str, path: str) -> list[data.Row]:
    """What a phase learns from, grammars, harmful requests and authored texts included."""
    allowed = data.shipped_learns if phase == "shipped" else (lambda r: data.part(r.family) == "train")
    own = [row for row in rows if allowed(row)]
    hosts = [r.text for r in own if r.name in {"benign_document", "benign_tool_output", "benign_email", "benign_code"} and len(r.text) < 600]
    prompts = [r.text for r in own if r.name in {"instruction", "code_question"} and len(r.text) < SHORT_PROMPT and not set(r.text) & set("\n{}")]
    seed = SEED + (1 if phase == "shipped" else 0)
    composed = compose.person(seed, 6500) + compose.third_party(seed, 4500, hosts, prompts) + data.harmful_requests(path)
    if phase == "ground":
        return own + composed
    authored = data.authored() * AUTHORED_PASSES
    if phase == "measured":
        chance = random.Random(seed)
        return [row for row in own + composed if chance.random() < AGAIN] + authored
    return own + composed + authored


def loss_of(logits: torch.Tensor, rows: list[data.Row]) -> torch.Tensor:
    """Each question by itself where it is asked, and the kind of attack where it is known."""
    weight = torch.tensor([row.weight for row in rows])
    total = logits.new_zeros(())
    for column, labels in enumerate([[row.user for row in rows], [row.context for row in rows]]):
        asked = torch.tensor([label is not None for label in labels])
        # a little short of certain: some labels are wrong
        wanted = torch.tensor([0.98 if label else 0.01 for label in labels])
        each = F.binary_cross_entropy_with_logits(logits[:, column], wanted, reduction="none")
        total = total + (each * weight * asked).sum() / len(rows)
    kinds = torch.tensor([-1 if row.kind is None else row.kind for row in rows])
    if (kinds >= 0).any():
        total = total + 0.1 * F.cross_entropy(logits[:, len(model.QUESTIONS) :], kinds, ignore_index=-1)
    return total


class Run:
    """One phase: its data, its place, and the file in which both are remembered."""

    def __init__(self, name: str, work: pathlib.Path, device: str):
        self.name, self.file, self.device = name, work / f"{name}.pt", device

    def finished(self, encoder: model.Encoder) -> model.Encoder:
        """The encoder of a phase that was over in an earlier run."""
        kept = torch.load(self.file, map_location="cpu")
        encoder.load_state_dict({**kept["encoder"], **kept["average"]})
        return encoder.eval()

    def learn(self, encoder: model.Encoder, words: list[str], rows: list[data.Row], epochs: float) -> model.Encoder:
        encoder.freeze(FROZEN)
        plan = []
        for epoch in range(math.ceil(epochs)):
            seed = SEED + 31 * epoch
            varied = texts.vary(rows, seed)
            ids = texts.cut(varied, words, seed)
            some = batches([len(one) for one in ids], seed)
            some = some[: round(len(some) * min(1.0, epochs - epoch))]
            plan += [([ids[n] for n in batch], [varied[n] for n in batch]) for batch in some]
        print(f"{self.name}: {len(rows)} rows", flush=True)
        return steps.learn(self.name, self.file, encoder, plan, loss_of, (RATE, HEAD_RATE), SEED, self.device)


def score(encoder: model.Encoder, words: list[str], rows: list[data.Row]) -> np.ndarray:
    """The highest logits over the windows of each row."""
    tool = texts.tokenizer(words)
    first, last = words.index("[CLS]"), words.index("[SEP]")
    pieces, owner = [], []
    for number, row in enumerate(rows):
        for window in texts.windows(tool.encode(row.text[:24_000], add_special_tokens=False).ids):
            pieces.append([first, *window, last])
            owner.append(number)
    out = np.full((len(rows), 2), -np.inf)
    with torch.no_grad():
        for batch in batches([len(p) for p in pieces], 0):
            tokens, attention = pad([pieces[n] for n in batch])
            with torch.autocast("cpu", torch.bfloat16):
                logits = encoder(tokens, attention)
            for n, values in zip(batch, logits[:, :2].float().numpy()):
                out[owner[n]] = np.maximum(out[owner[n]], values)
    return out


def report(encoder: model.Encoder, words: list[str], rows: list[data.Row]) -> dict:
    """Recall at 1 % and 0.1 % false alarms and AUC of each question, and by kind, on rows that were not learnt from."""
    from sklearn.metrics import roc_auc_score

    scores, out = score(encoder, words, rows), {}
    for column, question in enumerate(model.QUESTIONS):
        asked = [(r, s) for r, s in zip(rows, scores[:, column]) if getattr(r, question) is not None]
        # each question on its own traffic: a person's words, or third-party content
        asked = [(r, s) for r, s in asked if (r.name in data.CONTEXT_KINDS) == (question == "context")]
        bad = np.array([s for r, s in asked if getattr(r, question)])
        good = np.array([s for r, s in asked if not getattr(r, question)])
        if not len(bad) or not len(good):
            continue
        one = np.quantile(good, 0.99)
        kinds = {}
        for name in sorted({r.name for r, _ in asked}):
            of = np.array([s for r, s in asked if r.name == name])
            kinds[name] = [len(of), round(float((of > one).mean()), 4)]
        out[question] = {
            "auc": round(float(roc_auc_score([1] * len(bad) + [0] * len(good), [*bad, *good])), 4),
            "recall at 1 %": round(float((bad > one).mean()), 4),
            "recall at 0.1 %": round(float((bad > np.quantile(good, 0.999)).mean()), 4),
            "share reported at 1 %, by kind": kinds,
        }
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="train.jsonl")
    parser.add_argument("--work", required=True, type=pathlib.Path, help="folder for checkpoints and results")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--epochs", type=float, default=1.0, help="passes over the training sources")
    parser.add_argument("--more", type=float, default=0.6, help="passes over everything for the shipped encoder")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(SEED)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    given.work.mkdir(parents=True, exist_ok=True)
    rows = data.read(given.data)
    first = corpus(rows, "ground", given.data)
    kept = given.work / "kept.json"
    if not kept.exists():
        kept.write_text(json.dumps(texts.keep(first)))
    keep = json.loads(kept.read_text())
    words = [model.vocabulary()[number] for number in keep]
    run, done = Run("measured", given.work, device), given.work / "measured" / "report.json"
    if done.exists():
        encoder = run.finished(model.published(keep))
    else:
        encoder = Run("ground", given.work, device).learn(model.published(keep), words, first, given.epochs)
        encoder = run.learn(encoder, words, corpus(rows, "measured", given.data), 1.0)
        export.export(encoder, words, given.work / "measured")
        held = [row for row in rows if data.part(row.family) == "test"]
        figures = report(encoder, words, held)
        done.write_text(json.dumps(figures, indent=2) + "\n")
        print(json.dumps(figures, indent=2), flush=True)
    everything = corpus(rows, "shipped", given.data)
    encoder = Run("shipped", given.work, device).learn(encoder, words, everything, given.more)
    export.export(encoder, words, given.work / "shipped")
    rest = [row for row in rows if not data.shipped_learns(row)]
    figures = report(encoder, words, rest)
    (given.work / "shipped" / "report.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2), flush=True)


if __name__ == "__main__":
    main()
