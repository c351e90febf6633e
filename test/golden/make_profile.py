"""Writes profile.json: the columns of three example tables in figures, computed by NumPy."""

import csv
import gzip
from collections import Counter
from pathlib import Path

import numpy as np

from golden import write

ABOUT = (
    "tables: by path below examples/, per column: missing, distinct; numbers: minimum, maximum, mean, deviation (of the "
    "population) and the quantiles 0.05, 0.25, 0.5, 0.75, 0.95 as numpy.quantile gives them (float64, missing left out), "
    "where all values are numbers; top: the ten most frequent texts with their counts, the earlier in the order of code points first."
)
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MISSING = {"", "na", "n/a", "nan", "null", "none", "?"}


def figures(texts):
    values = [text.strip() for text in texts if text.strip().lower() not in MISSING]
    missing = len(texts) - len(values)
    try:
        numbers = np.array([float(value) for value in values], dtype=np.float64)
    except ValueError:
        counts = sorted(Counter(values).items(), key=lambda entry: (-entry[1], entry[0]))
        return {"missing": missing, "distinct": len(counts), "top": counts[:10]}
    shares = [0.05, 0.25, 0.5, 0.75, 0.95]
    return {
        "missing": missing,
        "distinct": len(np.unique(numbers)),
        "minimum": numbers.min(),
        "maximum": numbers.max(),
        "mean": numbers.mean(),
        "deviation": numbers.std(),
        "quantiles": dict(zip(map(str, shares), np.quantile(numbers, shares))),
    }


def table(path):
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    return {name: figures([row[index] for row in rows]) for index, name in enumerate(header)}


names = ["penguins/penguins.csv", "churn/churn.csv", "diamonds/diamonds.csv.gz"]
write(__file__, ABOUT, {"tables": {name: table(EXAMPLES / name) for name in names}})
