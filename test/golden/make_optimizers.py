"""Writes optimizers.json: parameters after each of ten steps of every optimizer, and clipped gradients."""

import numpy as np
import torch

from golden import float32, floats, write

ABOUT = (
    "Ten steps of each optimizer from the same initial numbers and the same gradients (both exact in "
    "float32). after: torch float64; afterFloat32: the same run in torch float32, to 9 digits "
    "(Math.fround gives the exact number). A case with learningRates uses learningRates[i] for step i "
    "in place of options.learningRate. weightDecay of sgd, adam and rmsprop is coupled (added to the "
    "gradient), that of adamw and lion decoupled. nesterov and momentum as torch: buffer = "
    "momentum*buffer + gradient. rmsprop: epsilon outside the root, decay = torch's alpha. lion: NumPy, "
    "from arXiv:2302.06675: update = sign(beta1*m + (1-beta1)*g); p -= lr*(update + weightDecay*p); m = "
    "beta2*m + (1-beta2)*g. The gradient of the last number is 0 in every step. Numbers that pass near "
    "0 lose relative precision: compare with tolerance*(|p| + 0.01), 1e-12 in float64 and 1e-5 in "
    "float32 hold between processors. clips: two tensors as one group; expected: torch clip_grad_norm_, "
    "scale = min(1, maxNorm/(norm + 1e-6)); expectedExact: scale = min(1, maxNorm/norm), unchanged "
    "where norm is 0."
)
STEPS = 10
random = np.random.default_rng(20240301)
initial = float32([1.5, -0.75, 0.1, -0.001, 3e-6, -2e-8, 0.0, 12.5, -340.0, 2.5e4, 1.0, -1.0])
magnitudes = np.array([1, 1, 0.1, 0.01, 1e-4, 1e-6, 1, 10, 1e3, 50, 1e-5, 0])
gradients = float32(random.standard_normal((STEPS, 12)) * magnitudes)
schedule = [
    float(x) for x in 0.02 * (np.arange(STEPS) + 1) / STEPS * np.where(np.arange(STEPS) < 6, 1.0, 0.125)
]

