"""What scikit-learn and PyTorch reach on the examples' tables: the same splits, features, model family and budget.

Each example's reference.py calls `run`; examples/compare.ts trains the command line's model on the same splits.
Nothing here is shared with microbatch: a mistake in one would show as a difference.
"""

import csv
import gzip
import hashlib
import json
import os
import platform
import re
from pathlib import Path

os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")  # same numbers on every AVX-512 machine, and PyTorch at its fastest

import numpy as np  # noqa: E402: after the environment it reads
import sklearn  # noqa: E402
import torch  # noqa: E402
from sklearn import metrics  # noqa: E402
from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: E402

torch.set_num_threads(1)


def read(path):
    """Rows of a CSV file as dictionaries of texts; a missing value is "". """
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rt", newline="") as file:
        return list(csv.DictReader(file))


def split(strata, seed):
    """Indices of the training (60 %), validation (20 %) and test samples (20 %), the shares kept in every stratum.

    The order is that of SHA-256 of "seed index": every language can draw the same split.
    """
    parts = [], [], []
    for stratum in sorted(set(strata)):
        own = [index for index, other in enumerate(strata) if other == stratum]
        own.sort(key=lambda index: hashlib.sha256(f"{seed} {index}".encode()).digest())
        fifth = int(len(own) * 0.2 + 0.5)
        for part, chosen in zip(parts, (own[2 * fifth :], own[:fifth], own[fifth : 2 * fifth])):
            part.extend(chosen)
    return [np.array(sorted(part)) for part in parts]


def number(text):
    return float(text) if text else np.nan


def encode(rows, training, target, ordered):
    """Features fitted on the training samples: numbers filled by their mean and standardised, with an indicator where some
    are missing; ordered categories as standardised ranks; other categories one-hot."""
    columns = []
    for name in (name for name in rows[0] if name != target):
        texts = [row[name] for row in rows]
        if name in ordered:
            values = np.array([ordered[name].index(text) for text in texts], float)
        elif all(is_number(text) for text in texts):
            values = np.array([number(text) for text in texts])
        else:
            known = sorted({texts[index] for index in training})
            columns += [[float(text == category) for text in texts] for category in known]
            continue
        missing = np.isnan(values)
        mean, deviation = np.nanmean(values[training]), np.nanstd(values[training])
        if deviation > 0:
            columns.append((np.where(missing, mean, values) - mean) / deviation)
        if missing[training].any():
            columns.append(missing.astype(float))
    return np.array(columns, np.float32).T


def is_number(text):
    try:
        return text == "" or np.isfinite(float(text))
    except ValueError:
        return False


