"""Speed, side by side in one run: the default runtime, onnxruntime on the same int8 model, and DeBERTa-v3-base in onnxruntime.

Each peer is a process pinned to one core, told the same windows in turn, round after round, so that whatever else the
machine does hits all of them. What is compared is the time on the processor that a peer's process took, by the system's own
count; medians over the rounds, and ratios taken within a round. Wall time is printed beside it.
"""

import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
LENGTHS = [16, 64, 128, 256, 512]
LONG = 32_000


class Peer:
    """A process that computes what it is told."""

    def __init__(self, name: str, command: list[str], cores: str, longest: int, stride: int, words: int):
        self.name, self.longest, self.stride, self.words = name, longest, stride, words
        begun = time.perf_counter()
        self.process = subprocess.Popen(
            ["taskset", "-c", cores, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.ready_ms = json.loads(self.process.stdout.readline())["ready_ms"]
        self.ask(self.windows(16))
        #: From the start of the process to its first answer.
        self.cold_ms = (time.perf_counter() - begun) * 1e3

    def windows(self, tokens: int) -> list[list[int]]:
        """So many tokens as the windows that cover them, each with its two marks."""
        rng = random.Random(tokens)
        text = [rng.randrange(1000, self.words) for _ in range(tokens)]
        inner, step = self.longest - 2, self.stride
        windows, at = [], 0
        while True:
            windows.append([101, *text[at : at + inner], 102])
            if at + inner >= len(text):
                return windows
            at += step

    def ask(self, windows: list[list[int]]) -> dict:
        before = self.cpu_ms()
        self.process.stdin.write(json.dumps({"windows": windows}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with {self.process.wait()}")
        return {"cpu_ms": self.cpu_ms() - before, **json.loads(line)}

    def cpu_ms(self) -> float:
        """Time on the processor of all its threads, in nanoseconds' resolution where the system has it."""
        total = 0.0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0]) / 1e6
        return total

    def resident_mb(self) -> float:
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise SystemExit("the system does not say what is resident")

    def pin(self, cores: list[int]) -> int:
        """Pins each inference thread, and the one that computes for it and was started just before it, to a core of its own."""
        pinned, before = 0, None
        for task in sorted(pathlib.Path(f"/proc/{self.process.pid}/task").iterdir(), key=lambda task: int(task.name)):
            if (task / "comm").read_text().startswith("encoder-"):
                for thread in [before, task]:
                    os.sched_setaffinity(int(thread.name), {cores[pinned % len(cores)]})
                pinned += 1
            before = task
        return pinned

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait(30)


def rounds(peers: list[Peer], tokens: int, count: int, repeat: int) -> dict:
    """Figures a text of so many tokens; each round asks each peer `repeat` times."""
    taken = {peer.name: {"cpu_ms": [], "wall_ms": []} for peer in peers}
    for _ in range(count):
        for peer in peers:
            asked = [peer.ask(peer.windows(tokens)) for _ in range(repeat)]
            for figure, values in taken[peer.name].items():
                values.append(statistics.fmean(answer[figure] for answer in asked))
    first = peers[0].name
    result = {}
    for name, figures in taken.items():
        ratios = [other / ours for other, ours in zip(figures["cpu_ms"], taken[first]["cpu_ms"])]
        result[name] = {
            "cpu_ms": round(statistics.median(figures["cpu_ms"]), 2),
            "wall_ms": round(statistics.median(figures["wall_ms"]), 2),
            "times_ours": round(statistics.median(ratios), 2),
            "rounds": count,
        }
    return result


def scaling(command: list[str], shape: tuple, tokens: int, count: int) -> dict:
    """Throughput of two workers on two pinned cores against one on one, in the same process kind, round by round."""
    one = Peer("one", [*command, "1"], "0,1", *shape)
    two = Peer("two", [*command, "2"], "0,1", *shape)
    for peer, threads in [(one, 1), (two, 2)]:
        if peer.pin([0, 1]) != threads:
            raise SystemExit("the inference threads are not to be found")
    # enough windows that neither waits for the other, twice as many for two
    windows = one.windows(tokens) * 32
    ratios = []
    for _ in range(count):
        alone = one.ask(windows)["wall_ms"]
        both = two.ask(windows)["wall_ms"]
        ratios.append(alone / both)
    one.end(), two.end()
    return {"tokens": tokens, "times": round(statistics.median(ratios), 2), "best": round(max(ratios), 2), "rounds": count}


def rows(vocabulary: pathlib.Path) -> int:
    return len(vocabulary.read_text(encoding="utf-8").splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", required=True, type=pathlib.Path, help="folder with encoder.onnx, vocab.txt, encoder.json")
    parser.add_argument("--deberta", required=True, type=pathlib.Path, help="the ONNX model that deberta.py made")
    parser.add_argument("--peer", required=True, type=pathlib.Path, help="the program crates/model/examples/peer.rs")
    parser.add_argument("--core", default="0", help="the core that all peers are pinned to, in turn")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=pathlib.Path, help="write the figures as JSON")
    args = parser.parse_args()

    about = json.loads((args.encoder / "encoder.json").read_text())
    words = rows(args.encoder / "vocab.txt")
    shape = (about["max_tokens"], about["stride"], words)
    model = str(args.encoder / "encoder.onnx")
    ours = [str(args.peer), str(args.encoder)]
    onnxruntime = [sys.executable, str(HERE / "ort.py")]
    peers = [
        Peer("ours", [*ours, "1"], args.core, *shape),
        Peer("onnxruntime, same int8 model", [*onnxruntime, model, "4"], args.core, *shape),
        Peer("DeBERTa-v3-base, onnxruntime fp32", [*onnxruntime, str(args.deberta), "1"], args.core, 512, 384, 128_000),
    ]
    same = [peer.ask(peer.windows(60))["logits"] for peer in peers[:2]]
    apart = max(abs(a - b) for a, b in zip(*same))
    figures = {
        "logits_apart_on_the_same_model": apart,
        "cold_start_ms": {peer.name: round(peer.cold_ms, 0) for peer in peers},
        "resident_mb": {},
        "tokens": {},
    }
    for tokens in LENGTHS:
        # two marks are part of a window, so that `64` is a window of 64
        inner = tokens - 2
        figures["tokens"][tokens] = rounds(peers, inner, args.rounds, 3 if tokens <= 128 else 1)
        print(tokens, json.dumps(figures["tokens"][tokens]), flush=True)
    figures["resident_mb"] = {peer.name: round(peer.resident_mb(), 0) for peer in peers}
    figures["tokens"][LONG] = rounds(peers[:2], LONG, 3, 1) | rounds(peers[2:], LONG, 1, 1)
    long = figures["tokens"][LONG]
    deberta = long[peers[2].name]
    deberta["times_ours"] = round(deberta["cpu_ms"] / long["ours"]["cpu_ms"], 2)
    per_token = figures["tokens"][512]["ours"]["cpu_ms"] / 512
    figures["cost_of_a_token_at_32000_to_that_at_512"] = round(long["ours"]["cpu_ms"] / LONG / per_token, 2)
    print(LONG, json.dumps(long), flush=True)
    for peer in peers:
        peer.end()
    if len(os.sched_getaffinity(0)) >= 2:
        figures["two_workers"] = scaling(ours, shape, 126, max(5, args.rounds // 2))
        print("two workers", json.dumps(figures["two_workers"]), flush=True)
    print(json.dumps({name: figures[name] for name in figures if name not in ("tokens", "two_workers")}))
    if args.out:
        args.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
