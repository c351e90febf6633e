"""Wine: the cultivar, by scikit-learn and PyTorch. Run: python3 examples/wine/reference.py"""

import sys
from pathlib import Path

folder = Path(__file__).resolve().parent
sys.path.insert(0, str(folder.parent))
from reference import classify, read, run  # noqa: E402

rows = read(folder / "wine.csv")
run(__file__, {"cultivar": lambda seed: classify(rows, "cultivar", seed)})