def mlp(x, y, parts, outputs, loss, weights=None, batch=32, seed=0):
    """Outputs for the test samples of the family and budget of `microbatch train`: two hidden layers of 64 with relu, AdamW
    at 0.003 with decay 0.01 on matrices, at most 200 epochs, the weights of the smallest validation loss, patience 20.
    A batch's losses (weighted, where there are weights) are divided by its Σ weights, as microbatch does."""
    torch.manual_seed(seed)
    sizes = [x.shape[1], 64, 64, outputs]
    layers = [part for i, o in zip(sizes, sizes[1:]) for part in (torch.nn.Linear(i, o), torch.nn.ReLU())]
    model = torch.nn.Sequential(*layers[:-1])
    groups = [{"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.01}]
    groups += [{"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0}]
    optimizer = torch.optim.AdamW(groups, lr=0.003)
    x, y = torch.tensor(x), torch.tensor(y)
    weights = torch.ones(len(x)) if weights is None else torch.tensor(weights, dtype=torch.float32)
    training, validation, test = (torch.tensor(part) for part in parts)

    def mean_loss(part):
        return (weights[part] * loss(model(x[part]), y[part])).sum() / weights[part].sum()

    best, best_weights, stale = np.inf, None, 0
    for _ in range(200):
        for part in training[torch.randperm(len(training))].split(batch):
            optimizer.zero_grad()
            mean_loss(part).backward()
            optimizer.step()
        with torch.no_grad():
            evaluated = mean_loss(validation).item()
        stale += 1
        if evaluated < best:
            best, stale = evaluated, 0
            best_weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        if stale == 20:
            break
    model.load_state_dict(best_weights)
    with torch.no_grad():
        return model(x[test])


def cross_entropy(logits, labels):
    return torch.nn.functional.cross_entropy(logits, labels, reduction="none")


def binary_cross_entropy(logits, labels):
    return torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], labels.float(), reduction="none")


def squared_error(predicted, actual):
    return (predicted[:, 0] - actual) ** 2


def classify(rows, target, seed, balanced=False, scale=None):
    """Test metrics of the commonest class, logistic regression and the MLP, with and without balanced class weights."""
    classes = sorted({row[target] for row in rows})
    y = np.array([classes.index(row[target]) for row in rows])
    parts = training, _, test = split(y.tolist(), seed)
    x = encode(rows, training, target, {})
    counts = np.bincount(y[training])
    binary = len(classes) == 2

    def score(probabilities):
        predicted = probabilities.argmax(1)
        scores = {"accuracy": metrics.accuracy_score(y[test], predicted)}
        scores["f1"] = metrics.f1_score(y[test], predicted, average="binary" if binary else "macro", zero_division=0)
        if binary:
            scores["auc"] = metrics.roc_auc_score(y[test], probabilities[:, 1])
        return scores

    def linear(**kind):
        return LogisticRegression(max_iter=2000, **kind).fit(x[training], y[training]).predict_proba(x[test])

    def network(features=x, weights=None):
        if not binary:
            return torch.softmax(mlp(features, y, parts, len(classes), cross_entropy, weights, seed=seed), 1).numpy()
        logit = mlp(features, y, parts, 1, binary_cross_entropy, weights, seed=seed)
        return torch.sigmoid(torch.cat([-logit, logit], 1)).numpy()

    frequencies = np.tile(counts / counts.sum(), (len(test), 1))
    models = {"baseline": frequencies, "linear": linear(), "mlp": network()}
    if balanced:
        models["linear, balanced"] = linear(class_weight="balanced")
        models["mlp, balanced"] = network(weights=(counts.sum() / (len(classes) * counts))[y])  # the same "balanced"
    if scale is not None:
        pixels = [[number(text) / scale for name, text in row.items() if name != target] for row in rows]
        models[f"mlp, divided by {scale}"] = network(np.array(pixels, np.float32))
    return {name: score(probabilities) for name, probabilities in models.items()}


def regress(rows, target, seed, ordered=None, log=False, batch=32):
    """Test metrics of the mean, least squares and the MLP, of the target and (log) of its logarithm."""
    rows = [row for row in rows if row[target] != ""]
    y = np.array([number(row[target]) for row in rows])
    parts = training, _, test = split([0] * len(rows), seed)
    x = encode(rows, training, target, ordered or {})

    def score(predicted):
        return {
            "rmse": metrics.mean_squared_error(y[test], predicted, squared=False),
            "mae": metrics.mean_absolute_error(y[test], predicted),
            "r2": metrics.r2_score(y[test], predicted),
        }

    def network(values):
        mean, deviation = values[training].mean(), values[training].std()
        standardised = ((values - mean) / deviation).astype(np.float32)
        predicted = mlp(x, standardised, parts, 1, squared_error, batch=batch, seed=seed)[:, 0]
        return predicted.double().numpy() * deviation + mean

    models = {
        "baseline": np.full(len(test), y[training].mean()),
        "linear": LinearRegression().fit(x[training], y[training]).predict(x[test]),
        "mlp": network(y),
    }
    if log:
        models["mlp, log"] = np.exp(network(np.log(y)))
    return {name: score(predicted) for name, predicted in models.items()}


def run(script, tasks, seeds=10):
    """Runs every task (name → seed → model → metric → number), prints a table and writes reference.json beside the script."""
    results = {}
    for task, of_seed in tasks.items():
        scores = [of_seed(seed) for seed in range(seeds)]
        for model, of_metric in scores[0].items():
            values = {metric: [float(one[model][metric]) for one in scores] for metric in of_metric}
            results.setdefault(task, {})[model] = {m: [four_digits(one) for one in numbers] for m, numbers in values.items()}
            texts = [f"{metric} {np.mean(numbers):.4f} ± {np.std(numbers):.4f}" for metric, numbers in values.items()]
            print(f"{task:12} {model:20} {'  '.join(texts)}", flush=True)
    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "torch": torch.__version__,
    }
    text = json.dumps({"versions": versions, "seeds": seeds, "results": results}, indent=2)
    text = re.sub(r"(?<=[\[,\d])\s+(?=[\d\]-])", "", text)  # a list of numbers on one line
    Path(script).with_suffix(".json").write_text(re.sub(r",(?=[\d-])", ", ", text) + "\n")


def four_digits(value):
    return round(float(f"{value:.4g}"), 4) + 0.0  # + 0: no -0
