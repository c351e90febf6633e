"""Breast cancer: the diagnosis, by scikit-learn and PyTorch. Run: python3 examples/breast-cancer/reference.py"""

import sys
from pathlib import Path

folder = Path(__file__).resolve().parent
sys.path.insert(0, str(folder.parent))
from reference import classify, read, run  # noqa: E402

rows = read(folder / "breast-cancer.csv")
run(__file__, {"diagnosis": lambda seed: classify(rows, "diagnosis", seed)})
