"""Penguins: the species, and the body mass, by scikit-learn and PyTorch. Run: python3 examples/penguins/reference.py"""

import sys
from pathlib import Path

folder = Path(__file__).resolve().parent
sys.path.insert(0, str(folder.parent))
from reference import classify, regress, read, run  # noqa: E402

rows = read(folder / "penguins.csv")
run(__file__, {
    "species": lambda seed: classify(rows, "species", seed),
    "body_mass_g": lambda seed: regress(rows, "body_mass_g", seed),
})
