"""From rows to token windows: the vocabulary that is kept, one window a row, and what is done to texts on the way."""

import dataclasses
import random
from collections import Counter

import numpy as np
from tokenizers import BertWordPieceTokenizer

import model
import obfuscate
from data import Row

#: Tokens that keep a row of the embedding table.
KEPT = 24_000


def tokenizer(words: list[str]) -> BertWordPieceTokenizer:
    return BertWordPieceTokenizer({word: number for number, word in enumerate(words)}, lowercase=True)


def keep(rows: list[Row], most: int = KEPT) -> list[int]:
    """Which entries of the published vocabulary stay: the special ones, what occurs, then the most common ones."""
    words = model.vocabulary()
    counts: Counter[int] = Counter()
    whole = tokenizer(words)
    for start in range(0, len(rows), 4096):
        for encoded in whole.encode_batch([row.text for row in rows[start : start + 4096]]):
            counts.update(encoded.ids)
    special = {words.index(word) for word in ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]}
    usable = [number for number, word in enumerate(words) if not word.startswith("[unused")]
    # single characters spell every other word
    usable.sort(key=lambda n: (n not in special, len(words[n].removeprefix("##")) > 1, counts[n] == 0, n))
    return sorted(usable[:most])


def windows(tokens: list[int]) -> list[list[int]]:
    """The windows that the service would look at, without the two marks at the ends."""
    room = model.MAX_TOKENS - 2
    if len(tokens) <= room:
        return [tokens]
    starts = list(range(0, len(tokens) - room, model.STRIDE)) + [len(tokens) - room]
    return [tokens[start : start + room] for start in starts]


class Suspicion:
    """A bag of tokens that says which window of a long attack holds the attack: labels are for whole texts."""

    def __init__(self, rows: list[Row], encoded: list[list[int]]):
        totals = np.ones((2, KEPT))
        for row, tokens in zip(rows, encoded):
            if len(tokens) <= 100:
                attack = int(bool(row.user) or bool(row.context))
                np.add.at(totals[attack], np.unique(np.asarray(tokens, dtype=int)), 1)
        shares = totals / totals.sum(1, keepdims=True)
        self.weights = np.clip(np.log(shares[1] / shares[0]), -2, 3)

    def hottest(self, pieces: list[list[int]]) -> list[int]:
        def heat(piece):
            weights = self.weights[np.asarray(piece, dtype=int)]
            # the most suspicious stretch of a sentence's length counts, not the whole
            sums = np.convolve(weights, np.ones(min(24, len(weights))), "valid")
            return sums.max()

        return max(pieces, key=heat)


def typos(text: str, chance: random.Random) -> str:
    words = text.split(" ")
    for number, word in enumerate(words):
        if len(word) > 3 and chance.random() < 0.12:
            at = chance.randrange(1, len(word) - 1)
            words[number] = chance.choice([word[:at] + word[at + 1 :], word[:at] + word[at + 1] + word[at] + word[at + 2 :], word[:at] + word[at] + word[at:]])
    return " ".join(words)


def vary(rows: list[Row], seed: int) -> list[Row]:
    """The rows of one epoch: some with typing errors, some inside or beside harmless words of a person, a few disguised
    or encoded."""
    chance = random.Random(seed)
    neighbours = [row.text for row in rows if row.user == 0 and row.context != 1 and len(row.text) < 260]
    out = []
    for row in rows:
        text, what = row.text, chance.random()
        user, context, kind = row.user, row.context, row.kind
        if what > 0.98 and row.user is not None and len(text) < 400:
            text = obfuscate.disguised(text, chance)
        elif what > 0.96 and row.user is not None and len(text) < 200 and text.isascii():
            text, user, context, kind = obfuscate.encoded(text, chance), 0, 0, None
        elif what < 0.07:
            text = typos(text, chance)
        elif what < 0.10:
            text = "".join(c for c in text if c not in ",.!?:;'\"")
        elif what < 0.26 and row.user is not None and len(text) < 400:
            beside = chance.choice(neighbours)
            text = chance.choice([f"{beside} {text}", f"{text} {beside}", f"{beside}\n{text}", f"{text}\n\n{beside}"])
        out.append(dataclasses.replace(row, text=text, user=user, context=context, kind=kind))
    return out


def cut(rows: list[Row], words: list[str], seed: int) -> list[list[int]]:
    """One window of each row, with its marks: the whole text where it fits, the hottest window of an attack, any
    window of a harmless text."""
    tool = tokenizer(words)
    first, last = words.index("[CLS]"), words.index("[SEP]")
    encoded = [e.ids for start in range(0, len(rows), 4096)
               for e in tool.encode_batch([r.text[:24_000] for r in rows[start : start + 4096]], add_special_tokens=False)]
    suspicion, chance, out = Suspicion(rows, encoded), random.Random(seed), []
    for row, tokens in zip(rows, encoded):
        pieces = windows(tokens)
        if len(pieces) > 1:
            attack = bool(row.user) or bool(row.context)
            tokens = suspicion.hottest(pieces) if attack else chance.choice(pieces)
        out.append([first, *tokens, last])
    return out
