"""Writes metrics.json: scikit-learn's metrics, each with and without sample weights."""

import warnings

import numpy as np
import sklearn
from sklearn import metrics

from golden import float32, floats, write

ABOUT = (
    "scikit-learn metrics in float64. datasets hold the inputs by name, with weights of the samples "
    "(one is 0); every result names its dataset and metric: unweighted with every weight 1, weighted "
    "with the dataset's. binary: label 0 or 1, score = predicted probability of 1 (with ties between "
    "and inside the classes), predicted = score >= 0.5 ? 1 : 0. classes: probabilities per row (sum 1), "
    "predicted = the column of the largest. Logarithmic loss: natural logarithm, mean over samples. "
    "f1Macro, precisionMacro, recallMacro: plain mean over the classes, 0 where a denominator is 0; the "
    "dataset 'classes, one never predicted' has such a class. rocAucMacro: plain mean over the classes of "
    "the area of that class against the rest, by its probability (multi_class='ovr'). confusion[i][j]: "
    "weight of samples of class i predicted as j. two outputs: every metric is of each output alone, then "
    "averaged (rmse: the mean of the roots)."
)
random = np.random.default_rng(20240303)
WEIGHTS = np.array([1.0, 0.5, 2.0, 0.25, 3.0, 0.0, 1.5, 0.75])


def weights(count):
    return np.resize(WEIGHTS, count)


def binary(count, digits):
    label = (random.random(count) < 0.45).astype(int)
    score = np.round(
        np.clip(0.5 + 0.25 * (label - 0.5) + 0.25 * random.standard_normal(count), 0.02, 0.98), digits
    )
    assert {0, 1} == set(label) and len(set(score)) < count
    assert set(score[label == 0]) & set(score[label == 1])
    return {
        "kind": "binary",
        "label": label,
        "score": score,
        "predicted": (score >= 0.5).astype(int),
        "weights": weights(count),
    }


def classes(count, never=None):
    label = random.integers(0, 3, count)
    logits = random.standard_normal((count, 3)) + 1.5 * np.eye(3)[label]
    if never is not None:
        logits[:, never] -= 20
    powers = np.exp(logits)
    probabilities = powers / powers.sum(1, keepdims=True)
    return {
        "kind": "classes",
        "label": label,
        "probabilities": probabilities,
        "predicted": probabilities.argmax(1),
        "weights": weights(count),
    }


def tied_classes(count):
    # Four rows only, which differ in every column: equal scores then come from equal rows alone.
    rows = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.25, 0.15, 0.6], [0.4, 0.35, 0.25]])
    probabilities = rows[random.integers(0, 4, count)]
    return {
        "kind": "classes",
        "label": random.integers(0, 3, count),
        "probabilities": probabilities,
        "predicted": probabilities.argmax(1),
        "weights": weights(count),
    }


def regression(shape):
    target = float32(random.standard_normal(shape) * 10 + 50)
    predicted = float32(target + random.standard_normal(shape) * 4 + 1)
    return {"kind": "regression", "target": target, "predicted": predicted, "weights": weights(shape[0])}


DATASETS = {
    "binary": binary(40, 1),
    "binary, fewer ties": binary(25, 2),
    "binary, all scores alike": {
        "kind": "binary",
        "label": np.array([0, 1, 1, 0, 1]),
        "score": np.full(5, 0.7),
        "predicted": np.ones(5, dtype=int),
        "weights": weights(5),
    },
    "binary, perfect": {
        "kind": "binary",
        "label": np.array([0, 0, 1, 1, 1, 0]),
        "score": np.array([0.1, 0.2, 0.8, 0.9, 0.7, 0.3]),
        "predicted": np.array([0, 0, 1, 1, 1, 0]),
        "weights": weights(6),
    },
    "classes": classes(30),
    "classes, one never predicted": classes(20, never=2),
    "regression": regression((25,)),
    "regression with two outputs": regression((12, 2)),
    "classes with ties": tied_classes(25),  # last, so that the numbers of the others stay
}


def results(data):
    kind = data["kind"]
    if kind == "regression":
        y, p = data["target"], data["predicted"]
        mse = lambda w, **k: metrics.mean_squared_error(y, p, sample_weight=w, **k)  # noqa: E731
        yield "mse", mse
        yield "rmse", lambda w: mse(w, squared=False)
        yield "mae", lambda w: metrics.mean_absolute_error(y, p, sample_weight=w)
        yield "r2", lambda w: metrics.r2_score(y, p, sample_weight=w)
        return
    y, p = data["label"], data["predicted"]
    yield "accuracy", lambda w: metrics.accuracy_score(y, p, sample_weight=w)
    yield "confusion", lambda w: metrics.confusion_matrix(y, p, sample_weight=w).astype(float)
    if kind == "binary":
        yield "logLoss", lambda w: metrics.log_loss(y, data["score"], sample_weight=w)
        yield "rocAuc", lambda w: metrics.roc_auc_score(y, data["score"], sample_weight=w)
        average, suffix = "binary", ""
    else:
        yield "logLoss", lambda w: metrics.log_loss(y, data["probabilities"], sample_weight=w)
        area = {"multi_class": "ovr", "average": "macro"}
        yield "rocAucMacro", lambda w: metrics.roc_auc_score(y, data["probabilities"], sample_weight=w, **area)
        average, suffix = "macro", "Macro"
    options = {"average": average, "zero_division": 0}
    yield "f1" + suffix, lambda w: metrics.f1_score(y, p, sample_weight=w, **options)
    yield "precision" + suffix, lambda w: metrics.precision_score(y, p, sample_weight=w, **options)
    yield "recall" + suffix, lambda w: metrics.recall_score(y, p, sample_weight=w, **options)


def number(value):
    return floats(value) if isinstance(value, np.ndarray) else float(value)


body = []
with warnings.catch_warnings():
    warnings.simplefilter("error")
    for name, data in DATASETS.items():
        for metric, compute in results(data):
            body.append(
                {
                    "dataset": name,
                    "metric": metric,
                    "unweighted": number(compute(None)),
                    "weighted": number(compute(data["weights"])),
                }
            )
datasets = [
    {"name": name, **{key: value if isinstance(value, str) else floats(value) for key, value in data.items()}}
    for name, data in DATASETS.items()
]
write(__file__, ABOUT, {"datasets": datasets, "results": body}, sklearn=sklearn.__version__)
