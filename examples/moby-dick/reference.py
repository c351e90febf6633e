"""Moby-Dick by PyTorch: the architecture, schedule and batch size of plan.ts, its first 200 steps with five seeds.

Run: MOBY_DICK=moby-dick.txt python3 examples/moby-dick/reference.py. It writes reference.json; compare.ts does the same with plan.ts.
"""

import json
import math
import os
import platform
from pathlib import Path

os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")  # same numbers on every AVX-512 machine, and PyTorch at its fastest

import torch  # noqa: E402: after the environment it reads
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

torch.set_num_threads(1)
CONTEXT, WIDTH, HEADS, BATCH, EPOCHS, RATE = 64, 96, 4, 32, 5, 0.004
STEPS, SEEDS, SPAN = 200, 5, 20

text = Path(os.environ["MOBY_DICK"]).read_bytes().decode("utf-8")
characters = sorted(set(text))
codes = torch.tensor([characters.index(character) for character in text])
training = codes[: math.floor(0.9 * len(codes) + 0.5)]
samples = (len(training) - CONTEXT - 1) // CONTEXT + 1
LATER = torch.full((CONTEXT, CONTEXT), -math.inf).triu(1)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(len(characters), WIDTH)
        self.positional = nn.Parameter(torch.randn(CONTEXT, WIDTH) * 0.02)
        make = lambda: nn.TransformerEncoderLayer(
            WIDTH, HEADS, dim_feedforward=4 * WIDTH, dropout=0, activation=F.gelu, batch_first=True, norm_first=True
        )
        self.blocks = nn.ModuleList([make(), make()])
        self.norm = nn.LayerNorm(WIDTH)
        self.linear = nn.Linear(WIDTH, len(characters))

    def forward(self, tokens):
        x = self.embedding(tokens) + self.positional
        for block in self.blocks:
            x = block(x, src_mask=LATER)
        return self.linear(self.norm(x))


def rate(step, steps, warmup):
    """A straight climb, then half a cosine down to 0."""
    if step < warmup:
        return RATE * (step + 1) / warmup
    return RATE * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


def curve(seed):
    """Mean loss of every 20 steps."""
    torch.manual_seed(seed)
    model = Model()
    matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.dim() <= 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0}])
    order = torch.randperm(samples)
    steps = EPOCHS * math.ceil(samples / BATCH)
    losses = []
    for step in range(STEPS):
        starts = order[step * BATCH : (step + 1) * BATCH, None] * CONTEXT + torch.arange(CONTEXT)
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps, math.floor(steps / 20 + 0.5))
        optimizer.zero_grad()
        loss = F.cross_entropy(model(training[starts]).flatten(0, 1), training[starts + 1].flatten())
        losses.append(loss.item())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1)
        optimizer.step()
    means = [sum(losses[at : at + SPAN]) / SPAN for at in range(0, STEPS, SPAN)]
    print(seed, *(f"{mean:.4f}" for mean in means), flush=True)
    return [round(mean, 4) for mean in means]


curves = [curve(seed) for seed in range(SEEDS)]
versions = {"python": platform.python_version(), "torch": torch.__version__}
head = json.dumps({"versions": versions, "characters": len(characters), "samples": samples, "span": SPAN}, indent=2)
lines = ",\n".join(f"    {json.dumps(losses)}" for losses in curves)
Path(__file__).with_suffix(".json").write_text(f'{head[:-2]},\n  "curves": [\n{lines}\n  ]\n}}\n')
