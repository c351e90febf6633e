"""Ten steps of PyTorch's AdamW on hand-written LoRA (Hu et al. 2021): lora.json for src/train/lora.test.ts."""

import numpy as np
import torch

from golden import float32, floats, uniform, write

ABOUT = "ten steps on all samples, float64; linear1.weight and linear2.weight keep their values and learn (alpha / rank) B A, linear3 is trained as it is"
SAMPLES, RANK, ALPHA, SEED = 8, 2, 3, 5
SHAPES = {
    "linear1.weight": (5, 4),
    "linear1.bias": (5,),
    "linear2.weight": (4, 5),
    "linear2.bias": (4,),
    "linear3.weight": (1, 4),
    "linear3.bias": (1,),
}
ADAPTED = ["linear1.weight", "linear2.weight"]


def first_a(name, inputs):
    """PEFT's kaiming_uniform_ with a = sqrt(5), uniform in +-1 / sqrt(in), from the draws that the package makes."""
    draw = uniform(SEED, "initialize", f"{name}.lora.a")
    limit = 1 / np.sqrt(inputs)
    return float32([[(2 * draw(row * inputs + column) - 1) * limit for column in range(inputs)] for row in range(RANK)])


def main():
    random = np.random.default_rng(6)
    x, y = float32(random.normal(size=(SAMPLES, 4))), float32(random.normal(size=(SAMPLES, 1)))
    initial = {name: float32(random.normal(size=shape)) for name, shape in SHAPES.items()}
    plain = {name: torch.tensor(value) for name, value in initial.items()}
    a = {name: torch.tensor(first_a(name, SHAPES[name][1]), requires_grad=True) for name in ADAPTED}
    b = {name: torch.zeros(SHAPES[name][0], RANK, requires_grad=True) for name in ADAPTED}
    for name in ("linear3.weight", "linear3.bias"):
        plain[name].requires_grad_(True)

    def weight(name):
        return plain[name] + ALPHA / RANK * b[name] @ a[name] if name in ADAPTED else plain[name]

    trained = [plain["linear3.weight"], plain["linear3.bias"]]
    adapters = [*a.values(), *b.values()]
    rate, decay = 0.02, 0.1
    optimizer = torch.optim.AdamW(
        [{"params": trained}, {"params": adapters, "lr": rate * 2}], lr=rate, weight_decay=decay
    )
    tx, ty = torch.tensor(x), torch.tensor(y)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        hidden = torch.tanh(tx @ weight("linear1.weight").T + plain["linear1.bias"])
        hidden = torch.tanh(hidden @ weight("linear2.weight").T + plain["linear2.bias"])
        loss = ((hidden @ plain["linear3.weight"].T + plain["linear3.bias"] - ty) ** 2).mean()
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    write(
        __file__,
        ABOUT,
        {
            "x": floats(x),
            "y": floats(y),
            "initial": {name: floats(value) for name, value in initial.items()},
            "losses": losses,
            "trained": {name: floats(weight(name)) for name in SHAPES},
        },
    )


if __name__ == "__main__":
    main()
