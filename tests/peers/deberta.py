"""DeBERTa-v3-base with random weights as an ONNX model: the architecture that other open guards run. Its time does not
depend on its weights."""

import pathlib
import sys
import warnings

import numpy as np
import onnxruntime
import torch
from transformers import DebertaV2Config, DebertaV2ForSequenceClassification

# The published configuration of the base model of version 3.
CONFIG = DebertaV2Config(
    vocab_size=128100,
    hidden_size=768,
    num_hidden_layers=12,
    num_attention_heads=12,
    intermediate_size=3072,
    hidden_act="gelu",
    max_position_embeddings=512,
    type_vocab_size=0,
    layer_norm_eps=1e-7,
    relative_attention=True,
    position_buckets=256,
    max_relative_positions=-1,
    norm_rel_ebd="layer_norm",
    share_att_key=True,
    pos_att_type="p2c|c2p",
    position_biased_input=False,
    num_labels=2,
)


class Classifier(torch.nn.Module):
    """Ids and mask in, logits out."""

    def __init__(self):
        super().__init__()
        self.model = DebertaV2ForSequenceClassification(CONFIG)

    def forward(self, ids, mask):
        return self.model(input_ids=ids, attention_mask=mask).logits


def build(path: pathlib.Path) -> None:
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    classifier = Classifier().eval()
    ids = torch.randint(5, 128000, (2, 64))
    names = ["input_ids", "attention_mask"]
    part = path.with_suffix(".part")
    torch.onnx.export(
        classifier,
        (ids, torch.ones_like(ids)),
        str(part),
        input_names=names,
        output_names=["logits"],
        dynamic_axes={name: {0: "batch", 1: "length"} for name in names},
        opset_version=17,
        dynamo=False,
    )
    # the export puts the module back into training mode
    classifier.eval()
    session = onnxruntime.InferenceSession(str(part), providers=["CPUExecutionProvider"])
    for length in [16, 100]:
        ids = torch.randint(5, 128000, (1, length))
        mask = torch.ones_like(ids)
        ours = session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]
        with torch.no_grad():
            theirs = classifier(ids, mask).numpy()
        if np.abs(ours - theirs).max() > 1e-4:
            raise SystemExit(f"the exported model says something else than the original at {length} tokens")
    part.rename(path)


if __name__ == "__main__":
    build(pathlib.Path(sys.argv[1]))
