"""Diamonds: the price, by scikit-learn and PyTorch, categories as ranks. Run: python3 examples/diamonds/reference.py"""

import sys
from pathlib import Path

folder = Path(__file__).resolve().parent
sys.path.insert(0, str(folder.parent))
from reference import regress, read, run  # noqa: E402

rows = read(folder / "diamonds.csv.gz")
ordered = {
    "cut": ["Fair", "Good", "Very Good", "Premium", "Ideal"],
    "color": ["J", "I", "H", "G", "F", "E", "D"],
    "clarity": ["I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"],
}
run(__file__, {"price": lambda seed: regress(rows, "price", seed, ordered, log=True, batch=256)}, seeds=3)
