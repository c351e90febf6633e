"""Writes models.json: losses, gradients and ten training steps of small models, all in torch float64."""

import numpy as np
import torch
import torch.nn.functional as F

from golden import float32, floats, write

ABOUT = (
    "Small models in torch float64. layers: in order; linear has weight [out,in] and bias [out], named "
    "'<layer index>.weight' and '<layer index>.bias'; y = x @ weight^T + bias; gelu is the erf form, "
    "leakyRelu has its slope. inputs, targets, weights and parameters are exact in float32; every array "
    "is nested as its shape. weights has the shape of lossPerSample: [samples], or [samples, tokens] "
    "for the token model. Where the model has two outputs the loss of a sample is the mean of its two "
    "elements (lossPerElement); summing weighted elements instead doubles lossSum, weightSum and "
    "gradients alike, and changes no mean and no training step. lossSum = sum(w*loss), weightSum = "
    "sum(w), gradients: of lossSum. training: ten full-batch steps from the initial parameters with "
    "gradient / weightSum; losses[k] = lossSum/weightSum before step k; lossAfter and parametersAfter: "
    "after step 10. float32Deviation: how far at most torch's own float32 run ends from these "
    "parameters. crossEntropy: torch's, label smoothing e: (1-e)*(-log p[label]) + e/classes*sum(-log "
    "p). huber: torch huber_loss, delta 1: 0.5*d*d where |d| <= 1, else |d| - 0.5. squaredError: "
    "(p-y)^2. binaryCrossEntropy: from logits. minKink: the smallest |x| that reached a relu or "
    "leakyRelu, in every step of both trainings."
)
TRAINING = [
    ("sgd", {"learningRate": 0.05, "momentum": 0.9, "nesterov": False, "weightDecay": 0}),
    ("adamw", {"learningRate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weightDecay": 0.01}),
]
STEPS = 10


def linear(inputs, outputs):
    return {"kind": "linear", "in": inputs, "out": outputs}


def forward(layers, parameters, x, kinks):
    for index, layer in enumerate(layers):
        kind = layer["kind"]
        if kind == "linear":
            x = F.linear(x, parameters[f"{index}.weight"], parameters[f"{index}.bias"])
        elif kind == "relu":
            kinks.append(float(x.detach().abs().min()))
            x = F.relu(x)
        elif kind == "leakyRelu":
            kinks.append(float(x.detach().abs().min()))
            x = F.leaky_relu(x, layer["slope"])
        elif kind == "gelu":
            x = F.gelu(x)
        elif kind == "tanh":
            x = torch.tanh(x)
        elif kind == "silu":
            x = F.silu(x)
        else:
            raise ValueError(kind)
    return x


def losses(loss, output, targets):
    """The loss of every element, before a mean over the outputs of a sample."""
    kind = loss["kind"]
    if kind == "squaredError":
        return F.mse_loss(output, targets, reduction="none")
    if kind == "huber":
        return F.huber_loss(output, targets, reduction="none", delta=loss["delta"])
    if kind == "binaryCrossEntropy":
        return F.binary_cross_entropy_with_logits(output, targets, reduction="none")
    flat = F.cross_entropy(
        output.reshape(-1, output.shape[-1]),
        targets.reshape(-1),
        reduction="none",
        label_smoothing=loss["labelSmoothing"],
    )
    return flat.reshape(targets.shape)


def evaluate(model, parameters, dtype, kinks):
    targets = torch.tensor(model["targets"])
    if targets.is_floating_point():
        targets = targets.to(dtype)
    output = forward(model["layers"], parameters, torch.tensor(model["inputs"], dtype=dtype), kinks)
    elements = losses(model["loss"], output, targets)
    weights = torch.tensor(model["weights"], dtype=dtype)
    per_sample = elements if elements.shape == weights.shape else elements.mean(-1)
    assert per_sample.shape == weights.shape
    return output, elements, per_sample, (weights * per_sample).sum(), weights.sum()


def leaves(model, dtype):
    return {
        name: torch.tensor(value, dtype=dtype, requires_grad=True)
        for name, value in model["parameters"].items()
    }


def train(model, kind, options, dtype, kinks):
    parameters = leaves(model, dtype)
    if kind == "sgd":
        optimizer = torch.optim.SGD(
            parameters.values(), lr=options["learningRate"], momentum=options["momentum"], foreach=False
        )
    else:
        optimizer = torch.optim.AdamW(
            parameters.values(),
            lr=options["learningRate"],
            eps=options["epsilon"],
            betas=(options["beta1"], options["beta2"]),
            weight_decay=options["weightDecay"],
            foreach=False,
        )
    history = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        *_, loss_sum, weight_sum = evaluate(model, parameters, dtype, kinks)
        mean = loss_sum / weight_sum
        history.append(float(mean.detach()))
        mean.backward()
        optimizer.step()
    *_, loss_sum, weight_sum = evaluate(model, parameters, dtype, kinks)
    return history, float((loss_sum / weight_sum).detach()), parameters


