"""The encoder of a bundle as a folder with `encoder.onnx`, `vocab.txt` and `encoder.json`."""

import json
import pathlib
import shutil
import sys


def main(bundle: pathlib.Path, out: pathlib.Path) -> None:
    encoder = json.loads((bundle / "manifest.json").read_text()).get("encoder")
    if encoder is None:
        raise SystemExit(f"peers: error: {bundle} has no encoder: name one with ENCODER=DIR")
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(bundle / encoder["weights"], out / "encoder.onnx")
    shutil.copy(bundle / encoder["vocabulary"], out / "vocab.txt")
    about = {name: encoder[name] for name in ["outputs", "max_tokens", "stride", "lowercase"]}
    (out / "encoder.json").write_text(json.dumps(about) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
