"""An ONNX model in onnxruntime on one core, as a peer: windows of token ids in, time out, a line each (see peers.py)."""

import json
import sys
import time

BEGUN = time.perf_counter()

import numpy as np  # noqa: E402
import onnxruntime as ort  # noqa: E402


def main(path: str, batch: int) -> None:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    print(json.dumps({"ready_ms": (time.perf_counter() - BEGUN) * 1e3}), flush=True)
    for line in sys.stdin:
        windows = json.loads(line)["windows"]
        begun = time.perf_counter()
        first = None
        # windows of one length are computed together, as the service does
        for at in range(0, len(windows), batch):
            some = windows[at : at + batch]
            longest = max(map(len, some))
            ids = np.zeros((len(some), longest), np.int64)
            mask = np.zeros_like(ids)
            for row, window in enumerate(some):
                ids[row, : len(window)] = window
                mask[row, : len(window)] = 1
            logits = session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0]
            first = logits[0].tolist() if first is None else first
        print(json.dumps({"wall_ms": (time.perf_counter() - begun) * 1e3, "logits": first}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
