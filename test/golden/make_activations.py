"""Writes activations.json: values and derivatives of activations and losses in torch float64."""

import mpmath
import numpy as np
import torch
import torch.nn.functional as F

from golden import float32, floats, write

ABOUT = (
    "Values and derivatives in torch float64. elementwise: value[i] = f(x[i]), derivative[i] = "
    "f'(x[i]); at the kink 0 torch gives relu' = 0 and leakyRelu' = slope. rows: f over the last axis; "
    "gradient[r][i] = sum over j of upstream[r][j] * d value[r][j] / d x[r][i]. losses of pairs: "
    "value[i] of prediction[i] and target[i], derivative by the prediction; absoluteError' at 0 is 0; "
    "binaryCrossEntropy takes a logit as prediction. crossEntropy: value per row of logits with an "
    "integer label and label smoothing e, (1-e)*(-log p[label]) + e/classes*sum(-log p); "
    "gradient[r][i]: by the logits of that row. torch subtracts from 1 in places (gelu's 1+erf, "
    "sigmoid's 1-y), so small results are right absolutely, not relatively: torchError is the largest "
    "absolute difference of value and derivative from 50-digit mpmath; compare with an absolute "
    "tolerance above it."
)
X = [
    -30.0,
    -25.5,
    -20.0,
    -17.25,
    -15.0,
    -12.5,
    -10.0,
    -8.5,
    -7.0,
    -6.0,
    -5.25,
    -4.0,
    -3.5,
    -3.0,
    -2.5,
    -2.0,
    -1.5,
    -1.25,
    -1.0,
    -0.75,
    -0.5,
    -0.25,
    -0.1,
    -0.01,
    -1e-6,
    0.0,
    1e-8,
    1e-3,
    0.05,
    0.2,
    0.3,
    0.6,
    0.84375,
    0.9,
    1.1,
    1.25,
    1.75,
    2.2,
    2.8,
    3.3,
    4.5,
    5.5,
    6.5,
    8.0,
    9.0,
    12.0,
    16.0,
    22.0,
    30.0,
]
mpmath.mp.dps = 50
mp = mpmath.mpf


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


def density(x):
    return mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)


def phi(x):
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


ELEMENTWISE = [
    ("relu", {}, F.relu, lambda x: max(x, mp(0)), lambda x: mp(x > 0)),
    (
        "leakyRelu",
        {"slope": 0.01},
        lambda x: F.leaky_relu(x, 0.01),
        lambda x: x if x > 0 else mp(0.01) * x,
        lambda x: mp(1) if x > 0 else mp(0.01),
    ),
    ("gelu", {}, F.gelu, lambda x: x * phi(x), lambda x: phi(x) + x * density(x)),
    ("silu", {}, F.silu, lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * (1 - sigmoid(x)))),
    ("tanh", {}, torch.tanh, mpmath.tanh, lambda x: mpmath.sech(x) ** 2),
    ("sigmoid", {}, torch.sigmoid, sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    ("erf", {}, torch.erf, mpmath.erf, lambda x: 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-x * x)),
]


def apart(got, exact):
    return max(float(abs(mp(a) - b)) for a, b in zip(got, exact))


def measured(*differences, limit=1e-14):
    worst = max(differences)
    assert worst <= limit, worst
    return float("%.2g" % worst)


elementwise = []
for name, options, f, value, derivative in ELEMENTWISE:
    x = torch.tensor(X, requires_grad=True)
    y = f(x)
    y.sum().backward()
    elementwise.append(
        {
            "name": name,
            "options": options,
            "value": floats(y),
            "derivative": floats(x.grad),
            "torchError": measured(
                apart(floats(y), [value(mp(a)) for a in X]),
                apart(floats(x.grad), [derivative(mp(a)) for a in X]),
            ),
        }
    )

random = np.random.default_rng(20240302)
ROWS = [
    [0.0, 0.0, 0.0, 0.0],
    [1.0, 2.0, 3.0, 4.0],
    [-30.0, 30.0, 0.0, 5.0],
    [30.0, 29.0, 28.5, -30.0],
    [-30.0, -29.5, -29.0, -28.0],
    [0.1, -0.2, 0.3, -0.4],
    [5.0, 5.0, -5.0, 0.0],
    [-1e-3, 1e-3, 2e-3, 0.0],
    [12.5, -7.25, 3.125, 12.25],
    [2.0, -1.0, 0.5, -3.0],
]
upstream = floats(float32(random.standard_normal((len(ROWS), 4))))


def exact_softmax(row):
    powers = [mpmath.exp(mp(a)) for a in row]
    return [p / sum(powers) for p in powers]


rows = []
for name, f in [("softmax", torch.softmax), ("logSoftmax", torch.log_softmax)]:
    x = torch.tensor(ROWS, requires_grad=True)
    y = f(x, -1)
    (y * torch.tensor(upstream)).sum().backward()
    differences = []
    for row, up, value, gradient in zip(ROWS, upstream, floats(y), floats(x.grad)):
        p = exact_softmax(row)
        inner = sum(mp(u) * a for u, a in zip(up, p))
        if name == "softmax":
            differences += [apart(value, p), apart(gradient, [a * (mp(u) - inner) for u, a in zip(up, p)])]
        else:
            differences += [
                apart(value, [mpmath.log(a) for a in p]),
                apart(gradient, [mp(u) - a * sum(map(mp, up)) for u, a in zip(up, p)]),
            ]
    rows.append(
        {
            "name": name,
            "x": ROWS,
            "upstream": upstream,
            "value": floats(y),
            "gradient": floats(x.grad),
            "torchError": measured(*differences),
        }
    )

