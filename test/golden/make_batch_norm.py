"""Writes batch_norm.json: gradients, ten training steps and running statistics of models with batch normalisation."""

import numpy as np
import torch
import torch.nn as nn

from golden import float32, floats, write

ABOUT = (
    "Models with torch's BatchNorm1d in torch float64. layers: in order; batchNorm has channels on axis 1 "
    "('<layer index>.weight', '.bias', '.runningMean', '.runningVariance'; momentum 0.1, eps 1e-5), linear has weight "
    "[out,in] and bias [out] or none, flatten joins all axes but the first. inputs, targets, weights and parameters are exact "
    "in float32; scale and shift do not start at 1 and 0, so that a mistaken one shows. The loss of a sample is "
    "(prediction - target)^2, lossSum = sum(weight * loss); the normalisation does not look at weights. runs: ten steps of "
    "SGD (learningRate, momentum) on all samples, cut in order into microbatches of microbatchSize whose gradients are added "
    "before the division by sum(weight); each microbatch is normalised by its own statistics. outputs, lossSum and gradients "
    "(of lossSum): in the first step. losses[k] = lossSum / sum(weight) in step k. After each step running = 0.9 * running + "
    "0.1 * (mean, unbiased variance) of what the layer saw in the whole batch; with one microbatch the generator asserts that "
    "torch's own running statistics are the same. evaluated: predictions after ten steps by the running statistics. "
    "float32Deviation: how far at most torch's own float32 run ends from the numbers in parametersAfter."
)
MOMENTUM = 0.1
LEARNING_RATE, SGD_MOMENTUM, STEPS = 0.05, 0.9, 10


class Flatten(nn.Module):
    def forward(self, x):
        return x.reshape(x.shape[0], -1)


def module_of(layer):
    if layer["kind"] == "batchNorm":
        return nn.BatchNorm1d(layer["channels"], affine=layer["affine"])
    if layer["kind"] == "linear":
        return nn.Linear(layer["in"], layer["out"], bias=layer["bias"])
    return {"flatten": Flatten, "tanh": nn.Tanh}[layer["kind"]]()


NAMES = {"running_mean": "runningMean", "running_var": "runningVariance"}


def named(state):
    """PyTorch's names as ours, without its counter of batches."""
    kept = {}
    for name, value in state.items():
        index, last = name.split(".")
        if last != "num_batches_tracked":
            kept[f"{index}.{NAMES.get(last, last)}"] = value
    return kept


def whole_batch(running, seen):
    """The next running statistics by what the layer saw in the whole batch."""
    values = torch.cat([one.transpose(0, 1).reshape(one.shape[1], -1) for one in seen], dim=1)
    now = (values.mean(dim=1), values.var(dim=1, unbiased=True))
    return [(1 - MOMENTUM) * old + MOMENTUM * new for old, new in zip(running, now)]


