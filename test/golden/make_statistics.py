"""Writes statistics.json: NumPy's statistics of columns of float32 numbers, some of them missing."""

import numpy as np

from golden import floats, write

ABOUT = (
    "NumPy in float64 on columns of float32 numbers; null is missing, and left out of every statistic. mean, deviation "
    "(the population's, ddof 0), minimum, maximum; quartiles: numpy.quantile at 0.25, 0.5, 0.75 (method linear); logarithm: "
    "mean and deviation of sign(x) * log1p(|x|)."
)
random = np.random.default_rng(20250611)


def column(name, values, missing=0):
    values = np.asarray(values).astype(np.float32)
    absent = set(random.permutation(len(values))[:missing].tolist())
    present = np.array([x for i, x in enumerate(values) if i not in absent]).astype(np.float64)
    logarithms = np.sign(present) * np.log1p(np.abs(present))
    return {
        "name": name,
        "values": [None if i in absent else x for i, x in enumerate(floats(values))],
        "missing": missing,
        "mean": present.mean(),
        "deviation": present.std(),
        "minimum": present.min(),
        "maximum": present.max(),
        "quartiles": floats(np.quantile(present, [0.25, 0.5, 0.75])),
        "logarithm": {"mean": logarithms.mean(), "deviation": logarithms.std()},
    }


COUNT = 203
columns = [
    column("normal", random.normal(10, 3, COUNT), missing=17),
    column("log-normal", random.lognormal(0, 2, COUNT)),
    column("both signs, far from each other", random.normal(0, 1, COUNT) * 10.0 ** random.integers(-30, 31, COUNT)),
    column("mostly zero", np.where(random.random(COUNT) < 0.8, 0, random.normal(0, 100, COUNT)), missing=5),
    column("few whole numbers", random.integers(-3, 4, COUNT), missing=2),
    column("far from zero, close together", 16_777_000 + random.integers(0, 20, COUNT)),
    column("tiny", random.random(COUNT) * 1e-6),
    column("large", random.normal(0, 1e18, COUNT)),
]
write(__file__, ABOUT, {"columns": columns})
