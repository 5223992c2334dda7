"""From trained weights to the files that the service runs: `encoder.onnx` in 8-bit integers, the vocabulary, and
`encoder.safetensors` in full precision for other runtimes."""

import pathlib
import tempfile

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from safetensors.torch import save_file
from torch import nn

import model


class Plain(nn.Module):
    """The encoder in operators that every runtime knows, its embedding table in bytes with a scale a row."""

    def __init__(self, encoder: model.Encoder):
        super().__init__()
        table = encoder.words.weight.detach()
        scale = table.abs().amax(1, keepdim=True).clamp(min=1e-8) / 127.0
        self.register_buffer("table", torch.round(table / scale).to(torch.int8))
        self.register_buffer("scale", scale)
        self.encoder = encoder

    def forward(self, input_ids, attention_mask):
        words = self.table[input_ids].float() * self.scale[input_ids]
        encoder = self.encoder
        length = input_ids.shape[1]
        x = encoder.norm(words + encoder.places.weight[:length])
        mask = (1.0 - attention_mask.float())[:, None, None, :] * -10_000.0
        for layer in encoder.layers:
            x = self.layer(layer, x, mask)
        weight = attention_mask.float()[:, :, None]
        pooled = (x * weight).sum(1) / weight.sum(1).clamp(min=1.0)
        return encoder.head(pooled)

    @staticmethod
    def layer(layer, x, mask):
        batch, length, width = x.shape
        heads = model.HEADS

        def split(y):
            return y.view(batch, length, heads, width // heads).transpose(1, 2)

        weights, biases = layer.qkv.weight.chunk(3), layer.qkv.bias.chunk(3)
        q, k, v = (split(F.linear(x, w, b)) for w, b in zip(weights, biases))
        scores = q @ k.transpose(-1, -2) * (width // heads) ** -0.5 + mask
        attended = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, width)
        x = layer.norm1(x + layer.out(attended))
        return layer.norm2(x + layer.outer(F.gelu(layer.inner(x))))


def export(encoder: model.Encoder, words: list[str], out: pathlib.Path):
    out.mkdir(parents=True, exist_ok=True)
    encoder.eval()
    plain = Plain(encoder).eval()
    ids = torch.randint(5, len(words), (2, 16))
    attention = torch.ones_like(ids)
    with tempfile.TemporaryDirectory() as folder:
        full = pathlib.Path(folder) / "full.onnx"
        ready = pathlib.Path(folder) / "ready.onnx"
        torch.onnx.export(
            plain,
            (ids, attention),
            full,
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={
                "input_ids": {0: "batch", 1: "length"},
                "attention_mask": {0: "batch", 1: "length"},
                "logits": {0: "batch"},
            },
            opset_version=14,
            dynamo=False,
        )
        quant_pre_process(str(full), str(ready), skip_symbolic_shape=True)
        quantize_dynamic(
            str(ready),
            str(out / "encoder.onnx"),
            per_channel=True,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul", "Gemm"],
            # the head is a few hundred numbers and decides: it stays in full precision
            nodes_to_exclude=[n.name for n in onnx.load(str(ready)).graph.node if n.op_type == "Gemm"],
        )
    (out / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    (out / "encoder.json").write_text(model.describe(encoder.outputs) + "\n", encoding="utf-8")
    save_file({k: v.contiguous() for k, v in encoder.state_dict().items()}, str(out / "encoder.safetensors"))
    check(encoder, plain, out, len(words))


def check(encoder, plain, out, size):
    """Says how far the exported files are from the trained weights."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(out / "encoder.onnx"), providers=["CPUExecutionProvider"])
    ids = torch.randint(5, size, (8, 48))
    attention = torch.ones_like(ids)
    attention[4:, 30:] = 0
    with torch.no_grad():
        own, rows = encoder(ids, attention).numpy(), plain(ids, attention).numpy()
    quantised = session.run(["logits"], {"input_ids": ids.numpy(), "attention_mask": attention.numpy()})[0]
    print(
        f"embedding rows in bytes: {np.abs(own - rows).max():.4f} off at most; "
        f"all in 8 bits: {np.abs(own - quantised).max():.4f} off at most; "
        f"encoder.onnx {(out / 'encoder.onnx').stat().st_size / 1e6:.1f} MB"
    )
