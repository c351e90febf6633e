"""The models of tables/models.ts in PyTorch. Data is made up: what is measured is time and memory, and that the loss falls.

That both compute the same gradients is shown elsewhere, by numbers recorded in test/golden.
"""
import time

import torch
from torch import nn
from torch.nn import functional


class LeNet(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
        )  # fmt: skip


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip
        self.shortcut = nn.Identity()
        if inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        return functional.relu(self.body(x) + self.shortcut(x))


class ResNet(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
        )  # fmt: skip


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.inner = nn.Linear(width, 3 * width)
        self.outer = nn.Linear(width, width)

    def forward(self, x):
        batch, length, width = x.shape
        query, key, value = (
            part.view(batch, length, self.heads, -1).transpose(1, 2) for part in self.inner(x).split(width, 2)
        )
        scores = query @ key.transpose(2, 3) / (width // self.heads) ** 0.5
        future = torch.ones(length, length, dtype=torch.bool).triu(1)
        mixed = scores.masked_fill(future, float("-inf")).softmax(3) @ value
        return self.outer(mixed.transpose(1, 2).reshape(batch, length, width))


class TransformerBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, heads))
        self.body = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x):
        x = x + self.attention(x)
        return x + self.body(x)


class Gpt(nn.Module):
    def __init__(self, codes=96, length=128, width=128, heads=4, layers=4):
        super().__init__()
        self.codes = nn.Embedding(codes, width)
        self.places = nn.Parameter(torch.randn(length, width) * 0.02)
        self.blocks = nn.Sequential(*(TransformerBlock(width, heads) for _ in range(layers)))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, codes))

    def forward(self, x):
        return self.head(self.blocks(self.codes(x) + self.places)).transpose(1, 2)  # [batch, codes, time]


class Lstm(nn.Module):
    def __init__(self, inputs=32, hidden=128):
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 10)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


class Mlp(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


def digits(batch):
    return torch.randn(batch, 784), torch.randint(10, (batch,))


def images(batch):
    return torch.randn(batch, 3, 32, 32), torch.randint(10, (batch,))


def tokens(batch):
    codes = torch.randint(96, (batch, 129))
    return codes[:, :-1], codes[:, 1:]


def series(batch):
    return torch.randn(batch, 64, 32), torch.randint(10, (batch,))


MODELS = {
    "mlp": (Mlp, digits),
    "lenet": (LeNet, images),
    "resnet": (ResNet, images),
    "gpt": (Gpt, tokens),
    "lstm": (Lstm, series),
}


class ModelTraining:
    """Steps of a model on eight batches, again and again: SGD with momentum, AdamW for the transformer."""

    def __init__(self, case):
        torch.manual_seed(0)
        model, data = MODELS[case["model"]]
        self.model = model()
        parameters = self.model.parameters()
        self.optimizer = (
            torch.optim.AdamW(parameters, lr=1e-3)
            if case["model"] == "gpt"
            else torch.optim.SGD(parameters, lr=0.01, momentum=0.9)
        )
        self.batches = [data(case["batch"]) for _ in range(8)]
        self.step = 0

    def run(self, steps):
        ms, losses = [], []
        for _ in range(steps):
            x, y = self.batches[self.step % len(self.batches)]
            self.step += 1
            start = time.perf_counter()
            self.optimizer.zero_grad(set_to_none=True)
            loss = functional.cross_entropy(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
            ms.append((time.perf_counter() - start) * 1e3)
        return {"ms": ms, "losses": losses}
