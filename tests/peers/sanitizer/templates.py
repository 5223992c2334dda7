"""Recall of personal data in filled templates: DATA.jsonl holds {"template": "… {{credit_card_number}} …"} a line; the values
are Faker's, of ten countries, seeded. Usage: templates.py DATA.jsonl [PORTCULLIS]"""

import collections
import json
import random
import re
import subprocess
import sys
import tempfile

from faker import Faker

COUNTRIES = ["en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "en_AU", "en_IN", "pl_PL"]
ROUNDS = 30
SLOT = re.compile(r"\{\{(\w+)\}\}")


def makers(chance, american):
    """What is to be found: by slot the class and how a value is made."""
    return {
        "credit_card_number": ("card", lambda fake: fake.credit_card_number()),
        "phone_number": ("phone", lambda fake: fake.phone_number()),
        "email": ("email", lambda fake: fake.email()),
        "iban": ("iban", lambda fake: fake.iban()),
        "ip_address": ("ip_address", lambda fake: fake.ipv4_public()),
        "ssn": ("us_ssn", lambda fake: american.ssn()),
        "date_of_birth": ("birth_date", lambda fake: fake.date_of_birth().strftime(
            chance.choice(["%d/%m/%Y", "%Y-%m-%d", "%d.%m.%Y", "%B %d, %Y"]))),
        "address": ("postal_address", lambda fake: fake.address().replace("\n", chance.choice([", ", "\n"]))),
    }


def filled(templates):
    chance = random.Random(1)
    fakes = {country: Faker(country) for country in COUNTRIES}
    for fake in fakes.values():
        fake.seed_instance(7)
    wanted = makers(chance, fakes["en_US"])
    for _ in range(ROUNDS):
        for template in templates:
            country = chance.choice(COUNTRIES)
            fake, text, spans, at = fakes[country], "", [], 0
            others = {"person": fake.name, "name": fake.name, "city": fake.city, "street_name": fake.street_name,
                      "organization": fake.company, "building_number": fake.building_number, "url": fake.url,
                      "postcode": fake.postcode, "zipcode": fake.postcode, "country": lambda: "France", "age": lambda: "34"}
            for slot in SLOT.finditer(template):
                text += template[at:slot.start()]
                at = slot.end()
                if slot[1] in wanted:
                    kind, make = wanted[slot[1]]
                    value = make(fake)
                    start = len(text.encode())
                    spans.append((start, start + len(value.encode()), kind, country))
                else:
                    value = others.get(slot[1], fake.first_name)()
                text += value
            yield text + template[at:], spans


def main():
    data = sys.argv[1]
    program = sys.argv[2] if len(sys.argv) > 2 else "target/release/portcullis"
    with open(data, encoding="utf-8") as file:
        texts = list(filled([json.loads(line)["template"] for line in file]))
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        for text, _ in texts:
            file.write(json.dumps({"text": text}) + "\n")
        file.flush()
        out = subprocess.run([program, "scan", file.name], check=True, capture_output=True, text=True).stdout
    hits, all_of, by_country = collections.Counter(), collections.Counter(), collections.defaultdict(lambda: [0, 0])
    for line, (_, spans) in zip(out.splitlines(), texts, strict=True):
        findings = [f for f in json.loads(line)["findings"] if f["kind"].startswith("pii.") and f.get("span")]
        for start, end, kind, country in spans:
            hit = any(f["kind"] == f"pii.{kind}" and f["span"]["start"] < end and f["span"]["end"] > start for f in findings)
            hits[kind] += hit
            all_of[kind] += 1
            by_country[kind, country][0] += hit
            by_country[kind, country][1] += 1
    print("| found in | values | share | " + " | ".join(COUNTRIES) + " |\n|---" * 1 + "|---" * (2 + len(COUNTRIES)) + "|")
    for kind in sorted(all_of):
        cells = [by_country[kind, country] for country in COUNTRIES]
        shares = [f"{a / b:.0%}" if b else "" for a, b in cells]
        print(f"| {kind} | {all_of[kind]} | {hits[kind] / all_of[kind]:.1%} | " + " | ".join(shares) + " |")


if __name__ == "__main__":
    main()