PAIRS = [
    (-30.0, 0.0),
    (-20.0, -19.5),
    (-12.0, 3.0),
    (-7.5, -8.5),
    (-5.0, -5.0),
    (-3.25, 1.0),
    (-2.0, -1.0),
    (-1.5, 0.0),
    (-1.0, 0.0),
    (-0.75, 0.0),
    (-0.5, -0.25),
    (-0.1, 0.1),
    (-1e-6, 0.0),
    (0.0, 0.0),
    (0.0, 1.0),
    (1e-6, 0.0),
    (1e-3, 1.0),
    (0.1, 0.0),
    (0.25, 0.75),
    (0.5, 0.0),
    (0.6, 1.2),
    (0.9, 0.0),
    (1.0, 0.0),
    (1.1, 0.0),
    (1.25, 1.0),
    (1.5, 3.5),
    (2.0, 2.0),
    (2.5, 3.0),
    (3.0, -1.0),
    (4.0, 4.5),
    (5.0, 30.0),
    (6.5, 7.25),
    (8.0, 8.001),
    (9.0, -9.0),
    (11.0, 10.5),
    (15.0, 14.0),
    (18.0, 0.0),
    (22.0, 25.0),
    (27.5, 27.5),
    (30.0, 0.0),
    (30.0, -30.0),
]
LOGIT_PAIRS = [(logit, target) for logit in X for target in (0.0, 1.0, 0.25)]


def huber_exact(delta):
    def value(p, t):
        d = abs(p - t)
        return d * d / 2 if d <= delta else delta * (d - mp(delta) / 2)

    def derivative(p, t):
        return max(-mp(delta), min(mp(delta), p - t))

    return value, derivative


LOSSES = [
    (
        "squaredError",
        {},
        PAIRS,
        lambda p, t: F.mse_loss(p, t, reduction="none"),
        lambda p, t: (p - t) ** 2,
        lambda p, t: 2 * (p - t),
    ),
    (
        "absoluteError",
        {},
        PAIRS,
        lambda p, t: F.l1_loss(p, t, reduction="none"),
        lambda p, t: abs(p - t),
        lambda p, t: mpmath.sign(p - t),
    ),
    (
        "huber",
        {"delta": 1},
        PAIRS,
        lambda p, t: F.huber_loss(p, t, reduction="none", delta=1.0),
        *huber_exact(1),
    ),
    (
        "huber",
        {"delta": 0.5},
        PAIRS,
        lambda p, t: F.huber_loss(p, t, reduction="none", delta=0.5),
        *huber_exact(0.5),
    ),
    (
        "binaryCrossEntropy",
        {},
        LOGIT_PAIRS,
        lambda p, t: F.binary_cross_entropy_with_logits(p, t, reduction="none"),
        lambda p, t: (1 - t) * p + mpmath.log1p(mpmath.exp(-p)),
        lambda p, t: sigmoid(p) - t,
    ),
]
losses = []
for name, options, pairs, f, value, derivative in LOSSES:
    p = torch.tensor([a for a, _ in pairs], requires_grad=True)
    t = torch.tensor([b for _, b in pairs])
    y = f(p, t)
    y.sum().backward()
    exact = [(mp(a), mp(b)) for a, b in pairs]
    losses.append(
        {
            "name": name,
            "options": options,
            "prediction": floats(p),
            "target": floats(t),
            "value": floats(y),
            "derivative": floats(p.grad),
            "torchError": measured(
                apart(floats(y), [value(*pair) for pair in exact]),
                apart(floats(p.grad), [derivative(*pair) for pair in exact]),
            ),
        }
    )

cross_entropy = []
labels = [0, 3, 1, 2, 0, 1, 3, 2, 0, 3]
for smoothing in (0, 0.1, 0.4):
    x = torch.tensor(ROWS, requires_grad=True)
    y = F.cross_entropy(x, torch.tensor(labels), reduction="none", label_smoothing=smoothing)
    y.sum().backward()
    differences, e, classes = [], mp(smoothing), len(ROWS[0])
    values = []
    for row, label, gradient in zip(ROWS, labels, floats(x.grad)):
        p = exact_softmax(row)
        q = [(1 - e) * (i == label) + e / classes for i in range(classes)]
        values.append(-sum(b * mpmath.log(a) for a, b in zip(p, q)))
        differences.append(apart(gradient, [a - b for a, b in zip(p, q)]))
    cross_entropy.append(
        {
            "name": "crossEntropy",
            "options": {"labelSmoothing": smoothing},
            "logits": ROWS,
            "label": labels,
            "value": floats(y),
            "gradient": floats(x.grad),
            "torchError": measured(apart(floats(y), values), *differences),
        }
    )

write(
    __file__,
    ABOUT,
    {"x": X, "elementwise": elementwise, "rows": rows, "losses": losses, "crossEntropy": cross_entropy},
    mpmath=mpmath.__version__,
)
