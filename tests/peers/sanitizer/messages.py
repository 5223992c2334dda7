"""Made-up messages, each with one value of a known class, and everyday messages without any."""

import base64
import random
import string

HEX, ALNUM = "0123456789abcdef", string.ascii_letters + string.digits
SENTENCES = ["My {what} is {value}, please note it.", "Here: {value}", "{what}: {value}", "Is {value} right? Thanks!"]
EVERYDAY = [
    "Order {n}-{m} was due on 2026-11-{d} at 10:{d}, total {m},{n}.50 EUR.",
    "Tracking 1Z999AA1{n}{n}, invoice {m}/{n}, customer {m}{m}.",
    "Version 4.{d}.{m} of the app crashes, build {hex40}.",
    "The id is {uuid} and the file is IMG_{n}.jpg.",
    "ISBN 978-3-16-148410-0, page {m}, chapter {d}.",
    "My password does not work, and the token has expired.",
    "In {m} days I walked {n} steps; the score was {d}:{d}.",
    "Call me at ten past {d}; I am {d} years old.",
]


def digits(rng, count):
    return "".join(rng.choice(string.digits) for _ in range(count))


def word(rng, alphabet, count):
    return "".join(rng.choice(alphabet) for _ in range(count))


def luhn(front):
    total = sum(sum(divmod(int(c) * (2 if i % 2 == 0 else 1), 10)) for i, c in enumerate(reversed(front)))
    return front + str(-total % 10)


def iban(rng):
    bban = digits(rng, 18)
    check = 98 - int(bban + "131400") % 97
    number = f"DE{check:02d}{bban}"
    return " ".join(number[i : i + 4] for i in range(0, len(number), 4)) if rng.random() < 0.5 else number


def nhs(rng):
    while True:
        front = digits(rng, 9)
        check = (11 - sum(int(c) * (10 - i) for i, c in enumerate(front)) % 11) % 11
        if check < 10:
            return f"{front[:3]} {front[3:6]} {front[6:]}{check}"


def pesel(rng):
    front = f"{rng.randint(50, 99)}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}{digits(rng, 4)}"
    return front + str(-sum(int(c) * w for c, w in zip(front, [1, 3, 7, 9] * 3)) % 10)


def dni(rng):
    number = int(digits(rng, 8))
    return f"{number:08d}" + "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23]


def card(rng):
    number = luhn(rng.choice(["4", "51", "53"]) .ljust(2, "1") + digits(rng, 13))
    return rng.choice([number, " ".join(number[i : i + 4] for i in range(0, 16, 4))])


# class → (what people call it, a value)
CLASSES = {
    "email": ("e-mail", lambda r: f"{word(r, string.ascii_lowercase, 6)}.{word(r, string.ascii_lowercase, 5)}@example.org"),
    "card": ("card number", card),
    "iban": ("IBAN", iban),
    "phone": ("phone number", lambda r: r.choice([f"+49 170 {digits(r, 7)}", f"(415) {r.randint(200, 999)}-{digits(r, 4)}", f"+44 20 7{digits(r, 3)} {digits(r, 4)}", f"+33 6 {digits(r, 2)} {digits(r, 2)} {digits(r, 2)} {digits(r, 2)}"])),
    "us_ssn": ("SSN", lambda r: f"{r.randint(100, 665)}-{r.randint(10, 99)}-{r.randint(1000, 9999)}"),
    "uk_nhs": ("NHS number", nhs),
    "pl_pesel": ("PESEL", pesel),
    "es_dni": ("DNI", dni),
    "ip_address": ("address", lambda r: r.choice([f"203.0.{r.randint(1, 250)}.{r.randint(1, 250)}", f"2001:db8:{word(r, HEX, 4)}:0:0:8a2e:370:7334"])),
    "aws_key": ("key", lambda r: "AKIA" + word(r, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)),
    "github_token": ("token", lambda r: "ghp_" + word(r, ALNUM, 36)),
    "slack_token": ("token", lambda r: f"xoxb-{digits(r, 12)}-{digits(r, 12)}-{word(r, ALNUM, 24)}"),
    "stripe_key": ("key", lambda r: "sk_live_" + word(r, ALNUM, 24)),
    "sendgrid_key": ("key", lambda r: f"SG.{word(r, ALNUM, 22)}.{word(r, ALNUM, 43)}"),
    "telegram_token": ("bot", lambda r: f"{digits(r, 9)}:AA{word(r, ALNUM, 33)}"),
    "gitlab_token": ("token", lambda r: "glpat-" + word(r, ALNUM, 20)),
    "npm_token": ("token", lambda r: "npm_" + word(r, ALNUM, 36)),
    "huggingface_token": ("token", lambda r: "hf_" + word(r, string.ascii_letters, 34)),
    "shopify_token": ("token", lambda r: "shpat_" + word(r, HEX, 32)),
    "digitalocean_token": ("token", lambda r: "dop_v1_" + word(r, HEX, 64)),
    "jwt": ("token", lambda r: ".".join([base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("="), base64.urlsafe_b64encode(b'{"sub":"%d"}' % r.randint(10**8, 10**9)).decode().rstrip("="), word(r, ALNUM, 43)])),
    "private_key": ("key", lambda r: "-----BEGIN RSA PRIVATE KEY-----\n" + word(r, ALNUM, 64) + "\n-----END RSA PRIVATE KEY-----"),
    "connection_string": ("database", lambda r: f"postgres://app:{word(r, ALNUM, 12)}@db.example.org/shop"),
    "assigned_secret": ("config", lambda r: f'api_key = "{word(r, ALNUM, 32)}"'),
}


def made_up(each, seed):
    """`each` messages of every class as (class, text), and as many everyday ones as (None, text)."""
    rng = random.Random(seed)
    messages = []
    for name, (what, value) in CLASSES.items():
        for _ in range(each):
            messages.append((name, rng.choice(SENTENCES).format(what=what, value=value(rng))))
    for _ in range(each * len(CLASSES)):
        fields = {"n": digits(rng, 5), "m": digits(rng, 3), "d": rng.randint(10, 28), "hex40": word(rng, HEX, 40),
                  "uuid": "-".join(word(rng, HEX, n) for n in (8, 4, 4, 4, 12))}
        messages.append((None, rng.choice(EVERYDAY).format(**fields)))
    rng.shuffle(messages)
    return messages
