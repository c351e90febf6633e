"""Churn: by scikit-learn and PyTorch, with and without balanced classes. Run: python3 examples/churn/reference.py"""

import sys
from pathlib import Path

folder = Path(__file__).resolve().parent
sys.path.insert(0, str(folder.parent))
from reference import classify, read, run  # noqa: E402

rows = read(folder / "churn.csv")
run(__file__, {"churn": lambda seed: classify(rows, "churn", seed, balanced=True)})
