"""A small grammar engine: `{name}` in a template is replaced by one of the phrases of that name, again and again."""

import random
import re

SLOT = re.compile(r"\{(\w+)\}")


class Grammar:
    def __init__(self, phrases: dict[str, list[str]], seed: int):
        self.phrases = phrases
        self.random = random.Random(seed)

    def expand(self, template: str) -> str:
        """One sentence; a slot that the grammar does not know is an error."""
        while found := SLOT.search(template):
            chosen = self.random.choice(self.phrases[found.group(1)])
            template = template[: found.start()] + chosen + template[found.end() :]
        return self.tidy(template)

    def tidy(self, text: str) -> str:
        text = re.sub(r" +([,.!?;:])", r"\1", re.sub(r"[ \t]+", " ", text)).strip()
        return text[:1].upper() + text[1:] if self.random.random() < 0.8 else text

    def many(self, name: str, count: int) -> list[str]:
        """Up to `count` different sentences of the phrase `name`."""
        seen: dict[str, None] = {}
        for _ in range(count * 4):
            seen.setdefault(self.expand("{" + name + "}"))
            if len(seen) == count:
                break
        return list(seen)
