# A stage of one's own: finds words that a house does not want. pip install nats-py
import asyncio, json, os, nats

STAGE, WORDS = "word-list", ["unobtainium"]

async def main():
    bus = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"), user=STAGE,
                             password=os.environ["NATS_PASSWORD"], inbox_prefix=f"_INBOX_{STAGE}".encode())

    async def check(message):
        text = json.loads(message.data)["interaction"]["text"]
        found, size = [word for word in WORDS if word in text.lower()], len(text.encode())
        report = {"findings": [{"stage": STAGE, "kind": f"words.{word}", "severity": "high", "confidence": 1.0, "place": "text"} for word in found],
                  "coverage": {"scanned": size, "total": size, "complete": True}, "version": "1"}
        await message.respond(json.dumps(report).encode())

    await bus.subscribe(f"portcullis.v1.stage.{STAGE}.check", queue=STAGE, cb=check)
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
