"""Learning step by step: rows of tokens put together, the optimiser, and a file from which a stopped run goes on."""

import pathlib
import random
import time

import numpy as np
import torch

import model

BATCH_ROWS, BATCH_TOKENS = 64, 3072
#: The average of the weights over the last steps is what is kept.
DECAY = 0.998


def batches(lengths: list[int], seed: int) -> list[list[int]]:
    """Rows of like length together, batches in random order."""
    chance = random.Random(seed)
    order = sorted(range(len(lengths)), key=lambda n: (lengths[n] + chance.random() * 8))
    out, now = [], []
    for number in order:
        longest = lengths[number] + 8
        if now and (len(now) >= BATCH_ROWS or (len(now) + 1) * longest > BATCH_TOKENS):
            out.append(now)
            now = []
        now.append(number)
    out.append(now)
    chance.shuffle(out)
    return out


def pad(ids: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, ids))
    tokens, attention = torch.zeros(len(ids), longest, dtype=torch.long), torch.zeros(len(ids), longest, dtype=torch.long)
    for number, row in enumerate(ids):
        tokens[number, : len(row)] = torch.tensor(row)
        attention[number, : len(row)] = 1
    return tokens, attention


def learn(
    name: str,
    file: pathlib.Path,
    encoder: model.Encoder,
    plan: list,
    loss_of,
    rates: tuple[float, float],
    seed: int,
    device: str = "cpu",
) -> model.Encoder:
    """Takes the steps of `plan`, each token ids and their rows, at these highest rates of the encoder and its head. Goes on
    from `file` where an earlier run left one; gives the average of the weights."""
    encoder.to(device)
    learning = [p for p in encoder.parameters() if p.requires_grad]
    head = list(encoder.head.parameters())
    rest = [p for p in learning if not any(p is h for h in head)]
    optimiser = torch.optim.AdamW(
        [{"params": part, "lr": rate, "top": rate} for part, rate in zip([rest, head], rates)], weight_decay=0.01
    )
    average = {key: p.detach().clone() for key, p in encoder.named_parameters() if p.requires_grad}
    start = 0
    if file.exists():
        kept = torch.load(file, map_location=device)
        encoder.load_state_dict(kept["encoder"])
        optimiser.load_state_dict(kept["optimiser"])
        average, start = kept["average"], kept["step"]
    tokens = sum(len(one) for batch, _ in plan for one in batch)
    print(f"{name}: {len(plan)} steps, {tokens / 1e6:.2f} M tokens, from step {start}", flush=True)
    began, losses, seen = time.time(), [], 0
    for step in range(start, len(plan)):
        torch.manual_seed(seed + step)
        share = step / len(plan)
        slope = min(1.0, step / (0.06 * len(plan) + 1)) * (1 - share) + 0.02
        for group in optimiser.param_groups:
            group["lr"] = group["top"] * slope
        ids, now = plan[step]
        seen += sum(map(len, ids))
        encoder.train()
        tokens, attention = pad(ids)
        with torch.autocast(device, torch.bfloat16):
            logits = encoder(tokens.to(device), attention.to(device))
        loss = loss_of(logits.float().cpu(), now)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        decay = min(DECAY, (1 + step) / (10 + step))
        with torch.no_grad():
            for key, p in encoder.named_parameters():
                if key in average:
                    average[key].lerp_(p, 1 - decay)
        losses.append(loss.item())
        if step % 50 == 49:
            rate = seen / (time.time() - began)
            print(f"{name} {step + 1}/{len(plan)} loss {np.mean(losses[-50:]):.4f}  {rate:.0f} tokens/s", flush=True)
        if step % 200 == 199 or step + 1 == len(plan):
            part = file.with_suffix(".part")
            state = {"encoder": encoder.state_dict(), "optimiser": optimiser.state_dict(), "average": average, "step": step + 1}
            torch.save(state, part)
            part.replace(file)
    encoder.load_state_dict({**encoder.state_dict(), **average})
    return encoder.cpu().eval()
