"""Writes convolution.json: convolutions with their gradients, and ten training steps of two models, in torch float64."""

import numpy as np
import torch
import torch.nn.functional as F

from golden import float32, floats, write

ABOUT = (
    "torch float64. cases: conv1d, conv2d and conv_transpose2d of torch.nn.functional with those options; "
    "gradients are of sum(seed * output). Inputs, weights, biases and seeds are eighths, so that every number is exact in float32; every "
    "array is nested as its shape. models: layers in order; conv2d, convTranspose2d and linear have weight "
    "and bias '<layer index>.weight' and '<layer index>.bias'; averagePool: 2 x 2, stride 2. loss: "
    "crossEntropy of labels, or squaredError averaged over all numbers of a sample. Ten full-batch steps "
    "from the initial parameters; losses[k] before step k, parametersAfter: after step 10. "
    "float32Deviation: how far at most torch's own float32 run ends from them. minKink: the smallest |x| "
    "that reached a relu, in every step."
)
STEPS = 10


def eighths(random, shape):
    """Numbers that are short in JSON, as are their products and sums, and exact in float32."""
    return np.round(random.standard_normal(shape) * 8) / 8


def case(random, name, op, x, weight, options, same=False):
    """options as the layers take them."""
    tensors = {
        key: torch.tensor(eighths(random, shape), requires_grad=True)
        for key, shape in [("x", x), ("weight", weight)]
    }
    groups = options.get("groups", 1)
    outputs = weight[1] * groups if op == "convTranspose2d" else weight[0]
    if options.get("bias", True):
        tensors["bias"] = torch.tensor(eighths(random, outputs), requires_grad=True)
    names = {"outputPadding": "output_padding"}
    arguments = {names.get(key, key): value for key, value in options.items() if key != "bias"}
    function = {"conv1d": F.conv1d, "conv2d": F.conv2d, "convTranspose2d": F.conv_transpose2d}[op]
    output = function(tensors["x"], tensors["weight"], tensors.get("bias"), **arguments)
    seed = torch.tensor(eighths(random, output.shape))
    (seed * output).sum().backward()
    return {
        "name": name,
        "op": op,
        "outputs": outputs,
        "kernel": list(weight[2:]) if len(weight) > 3 else weight[2],
        "options": options,
        **{key: floats(tensor) for key, tensor in tensors.items()},
        "seed": floats(seed),
        "output": floats(output),
        "gradients": {key: floats(tensor.grad) for key, tensor in tensors.items()},
    }


def cases():
    random = np.random.default_rng(5)
    rows = [
        ("plain", "conv2d", (2, 2, 4, 5), (3, 2, 3, 2), {}),
        ("padded", "conv2d", (2, 2, 3, 3), (2, 2, 3, 3), {"padding": 1}),
        ("strided", "conv2d", (2, 2, 6, 5), (3, 2, 3, 3), {"stride": 2, "padding": [1, 0]}),
        ("a stride that leaves rows over", "conv2d", (1, 5, 6, 7), (2, 5, 2, 3), {"stride": [3, 2]}),
        ("dilated", "conv2d", (2, 1, 6, 6), (2, 1, 3, 2), {"dilation": [2, 3], "padding": 1}),
        ("strided and dilated", "conv2d", (1, 5, 8, 7), (2, 5, 3, 2), {"stride": [2, 3], "dilation": [2, 3]}),
        ("grouped", "conv2d", (2, 4, 4, 4), (6, 2, 3, 3), {"groups": 2, "padding": 1, "bias": False}),
        ("depthwise", "conv2d", (2, 3, 5, 4), (3, 1, 3, 3), {"groups": 3, "padding": 1}),
        ("depthwise, two outputs a channel", "conv2d", (2, 2, 5, 4), (4, 1, 2, 3), {"groups": 2, "stride": 2}),
        ("one place, all channels", "conv2d", (3, 2, 2, 3), (4, 2, 2, 3), {}),
        ("one by one", "conv2d", (2, 3, 3, 2), (4, 3, 1, 1), {}),
        ("one by one, strided", "conv2d", (2, 3, 4, 4), (2, 3, 1, 1), {"stride": 2}),
        ("as large as the input", "conv2d", (2, 2, 4, 3), (3, 2, 4, 2), {"padding": "same"}),
        ("same, dilated", "conv2d", (1, 5, 4, 5), (2, 5, 3, 4), {"padding": "same", "dilation": [1, 2]}),
        ("a kernel larger than the image", "conv2d", (2, 1, 2, 2), (2, 1, 5, 4), {"padding": 2}),
        ("plain", "conv1d", (2, 3, 7), (4, 3, 3), {}),
        ("strided and padded", "conv1d", (2, 2, 7), (3, 2, 4), {"stride": 2, "padding": 2}),
        ("same, dilated, grouped", "conv1d", (2, 4, 6), (2, 2, 2), {"padding": "same", "dilation": 3, "groups": 2}),
        ("depthwise", "conv1d", (2, 3, 6), (3, 1, 3), {"groups": 3, "bias": False}),
        ("plain", "convTranspose2d", (2, 3, 3, 2), (3, 2, 2, 3), {}),
        ("strided", "convTranspose2d", (2, 2, 3, 3), (2, 3, 3, 3), {"stride": 2, "padding": 1, "outputPadding": 1}),
        ("one stride for each side", "convTranspose2d", (1, 2, 2, 3), (2, 1, 2, 3), {"stride": [3, 2], "outputPadding": [2, 0]}),
        ("grouped and dilated", "convTranspose2d", (2, 4, 3, 2), (4, 2, 2, 2), {"groups": 2, "dilation": [2, 1]}),
        ("depthwise", "convTranspose2d", (2, 2, 3, 3), (2, 1, 4, 4), {"groups": 2, "stride": 2, "padding": 1, "bias": False}),
        ("more padding than kernel", "convTranspose2d", (2, 2, 4, 4), (2, 1, 2, 2), {"padding": [1, 0]}),
    ]
    return [case(random, *row) for row in rows]