ADAM = {"learningRate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
RMSPROP = {
    "learningRate": 0.01,
    "decay": 0.99,
    "epsilon": 1e-8,
    "momentum": 0,
    "centered": False,
    "weightDecay": 0,
}
SGD = {"learningRate": 0.1, "momentum": 0, "nesterov": False, "weightDecay": 0}
ADAGRAD = {"learningRate": 0.05, "epsilon": 1e-10, "initialAccumulator": 0}
LION = {"learningRate": 0.003, "beta1": 0.9, "beta2": 0.99, "weightDecay": 0}

CASES = [
    ("sgd", "sgd", SGD, None),
    ("sgd with momentum", "sgd", {**SGD, "momentum": 0.9}, None),
    ("sgd with Nesterov momentum", "sgd", {**SGD, "momentum": 0.9, "nesterov": True}, None),
    ("sgd with weight decay", "sgd", {**SGD, "weightDecay": 0.01}, None),
    ("sgd with momentum and weight decay", "sgd", {**SGD, "momentum": 0.9, "weightDecay": 0.01}, None),
    ("sgd with momentum, changing learning rate", "sgd", {**SGD, "momentum": 0.9}, schedule),
    ("adam", "adam", {**ADAM, "weightDecay": 0}, None),
    (
        "adam with other betas and epsilon",
        "adam",
        {"learningRate": 0.002, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-4, "weightDecay": 0},
        None,
    ),
    ("adam with weight decay", "adam", {**ADAM, "weightDecay": 0.01}, None),
    ("adamw", "adamw", {**ADAM, "weightDecay": 0.01}, None),
    ("adamw, changing learning rate", "adamw", {**ADAM, "weightDecay": 0.01}, schedule),
    ("rmsprop", "rmsprop", RMSPROP, None),
    ("rmsprop with momentum", "rmsprop", {**RMSPROP, "momentum": 0.9}, None),
    ("rmsprop centered", "rmsprop", {**RMSPROP, "centered": True}, None),
    (
        "rmsprop with everything",
        "rmsprop",
        {**RMSPROP, "decay": 0.9, "momentum": 0.5, "centered": True, "weightDecay": 0.01},
        None,
    ),
    ("adagrad", "adagrad", ADAGRAD, None),
    ("adagrad with an initial accumulator", "adagrad", {**ADAGRAD, "initialAccumulator": 0.1}, None),
    ("lion", "lion", LION, None),
    ("lion with weight decay", "lion", {**LION, "weightDecay": 0.1}, None),
    ("lion with weight decay, changing learning rate", "lion", {**LION, "weightDecay": 0.1}, schedule),
]


def torch_optimizer(kind, parameter, o):
    lr = o["learningRate"]
    if kind == "sgd":
        return torch.optim.SGD(
            [parameter],
            lr=lr,
            momentum=o["momentum"],
            nesterov=o["nesterov"],
            weight_decay=o["weightDecay"],
            foreach=False,
        )
    if kind in ("adam", "adamw"):
        make = torch.optim.Adam if kind == "adam" else torch.optim.AdamW
        return make(
            [parameter],
            lr=lr,
            betas=(o["beta1"], o["beta2"]),
            eps=o["epsilon"],
            weight_decay=o["weightDecay"],
            foreach=False,
        )
    if kind == "rmsprop":
        return torch.optim.RMSprop(
            [parameter],
            lr=lr,
            alpha=o["decay"],
            eps=o["epsilon"],
            momentum=o["momentum"],
            centered=o["centered"],
            weight_decay=o["weightDecay"],
            foreach=False,
        )
    return torch.optim.Adagrad(
        [parameter], lr=lr, eps=o["epsilon"], initial_accumulator_value=o["initialAccumulator"], foreach=False
    )


def run_torch(kind, options, rates, dtype):
    parameter = torch.tensor(initial, dtype=dtype, requires_grad=True)
    optimizer = torch_optimizer(kind, parameter, options)
    after = []
    for step in range(STEPS):
        if rates:
            optimizer.param_groups[0]["lr"] = rates[step]
        parameter.grad = torch.tensor(gradients[step], dtype=dtype)
        optimizer.step()
        after.append(parameter.detach().clone())
    return torch.stack(after)


def run_lion(options, rates, dtype):
    beta1, beta2, decay = (dtype(options[name]) for name in ("beta1", "beta2", "weightDecay"))
    one = dtype(1)
    p, m, after = initial.astype(dtype), np.zeros(12, dtype=dtype), []
    for step in range(STEPS):
        lr, g = dtype(rates[step] if rates else options["learningRate"]), gradients[step].astype(dtype)
        mixed = beta1 * m + (one - beta1) * g
        # no sign may hang on rounding: a mixture is exactly 0, or not small beside what it is mixed of
        assert np.all((np.abs(mixed) >= 1e-3 * (one - beta1) * np.abs(g)) | ((g == 0) & (m == 0)))
        p = p - lr * (np.sign(mixed) + decay * p)
        m = beta2 * m + (one - beta2) * g
        after.append(p)
    return np.stack(after)


cases = []
for name, kind, options, rates in CASES:
    if kind == "lion":
        both = run_lion(options, rates, np.float64), run_lion(options, rates, np.float32)
    else:
        both = run_torch(kind, options, rates, torch.float64), run_torch(kind, options, rates, torch.float32)
    case = {"name": name, "optimizer": kind, "options": options}
    if rates:
        case["learningRates"] = rates
    case["after"], case["afterFloat32"] = floats(both[0]), floats(both[1])
    cases.append(case)


def clip(name, max_norm, scale):
    parameters = [float32(random.standard_normal(shape)) for shape in ((2, 3), (4,))]
    grads = [float32(random.standard_normal(shape) * scale) for shape in ((2, 3), (4,))]
    tensors = [torch.nn.Parameter(torch.tensor(p)) for p in parameters]
    for tensor, grad in zip(tensors, grads):
        tensor.grad = torch.tensor(grad)
    norm = float(torch.nn.utils.clip_grad_norm_(tensors, max_norm))
    factor = min(1.0, max_norm / norm) if norm > 0 else 1.0
    return {
        "name": name,
        "maxNorm": max_norm,
        "shapes": [[2, 3], [4]],
        "parameters": [floats(p.ravel()) for p in parameters],
        "gradients": [floats(g.ravel()) for g in grads],
        "norm": norm,
        "scaleExact": factor,
        "expected": [floats(t.grad.flatten()) for t in tensors],
        "expectedExact": [floats(g.ravel() * factor) for g in grads],
    }


clips = [
    clip("clipByGlobalNorm", 1.0, 3.0),
    clip("clipByGlobalNorm: the norm is below", 100.0, 1.0),
    clip("clipByGlobalNorm: large gradients", 0.5, 1e6),
    clip("clipByGlobalNorm: small limit", 1e-3, 0.1),
    clip("clipByGlobalNorm: all zero", 1.0, 0.0),
]
write(
    __file__,
    ABOUT,
    {"initial": floats(initial), "gradients": floats(gradients), "cases": cases, "clips": clips},
)
