"""Five steps of PyTorch's AdamW and SGD with parameter groups and one frozen tensor: groups.json for src/train/groups.test.ts."""

import numpy as np
import torch

from golden import float32, floats, write

ABOUT = "five steps on all samples, float64; linear1.weight at a quarter of the rate, linear1.bias frozen, linear2.bias at three times the rate without decay"
SAMPLES = 6
NAMES = ["linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias"]


def initial():
    random = np.random.default_rng(3)
    shapes = [(4, 3), (4,), (1, 4), (1,)]
    return {name: float32(random.normal(size=shape)) for name, shape in zip(NAMES, shapes)}


def run(make, base, x, y):
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in initial().items()}
    tensors["linear1.bias"].requires_grad_(False)  # frozen
    rate, decay = base["lr"], base["weight_decay"]
    optimizer = make(
        [
            {"params": [tensors["linear1.weight"]], "lr": rate * 0.25},
            {"params": [tensors["linear2.weight"]]},
            {"params": [tensors["linear2.bias"]], "lr": rate * 3, "weight_decay": decay * 0},
        ]
    )
    for _ in range(5):
        optimizer.zero_grad()
        hidden = torch.tanh(x @ tensors["linear1.weight"].T + tensors["linear1.bias"])
        predicted = hidden @ tensors["linear2.weight"].T + tensors["linear2.bias"]
        ((predicted - y) ** 2).mean().backward()
        optimizer.step()
    return {name: floats(value) for name, value in tensors.items()}


def main():
    random = np.random.default_rng(4)
    x, y = float32(random.normal(size=(SAMPLES, 3))), float32(random.normal(size=(SAMPLES, 1)))
    adamw = {"lr": 0.05, "weight_decay": 0.1}
    sgd = {"lr": 0.1, "weight_decay": 0.05}
    tx, ty = torch.tensor(x), torch.tensor(y)
    write(
        __file__,
        ABOUT,
        {
            "x": floats(x),
            "y": floats(y),
            "initial": {name: floats(value) for name, value in initial().items()},
            "adamw": run(lambda groups: torch.optim.AdamW(groups, **adamw), adamw, tx, ty),
            "sgd": run(lambda groups: torch.optim.SGD(groups, momentum=0.9, **sgd), sgd, tx, ty),
        },
    )


if __name__ == "__main__":
    main()