def conv(kind, inputs, outputs, kernel, **options):
    return {"kind": kind, "in": inputs, "out": outputs, "kernel": kernel, "options": options}


def forward(layers, parameters, x, kinks):
    for index, layer in enumerate(layers):
        kind = layer["kind"]
        own = [parameters.get(f"{index}.{part}") for part in ("weight", "bias")]
        if kind == "conv2d":
            x = F.conv2d(x, *own, **layer["options"])
        elif kind == "convTranspose2d":
            x = F.conv_transpose2d(x, *own, **layer["options"])
        elif kind == "averagePool":
            x = F.avg_pool2d(x, 2)
        elif kind == "relu":
            kinks.append(float(x.detach().abs().min()))
            x = F.relu(x)
        elif kind == "tanh":
            x = torch.tanh(x)
        elif kind == "flatten":
            x = x.flatten(1)
        elif kind == "linear":
            x = F.linear(x, *own)
        else:
            raise ValueError(kind)
    return x


def loss_of(model, parameters, dtype, kinks):
    output = forward(model["layers"], parameters, torch.tensor(model["inputs"], dtype=dtype), kinks)
    targets = torch.tensor(model["targets"])
    if model["loss"] == "crossEntropy":
        return F.cross_entropy(output, targets)
    return F.mse_loss(output, targets.to(dtype))


def train(model, kind, dtype, kinks):
    parameters = {
        name: torch.tensor(value, dtype=dtype, requires_grad=True)
        for name, value in model["parameters"].items()
    }
    if kind == "sgd":
        optimizer = torch.optim.SGD(parameters.values(), lr=0.05, momentum=0.9, foreach=False)
    else:
        optimizer = torch.optim.AdamW(parameters.values(), lr=0.01, weight_decay=0.01, foreach=False)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(model, parameters, dtype, kinks)
        losses.append(float(loss.detach()))
        loss.backward()
        optimizer.step()
    return losses, parameters


def trained(model):
    kinks = []
    training = []
    for kind, options in [
        ("sgd", {"learningRate": 0.05, "momentum": 0.9}),
        ("adamw", {"learningRate": 0.01, "weightDecay": 0.01}),
    ]:
        losses, ended = train(model, kind, torch.float64, kinks)
        _, single = train(model, kind, torch.float32, [])
        deviation = max(float((ended[name] - single[name].double()).detach().abs().max()) for name in ended)
        assert losses[-1] < losses[0] and deviation < 1e-5, (model["name"], kind, losses, deviation)
        training.append(
            {
                "optimizer": kind,
                "options": options,
                "losses": losses,
                "parametersAfter": {name: floats(p) for name, p in ended.items()},
                "float32Deviation": float("%.2g" % deviation),
            }
        )
    return {**model, "training": training, "minKink": min(kinks, default=1)}


def initial(random, layers):
    parameters = {}
    for index, layer in enumerate(layers):
        if "in" not in layer:
            continue
        kind, inputs, outputs = layer["kind"], layer["in"], layer["out"]
        groups = layer.get("options", {}).get("groups", 1)
        kernel = [layer["kernel"]] * 2 if kind != "linear" else []
        shape = [inputs, outputs // groups] if kind == "convTranspose2d" else [outputs, inputs // groups]
        fan = np.prod([shape[1], *kernel])
        parameters[f"{index}.weight"] = floats(float32(random.standard_normal([*shape, *kernel]) / np.sqrt(fan)))
        parameters[f"{index}.bias"] = floats(float32(random.standard_normal(outputs) * 0.1))
    return parameters


def lenet(seed):
    random = np.random.default_rng(seed)
    layers = [
        conv("conv2d", 1, 4, 3, padding=1),
        {"kind": "relu"},
        {"kind": "averagePool"},
        conv("conv2d", 4, 5, 3),
        {"kind": "relu"},
        {"kind": "flatten"},
        {"kind": "linear", "in": 20, "out": 3},
    ]
    return {
        "name": "LeNet-like",
        "seed": seed,
        "layers": layers,
        "loss": "crossEntropy",
        "inputs": floats(eighths(random, (7, 1, 8, 8))),
        "targets": [0, 1, 2, 0, 2, 1, 0],
        "parameters": initial(random, layers),
    }


def separable(seed):
    random = np.random.default_rng(seed)
    layers = [
        conv("conv2d", 2, 5, 3, stride=2, padding=1),
        {"kind": "tanh"},
        conv("conv2d", 5, 5, 3, padding=1, groups=5),
        conv("conv2d", 5, 6, 1),
        {"kind": "tanh"},
        conv("conv2d", 6, 6, 2, groups=2, dilation=2, padding=1),
        {"kind": "tanh"},
        conv("convTranspose2d", 6, 2, 3, stride=2, padding=1, output_padding=1),
    ]
    x = eighths(random, (7, 2, 6, 6))
    return {
        "name": "separable encoder and decoder",
        "seed": seed,
        "layers": layers,
        "loss": "squaredError",
        "inputs": floats(x),
        "targets": floats(x[..., ::-1] / 2),
        "parameters": initial(random, layers),
    }


def models():
    """Of each kind the first seed whose relus never see a number that float32 could take for one of the other sign."""
    chosen = []
    for make in (lenet, separable):
        chosen.append(next(m for m in (trained(make(seed)) for seed in range(1, 100)) if m["minKink"] > 2e-5))
    return chosen


write(__file__, ABOUT, {"cases": cases(), "models": models()})
