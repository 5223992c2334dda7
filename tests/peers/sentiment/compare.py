"""Compares the sentiment stage with TextBlob and vaderSentiment on the same texts, in one run, on one core.

usage: compare.py FOLDER SCORE
FOLDER is what `train-sentiment --compare` wrote: `held-out.jsonl`, and for each source a folder with its texts
and the model that was learnt without it. SCORE is the built example `score` of the crate.

Every program labels by the thresholds that its authors give: vaderSentiment at -0.05 and 0.05, TextBlob by the
sign of its polarity, the stage at -0.5 and 0.5. Time is for one text at a time, in memory, the quickest of five rounds
(of fifteen for the stage, whose rounds are short); what the stage does besides polarity (distress, agitation, urgency, phrases) is in its time.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

from textblob import TextBlob
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

LABELS = ("negative", "neutral", "positive")
ROUNDS = 5


def label(polarity, low, high):
    """The label of a polarity; the thresholds themselves count as vaderSentiment's do where they differ."""
    return "negative" if polarity < low else "positive" if polarity > high else "neutral"


def timed(judge, texts):
    """What `judge` says of each text, and the microseconds that one text takes."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        said = [judge(text) for text in texts]
        rounds.append((time.perf_counter() - began) / len(texts) * 1e6)
    return said, min(rounds)


def stage(score, file, model=None):
    """The same by the stage, which times itself."""
    command = [score, *(["--model", str(model)] if model else []), str(file)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return [label(float(line), -0.5, 0.5) for line in lines[:-1]], float(lines[-1])


def figures(right, given):
    """Accuracy, and the mean of the labels' F1."""
    accuracy = sum(r == g for r, g in zip(right, given)) / len(right)
    scores = []
    for name in LABELS:
        hits = sum(r == g == name for r, g in zip(right, given))
        scores.append(2 * hits / max(1, right.count(name) + given.count(name)))
    return accuracy, sum(scores) / len(scores)


def main():
    folder, score = pathlib.Path(sys.argv[1]), sys.argv[2]
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})  # the stage is started from here and inherits it
    vader = SentimentIntensityAnalyzer()
    # vaderSentiment counts its thresholds in: a hair inside of them is the same with a strict comparison.
    by_vader = lambda text: label(vader.polarity_scores(text)["compound"], -0.0499, 0.0499)
    by_textblob = lambda text: label(TextBlob(text).sentiment.polarity, 0, 0)
    sets = [(folder / "held-out.jsonl", None)]
    sets += [(file, file.parent) for file in sorted(folder.glob("*/texts.jsonl"))]
    print("| texts | program | accuracy | mean F1 | µs a text | times faster |")
    print("|---|---|---|---|---|---|")
    totals = {}
    for file, model in sets:
        rows = [json.loads(line) for line in file.open(encoding="utf-8")]
        texts, right = [row["text"] for row in rows], [row["label"] for row in rows]
        runs = {
            "this stage": stage(score, file, model),
            "vaderSentiment": timed(by_vader, texts),
            "TextBlob": timed(by_textblob, texts),
        }
        ours = runs["this stage"][1]
        name = f"unseen source: {model.name}" if model else "held out of all sources"
        for program, (given, took) in runs.items():
            accuracy, f1 = figures(right, given)
            times = "" if program == "this stage" else f"{took / ours:.0f}"
            print(f"| {name} ({len(rows)}) | {program} | {accuracy:.3f} | {f1:.3f} | {took:.2f} | {times} |")
            if model:
                total = totals.setdefault(program, ([], []))
                total[0].extend(right)
                total[1].extend(given)
    for program, (right, given) in totals.items():
        accuracy, f1 = figures(right, given)
        print(f"| all unseen sources ({len(right)}) | {program} | {accuracy:.3f} | {f1:.3f} | | |")


if __name__ == "__main__":
    main()
