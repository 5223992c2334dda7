"""Composes training rows from the grammars: attacks and their harmless doubles, documents with and without an order."""

import random

import attacks
import documents
import harmless
from data import Row
from grammar import Grammar

FAMILY = "trainer's grammars"


def person(seed: int, count: int) -> list[Row]:
    """Attacks of a person's own words and harmless messages with the same words, about `count` of each."""
    attack, benign = Grammar(attacks.PHRASES, seed), Grammar(harmless.PHRASES, seed + 1)
    rows = []
    for name, kind, share in [("attack_direct", 0, 0.42), ("attack_jailbreak", 1, 0.25), ("attack_leak", 2, 0.33)]:
        for text in attack.many(name, int(count * share)):
            rows.append(Row(text, 1, 1, kind, 0.7, FAMILY, name))
    for text in benign.many("benign", count):
        # a harmless wish of a person may well be an order inside a document: the second question is not asked
        rows.append(Row(text, 0, None, None, 1.0, FAMILY, "harmless"))
    for language, (template, phrases) in attacks.ABROAD.items():
        for text in Grammar({**phrases, "one": [template]}, seed + 2).many("one", count // 60):
            rows.append(Row(text, 1, 1, 0, 0.7, FAMILY, "abroad", lang=language))
    for language, (template, phrases) in harmless.ABROAD.items():
        for text in Grammar({**phrases, "one": [template]}, seed + 3).many("one", count // 60):
            rows.append(Row(text, 0, None, None, 1.0, FAMILY, "abroad", lang=language))
    return rows


def third_party(seed: int, count: int, hosts: list[str], prompts: list[str]) -> list[Row]:
    """Documents with an order to a machine, the same documents without it, and the orders alone.

    `hosts` are harmless documents and `prompts` are requests to an assistant, both from rows that the phase may learn
    from."""
    chance = random.Random(seed)
    grammar = Grammar(dict(documents.PHRASES), seed)
    tasks = documents.PHRASES["task"]

    def order() -> str:
        if prompts and chance.random() < 0.3:
            task = chance.choice(prompts)
        else:
            task = grammar.expand(chance.choice(tasks))
        grammar.phrases["task"] = [task[:1].lower() + task[1:].rstrip(".")]
        grammar.phrases["Task"] = [task[:1].upper() + task[1:].rstrip(".")]
        return grammar.expand("{wrap}")

    rows = []
    for _ in range(count):
        attack = order()
        if hosts and chance.random() < 0.5:
            host = chance.choice(hosts)
            pieces = host.split(". ")
            at = chance.choice([0, len(pieces), chance.randint(0, len(pieces))])
            with_order = ". ".join([*pieces[:at], attack, *pieces[at:]])
            without = host
        else:
            document = grammar.expand("{document}")
            with_order, without = document.replace("¤", " " + attack), document.replace("¤", "")
        rows.append(Row(with_order, None, 1, None, 1.0, FAMILY, "order_in_document"))
        if chance.random() < 0.9:
            rows.append(Row(without, 0, 0, None, 1.0, FAMILY, "document"))
        if chance.random() < 0.35:
            rows.append(Row(attack, None, 1, None, 0.7, FAMILY, "order_alone"))
    return rows
