"""Writes networks.json: losses, gradients and ten training steps of whole networks in torch float64."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from golden import floats, write

ABOUT = (
    "Whole networks in torch float64, built a second time in test/networks.test.ts. x or tokens (and mask: 1 real, 0 padding) "
    "and labels; parameters by the names that microbatch gives them, running statistics among them, exact in float32 and "
    "nested as their shapes. All activations are smooth. A run is ten steps on all samples, divided by their number: SGD "
    "(learning rate, momentum) or AdamW. loss[i] of sample i and gradients (of the sum of losses) before the first step; "
    "losses[k], the mean, before step k; parametersAfter after step 10, running statistics too. frozen: batch normalisation "
    "by the running statistics it begins with, so that microbatches of any size give the same; otherwise by those of all "
    "samples, which are one microbatch. float32Deviation: how far at most torch's own float32 run ends from parametersAfter."
)
STEPS = 10
random = np.random.default_rng(17)


def draw(*shape, scale=1.0):
    """Sixty-fourths: exact in float32, and short to write."""
    return np.round(random.standard_normal(shape) * scale * 64) / 64


def short(value):
    """Twelve digits: float64's roundings in another order move the last four."""
    return np.vectorize(lambda number: float("%.12g" % number), otypes=[np.float64])(floats(value)).tolist()


class ConvolutionalNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 3, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(3)
        self.second = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = F.max_pool2d(torch.tanh(self.norm(self.first(x))), 2)
        return self.head(F.silu(self.second(x)).flatten(1))


class ResidualNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 3, 3, padding=1, bias=False)
        self.stemNorm = nn.BatchNorm2d(3)
        self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False)
        self.firstNorm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.secondNorm = nn.BatchNorm2d(4)
        self.shortcut = nn.Conv2d(3, 4, 1, stride=2, bias=False)
        self.shortcutNorm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = F.silu(self.stemNorm(self.stem(x)))
        body = self.secondNorm(self.second(F.silu(self.firstNorm(self.first(x)))))
        return self.head(F.silu(body + self.shortcutNorm(self.shortcut(x))).mean((2, 3)))


class RecurrentNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 4, 2, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


class Encoder(nn.Module):
    """What the real positions say, on average."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 8)
        self.positional = nn.Embedding(5, 8)
        for name in ("block1", "block2"):
            block = nn.TransformerEncoderLayer(
                8, 2, dim_feedforward=16, dropout=0, activation=F.gelu, batch_first=True, norm_first=True
            )
            self.add_module(name, block)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, tokens, mask):
        x = self.embedding(tokens) + self.positional.weight
        for block in (self.block1, self.block2):
            x = block(x, src_key_padding_mask=mask == 0)
        x = self.norm(x) * mask[:, :, None]
        return self.head(x.sum(1) / mask.sum(1, keepdim=True))


RENAMED = {
    "self_attn.in_proj_": "attention.qkv.",
    "self_attn.out_proj.": "attention.output.",
    "linear1.": "expand.",
    "linear2.": "contract.",
    "norm1.": "attentionNorm.",
    "norm2.": "feedForwardNorm.",
    "running_mean": "runningMean",
    "running_var": "runningVariance",
    "lstm.weight_ih_l0": "lstm1.inputWeight",
    "lstm.weight_hh_l0": "lstm1.hiddenWeight",
    "lstm.bias_ih_l0": "lstm1.inputBias",
    "lstm.bias_hh_l0": "lstm1.hiddenBias",
    "lstm.weight_ih_l1": "lstm2.inputWeight",
    "lstm.weight_hh_l1": "lstm2.hiddenWeight",
    "lstm.bias_ih_l1": "lstm2.inputBias",
    "lstm.bias_hh_l1": "lstm2.hiddenBias",
}


def renamed(name):
    for old, new in RENAMED.items():
        name = name.replace(old, new)
    return name


def named(module):
    state = module.state_dict(keep_vars=True)
    return {renamed(key): value for key, value in state.items() if not key.endswith("num_batches_tracked")}


def first_values(module):
    result = {}
    for name, value in named(module).items():
        is_scale = "orm" in name and name.endswith(("weight", "Variance"))
        result[name] = np.abs(draw(*value.shape, scale=0.3) + 1) + 1 / 64 if is_scale else draw(*value.shape, scale=0.5)
    return result


def run(make, values, inputs, labels, optimizer, frozen, dtype):
    torch.set_default_dtype(dtype)
    module = make().train()
    with torch.no_grad():
        for name, value in named(module).items():
            value.copy_(torch.tensor(values[name]))
    if frozen:
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eval()
    inputs = [one.to(dtype) if one.is_floating_point() else one for one in inputs]
    if optimizer["kind"] == "sgd":
        rule = torch.optim.SGD(module.parameters(), lr=optimizer["learningRate"], momentum=optimizer["momentum"])
    else:
        options = {"weight_decay": optimizer["weightDecay"], "foreach": False}
        rule = torch.optim.AdamW(module.parameters(), lr=optimizer["learningRate"], **options)
    result = {"optimizer": optimizer, "frozen": frozen, "losses": []}
    for step in range(STEPS):
        rule.zero_grad()
        loss = F.cross_entropy(module(*inputs), labels, reduction="none")
        if step == 0:
            loss.sum().backward()
            result["loss"] = floats(loss)
            trained = {renamed(key): value.grad for key, value in module.named_parameters()}
            result["gradients"] = {key: short(value) for key, value in trained.items()}
            for parameter in module.parameters():
                parameter.grad /= len(labels)
        else:
            loss.mean().backward()
        result["losses"].append(float(loss.detach().mean()))
        rule.step()
    after = {key: value.detach().clone() for key, value in named(module).items()}
    result["parametersAfter"] = {key: short(value) for key, value in after.items()}
    return result, after


def network(name, make, inputs, optimizers, modes=(False,)):
    values = first_values(make())
    count = len(next(iter(inputs.values())))
    labels = random.integers(0, 3, count)
    tensors = [torch.tensor(value) for value in inputs.values()]
    runs = []
    for optimizer in optimizers:
        for frozen in modes:
            given = (make, values, tensors, torch.tensor(labels), optimizer, frozen)
            result, after = run(*given, torch.float64)
            _, rough = run(*given, torch.float32)
            assert result["losses"][-1] < result["losses"][0], (name, result["losses"])
            apart = max(float((after[key] - rough[key].double()).abs().max()) for key in after)
            runs.append({**result, "float32Deviation": float("%.2g" % apart)})
    return {
        "name": name,
        **{key: np.asarray(value).tolist() for key, value in inputs.items()},
        "labels": labels.tolist(),
        "parameters": {key: floats(value) for key, value in values.items()},
        "runs": runs,
    }


SGD = {"kind": "sgd", "learningRate": 0.05, "momentum": 0.9}
ADAMW = {"kind": "adamw", "learningRate": 0.01, "weightDecay": 0.01}
MASK = [[1.0] * n + [0.0] * (5 - n) for n in (5, 3, 1, 4, 2, 5)]
networks = [
    network("CNN with batch normalisation", ConvolutionalNetwork, {"x": draw(7, 2, 6, 6)}, [SGD], (False, True)),
    network("ResNet block", ResidualNetwork, {"x": draw(7, 2, 5, 5)}, [SGD], (False, True)),
    network("LSTM", RecurrentNetwork, {"x": draw(7, 5, 3)}, [SGD, ADAMW]),
    network("encoder with padding masks", Encoder, {"tokens": random.integers(0, 7, (6, 5)), "mask": MASK}, [SGD]),
]
write(__file__, ABOUT, {"networks": networks})
