"""Texts as they look encoded or disguised, so that neither look is taken for an attack."""

import base64
import random

LOOKALIKES = str.maketrans("aeopcyxiABEHKMOPCTX", "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0410\u0412\u0415\u041d\u041a\u041c\u041e\u0420\u0421\u0422\u0425")
LEET = str.maketrans("aeiost", "431057")
ROT13 = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "nopqrstuvwxyzabcdefghijklmNOPQRSTUVWXYZABCDEFGHIJKLM"
)
MORSE = dict(zip(
    "abcdefghijklmnopqrstuvwxyz0123456789",
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
    "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----.".split(),
))


def shifted(text: str, first: int) -> str:
    """The letters of another alphabet that begins at `first`, as mathematical bold does."""
    small = {chr(97 + n): chr(first + 26 + n) for n in range(26)}
    return text.translate(str.maketrans({**small, **{chr(65 + n): chr(first + n) for n in range(26)}}))


#: Words can still be told, if badly: the text keeps its label.
DISGUISES = [
    lambda text, _: text.translate(LEET),
    lambda text, _: text.translate(LOOKALIKES),
    lambda text, chance: "".join(chance.choice([c.lower(), c.upper()]) for c in text),
    lambda text, _: "\u200b".join(text),
    lambda text, _: "\n".join(text.split()),
]
#: No word is left: the text as received says nothing.
ENCODINGS = [
    lambda text: base64.b64encode(text.encode()).decode(),
    lambda text: text.encode().hex(),
    lambda text: text.translate(ROT13),
    lambda text: " / ".join(" ".join(MORSE.get(c, c) for c in word) for word in text.lower().split()),
    lambda text: text[::-1],
    lambda text: "".join(f"%{b:02X}" for b in text.encode()),
    lambda text: "".join(f"&#{ord(c)};" for c in text),
    lambda text: " ".join(text),
    lambda text: "-".join(text.replace(" ", "_")),
    lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    lambda text: shifted(text, 0x1D400),
]


def disguised(text: str, chance: random.Random) -> str:
    return chance.choice(DISGUISES)(text, chance)


def encoded(text: str, chance: random.Random) -> str:
    return chance.choice(ENCODINGS)(text)
