"""Digits: by scikit-learn and PyTorch, pixels standardised or divided by 16. Run: python3 examples/digits/reference.py"""

import sys
from pathlib import Path

folder = Path(__file__).resolve().parent
sys.path.insert(0, str(folder.parent))
from reference import classify, read, run  # noqa: E402

rows = read(folder / "digits.csv.gz")
run(__file__, {"digit": lambda seed: classify(rows, "digit", seed, scale=16)})