def run(model, size, dtype):
    torch.set_default_dtype(dtype)
    net = nn.Sequential(*[module_of(layer) for layer in model["layers"]])
    state = named(net.state_dict())
    for name, value in model["parameters"].items():
        state[name].copy_(torch.tensor(value, dtype=dtype))
    norms = [module for module in net if isinstance(module, nn.BatchNorm1d)]
    seen = {}
    for norm in norms:
        norm.register_forward_pre_hook(lambda module, args: seen[module].append(args[0].detach()))
    x, y, w = (torch.tensor(model[key], dtype=dtype) for key in ("inputs", "targets", "weights"))
    optimizer = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE, momentum=SGD_MOMENTUM)
    result = {"microbatchSize": size, "losses": []}
    for step in range(STEPS):
        seen.update({norm: [] for norm in norms})
        before = {norm: (norm.running_mean.clone(), norm.running_var.clone()) for norm in norms}
        optimizer.zero_grad()
        total, outputs = 0.0, []
        for start in range(0, len(x), size):
            part = slice(start, start + size)
            output = net(x[part])
            loss = (w[part] * (output - y[part]).square().sum(dim=1)).sum()
            loss.backward()
            total += float(loss.detach())
            outputs.append(output.detach())
        if step == 0:
            result["outputs"] = floats(torch.cat(outputs))
            result["lossSum"] = total
            gradients = {name: parameter.grad.clone() for name, parameter in net.named_parameters()}
            result["gradients"] = {name: floats(gradient) for name, gradient in gradients.items()}
        result["losses"].append(total / float(w.sum()))
        for parameter in net.parameters():
            parameter.grad /= w.sum()
        optimizer.step()
        for norm in norms:
            mean, variance = whole_batch(before[norm], seen[norm])
            if size >= len(x) and dtype == torch.float64:
                assert torch.allclose(mean, norm.running_mean, rtol=1e-12, atol=1e-14)
                assert torch.allclose(variance, norm.running_var, rtol=1e-12, atol=1e-14)
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
    after = {name: value.detach().clone() for name, value in named(net.state_dict()).items()}
    result["parametersAfter"] = {name: floats(value) for name, value in after.items()}
    net.eval()
    result["evaluated"] = floats(net(x).detach())
    return result, after


def norm(channels, affine=True):
    return {"kind": "batchNorm", "channels": channels, "affine": affine}


def linear(inputs, outputs, bias=True):
    return {"kind": "linear", "in": inputs, "out": outputs, "bias": bias}


def model_of(name, layers, samples, sizes, seed):
    draw = np.random.default_rng(seed)
    # Channels of different means and deviations, as raw measurements have them.
    inputs = draw.normal(size=(samples, 3, 5)) * [[2.0], [0.25], [1.0]] + [[4.0], [-1.0], [0.0]]
    parameters = {}
    for index, layer in enumerate(layers):
        if layer["kind"] == "batchNorm" and layer["affine"]:
            parameters[f"{index}.weight"] = draw.uniform(0.5, 1.5, layer["channels"])
            parameters[f"{index}.bias"] = draw.uniform(-0.5, 0.5, layer["channels"])
        if layer["kind"] == "linear":
            limit = layer["in"] ** -0.5
            parameters[f"{index}.weight"] = draw.uniform(-limit, limit, (layer["out"], layer["in"]))
            if layer["bias"]:
                parameters[f"{index}.bias"] = draw.uniform(-limit, limit, layer["out"])
    model = {
        "name": name,
        "layers": layers,
        "inputs": float32(inputs),
        "targets": float32(draw.normal(size=(samples, 1))),
        "weights": float32(draw.uniform(0.5, 2.0, samples)),
        "parameters": {key: float32(value) for key, value in parameters.items()},
    }
    runs = []
    for size in sizes:
        result, after = run(model, size, torch.float64)
        _, rough = run(model, size, torch.float32)
        deviation = max(float((after[key] - rough[key].double()).abs().max()) for key in after)
        runs.append({**result, "float32Deviation": deviation})
    for key in ("inputs", "targets", "weights"):
        model[key] = floats(model[key])
    model["parameters"] = {key: floats(value) for key, value in model["parameters"].items()}
    return {**model, "runs": runs}


MODELS = [
    model_of(
        "signals, then features",
        [norm(3), {"kind": "flatten"}, linear(15, 6, bias=False), norm(6), {"kind": "tanh"}, linear(6, 1)],
        samples=20,
        sizes=[20, 7],
        seed=1,
    ),
    # One sample has five values per channel here, so that it may be a microbatch of its own.
    model_of(
        "signals without scale and shift",
        [norm(3, affine=False), {"kind": "tanh"}, {"kind": "flatten"}, linear(15, 1)],
        samples=10,
        sizes=[10, 3, 1],
        seed=2,
    ),
]
training = {"learningRate": LEARNING_RATE, "momentum": SGD_MOMENTUM}
write(__file__, ABOUT, {"training": training, "models": MODELS})