def expectations(model):
    kinks = []
    parameters = leaves(model, torch.float64)
    output, elements, per_sample, loss_sum, weight_sum = evaluate(model, parameters, torch.float64, kinks)
    loss_sum.backward()
    expected = {"output": floats(output)}
    if elements.shape != per_sample.shape and elements.shape[-1] > 1:
        expected["lossPerElement"] = floats(elements)
    expected.update(
        {
            "lossPerSample": floats(per_sample),
            "lossSum": float(loss_sum.detach()),
            "weightSum": float(weight_sum),
            "gradients": {name: floats(p.grad) for name, p in parameters.items()},
        }
    )
    training = []
    for kind, options in TRAINING:
        history, after, ended = train(model, kind, options, torch.float64, kinks)
        _, _, single = train(model, kind, options, torch.float32, [])
        deviation = max(float((ended[name] - single[name].double()).detach().abs().max()) for name in ended)
        assert after < history[0] and deviation < 1e-4, (model["name"], kind, history, after, deviation)
        training.append(
            {
                "optimizer": kind,
                "options": options,
                "steps": STEPS,
                "losses": history,
                "lossAfter": after,
                "parametersAfter": {name: floats(p) for name, p in ended.items()},
                "float32Deviation": float("%.2g" % deviation),
            }
        )
    model = {**model, "expected": expected, "training": training}
    if kinks:
        model["minKink"] = min(kinks)
    return model


def initial(random, layers):
    parameters = {}
    for index, layer in enumerate(layers):
        if layer["kind"] == "linear":
            shape = (layer["out"], layer["in"])
            parameters[f"{index}.weight"] = floats(
                float32(random.standard_normal(shape) / np.sqrt(layer["in"]))
            )
            parameters[f"{index}.bias"] = floats(float32(random.standard_normal(layer["out"]) * 0.2))
    return parameters


def regression(seed):
    random = np.random.default_rng(seed)
    layers = [linear(3, 1)]
    x = float32(random.standard_normal((7, 3)))
    y = float32(x @ np.array([[1.5], [-2.0], [0.5]]) + 0.75 + 0.1 * random.standard_normal((7, 1)))
    return [
        {
            "name": "linear regression",
            "layers": layers,
            "loss": {"kind": "squaredError"},
            "inputs": floats(x),
            "targets": floats(y),
            "weights": [1.0, 2.0, 0.5, 1.0, 0.25, 3.0, 1.0],
            "parameters": initial(random, layers),
        }
    ]


def classification(seed):
    random = np.random.default_rng(seed)
    layers = [linear(5, 8), {"kind": "relu"}, linear(8, 6), {"kind": "gelu"}, linear(6, 4)]
    return [
        {
            "name": "classification",
            "layers": layers,
            "loss": {"kind": "crossEntropy", "labelSmoothing": 0.1},
            "inputs": floats(float32(random.standard_normal((9, 5)))),
            "targets": [0, 1, 2, 3, 1, 0, 2, 3, 3],
            "weights": [1.0, 0.5, 2.0, 0.0, 1.5, 1.0, 0.125, 3.0, 0.75],
            "parameters": initial(random, layers),
        }
    ]


def two_outputs(seed):
    random = np.random.default_rng(seed)
    layers = [
        linear(4, 7),
        {"kind": "tanh"},
        linear(7, 5),
        {"kind": "silu"},
        linear(5, 6),
        {"kind": "leakyRelu", "slope": 0.01},
        linear(6, 2),
    ]
    x, parameters = floats(float32(random.standard_normal((8, 4)))), initial(random, layers)
    weights = [1.0, 0.5, 2.0, 1.0, 0.0, 1.25, 0.75, 4.0]
    labels = [[1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, 1.0]]
    numbers = floats(float32(random.standard_normal((8, 2)) * 2))
    both = {"layers": layers, "inputs": x, "weights": weights, "parameters": parameters}
    huber = {"name": "two numbers, Huber", "loss": {"kind": "huber", "delta": 1}, "targets": numbers, **both}
    output, *_ = evaluate(huber, leaves(huber, torch.float64), torch.float64, [])
    error = (output - torch.tensor(numbers)).abs()
    assert (error < 1).any() and (error > 1).any()
    return [{"name": "multi-label", "loss": {"kind": "binaryCrossEntropy"}, "targets": labels, **both}, huber]


def tokens(seed):
    random = np.random.default_rng(seed)
    layers = [linear(3, 6), {"kind": "tanh"}, linear(6, 3)]
    return [
        {
            "name": "tokens",
            "layers": layers,
            "loss": {"kind": "crossEntropy", "labelSmoothing": 0},
            "inputs": floats(float32(random.standard_normal((5, 4, 3)))),
            "targets": [[0, 1, 2, 1], [2, 2, 0, 0], [1, 0, 1, 2], [0, 0, 0, 0], [2, 1, 0, 1]],
            "weights": [
                [1.0, 1.0, 1.0, 1.0],
                [1.0, 1.0, 0.0, 0.0],
                [1.0, 0.5, 2.0, 0.0],
                [0.0, 0.0, 0.0, 0.0],
                [1.0, 0.0, 0.0, 0.0],
            ],
            "parameters": initial(random, layers),
        }
    ]


def first_away_from_kinks(make):
    """The models of the first seed whose relus never see a number within 1e-3 of 0, in any training step."""
    for seed in range(1, 500):
        models = [{"seed": seed, **expectations(model)} for model in make(seed)]
        if all(model.get("minKink", 1) > 1e-3 for model in models):
            return models
    raise RuntimeError("no such seed")


models = [
    model
    for make in (regression, classification, two_outputs, tokens)
    for model in first_away_from_kinks(make)
]
write(__file__, ABOUT, {"models": models})
