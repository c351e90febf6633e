"""A linear forecast of the same days, beside the LSTM: python3 examples/weather/linear.py (NumPy and scikit-learn)."""
import csv
import math
import os
from datetime import date

import numpy as np
from sklearn.linear_model import Ridge

here = os.path.dirname(os.path.abspath(__file__))
file = os.environ.get("WEATHER") or os.path.join(
    here, "../../test/real-data/node_modules/vega-datasets/data/seattle-weather.csv"
)
with open(file) as lines:
    days = list(csv.DictReader(lines))
warmest = np.array([float(day["temp_max"]) for day in days])
yearday = np.array([2 * math.pi * (date.fromisoformat(day["date"]) - date(1970, 1, 1)).days / 365.2425 for day in days])
features = np.stack(
    [
        (warmest - 15) / 10,
        (np.array([float(day["temp_min"]) for day in days]) - 10) / 10,
        np.log1p([float(day["precipitation"]) for day in days]) / 2,
        (np.array([float(day["wind"]) for day in days]) - 3) / 3,
        np.sin(yearday),
        np.cos(yearday),
    ],
    axis=1,
)
change = warmest[30:] - warmest[29:-1]
training, validation, test = slice(0, -730), slice(-730, -365), slice(-365, None)
for past in (1, 2, 5, 30):
    history = np.array([features[day - past : day].ravel() for day in range(30, len(days))])
    model = Ridge(10).fit(history[training], change[training])
    rmse = [math.sqrt(np.mean((model.predict(history[part]) - change[part]) ** 2)) for part in (validation, test)]
    print(f"last {past:2} days: validation {rmse[0]:.3f}, test {rmse[1]:.3f}")
