"""Writes schedules.json: the learning rate of steps 0 to 99 of torch's schedulers."""

import math

import torch
from torch.optim import lr_scheduler

from golden import write

ABOUT = (
    "values[step]: the learning rate with which step (0 to 99) is taken, read from torch before "
    "optimizer.step(). torch multiplies from step to step, so a closed formula differs from it in the "
    "last digits: compare to 1e-12 relative. formula: the closed form, which the generator holds "
    "against torch to 1e-12. warmup cases: learningRate*(step+1)/warmupSteps for step < warmupSteps, "
    "then schedule(step - warmupSteps)."
)
STEPS = 100
LEARNING_RATE = 0.01


def values(make, steps=STEPS):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LEARNING_RATE)
    scheduler = make(optimizer)
    rates = []
    for step in range(steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if step + 1 < steps:  # OneCycleLR refuses a step past its last
            scheduler.step()
    return rates


def close(left, right):
    assert len(left) == len(right)
    for a, b in zip(left, right):
        assert abs(a - b) <= 1e-12 * max(abs(a), abs(b)), (a, b)


def cosine(step, total, end):
    return end + (LEARNING_RATE - end) * (1 + math.cos(math.pi * step / total)) / 2


def one_cycle(step, peak=0.1, total=100, start=0.3, div=25.0, final_div=1e4):
    first, last = peak / div, peak / div / final_div
    top = start * total - 1
    if step <= top:
        a, b, fraction = first, peak, step / top
    else:
        a, b, fraction = peak, last, (step - top) / (total - 1 - top)
    return b + (a - b) * (1 + math.cos(math.pi * fraction)) / 2


CASES = [
    (
        "step",
        {"learningRate": LEARNING_RATE, "stepSize": 30, "factor": 0.1},
        "StepLR(step_size=30, gamma=0.1)",
        "learningRate * factor ^ floor(step / stepSize)",
        lambda o: lr_scheduler.StepLR(o, step_size=30, gamma=0.1),
        lambda s: LEARNING_RATE * 0.1 ** (s // 30),
    ),
    (
        "exponential",
        {"learningRate": LEARNING_RATE, "factor": 0.97},
        "ExponentialLR(gamma=0.97)",
        "learningRate * factor ^ step",
        lambda o: lr_scheduler.ExponentialLR(o, gamma=0.97),
        lambda s: LEARNING_RATE * 0.97**s,
    ),
    (
        "cosine",
        {"learningRate": LEARNING_RATE, "totalSteps": 100, "endLearningRate": 1e-5},
        "CosineAnnealingLR(T_max=100, eta_min=1e-5)",
        "end + (learningRate - end) * (1 + cos(pi * step / totalSteps)) / 2",
        lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=100, eta_min=1e-5),
        lambda s: cosine(s, 100, 1e-5),
    ),
    (
        "linear",
        {"learningRate": LEARNING_RATE, "totalSteps": 100, "endLearningRate": LEARNING_RATE * 0.1},
        "LinearLR(start_factor=1, end_factor=0.1, total_iters=100)",
        "learningRate + (end - learningRate) * step / totalSteps",
        lambda o: lr_scheduler.LinearLR(o, start_factor=1.0, end_factor=0.1, total_iters=100),
        lambda s: LEARNING_RATE * (1 - 0.9 * s / 100),
    ),
    (
        "oneCycle",
        {
            "maxLearningRate": 0.1,
            "totalSteps": 100,
            "warmupFraction": 0.3,
            "divFactor": 25,
            "finalDivFactor": 1e4,
        },
        "OneCycleLR(max_lr=0.1, total_steps=100, pct_start=0.3, anneal_strategy='cos', div_factor=25, "
        "final_div_factor=1e4, "
        "cycle_momentum=False)",
        "first = max/divFactor, last = first/finalDivFactor, top = warmupFraction*totalSteps - 1; half "
        "cosine from first to max over steps 0..top, then from max to last over steps top..totalSteps-1",
        lambda o: lr_scheduler.OneCycleLR(
            o,
            max_lr=0.1,
            total_steps=100,
            pct_start=0.3,
            anneal_strategy="cos",
            div_factor=25,
            final_div_factor=1e4,
            cycle_momentum=False,
        ),
        one_cycle,
    ),
]


cases = []
for name, options, source, formula, make, closed in CASES:
    rates = values(make)
    close(rates, [closed(step) for step in range(STEPS)])
    cases.append({"name": name, "options": options, "torch": source, "formula": formula, "values": rates})

WARMUP = 10
warm = [LEARNING_RATE * (step + 1) / WARMUP for step in range(WARMUP)]
for after, total, tail, source in [
    (
        "cosine",
        90,
        values(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=90, eta_min=1e-5), 90),
        "CosineAnnealingLR(T_max=90, eta_min=1e-5) after the warm-up formula",
    ),
    (
        "linear",
        90,
        values(lambda o: lr_scheduler.LinearLR(o, start_factor=1.0, end_factor=0.1, total_iters=90), 90),
        "LinearLR(start_factor=1, end_factor=0.1, total_iters=90) after the warm-up formula",
    ),
]:
    end = 1e-5 if after == "cosine" else LEARNING_RATE * 0.1
    # the warm-up formula is torch's LinearLR from 1/10 to 1 in nine steps
    close(
        warm,
        values(lambda o: lr_scheduler.LinearLR(o, start_factor=0.1, end_factor=1.0, total_iters=9), WARMUP),
    )
    if after == "cosine":
        close(tail, [cosine(step, 90, end) for step in range(90)])
    else:
        close(tail, [LEARNING_RATE * (1 - 0.9 * step / 90) for step in range(90)])
    cases.append(
        {
            "name": "warmup then " + after,
            "options": {
                "warmupSteps": WARMUP,
                "schedule": after,
                "learningRate": LEARNING_RATE,
                "totalSteps": total,
                "endLearningRate": end,
            },
            "torch": source,
            "formula": "step < warmupSteps ? learningRate * (step + 1) / warmupSteps "
            ": schedule(step - warmupSteps)",
            "values": warm + tail,
        }
    )
write(__file__, ABOUT, {"steps": STEPS, "cases": cases})
