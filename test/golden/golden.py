"""What the generators share: exact numbers, one way of writing JSON, the versions they ran with."""

import json
import os
import platform

import numpy as np
import torch

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


def floats(value):
    """Nested lists of Python floats of a tensor or array: JSON then holds every bit of them."""
    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    array = np.asarray(value)
    if array.dtype == np.float32:  # 9 digits name one float32: Math.fround(parsed) is that number
        return np.vectorize(lambda x: float("%.9g" % x), otypes=[np.float64])(array).tolist()
    assert array.dtype.kind in "iu" or array.dtype == np.float64, array.dtype
    return array.tolist()


def float32(values):
    """float64 numbers that float32 holds exactly, so that both precisions start alike."""
    return np.asarray(values, dtype=np.float64).astype(np.float32).astype(np.float64)


MASK = 2**32 - 1


def philox(key, counter):
    """Philox4x32-10 (Salmon et al., SC 2011)."""
    k0, k1 = key
    c0, c1, c2, c3 = counter
    for _ in range(10):
        p0, p1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & MASK, (p0 >> 32) ^ c3 ^ k1, p0 & MASK
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return c0, c1, c2, c3


def stable_hash(text):
    """FNV-1a, 64 bits, folded to 53."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return (value >> 53) ^ (value % 2**53)


def uniform(seed, use, stream):
    """The uniform numbers in [0, 1) of (seed, use, stream), by index: array/random.ts a second time."""
    stream = stable_hash(stream) if isinstance(stream, str) else stream
    use = stable_hash(use)

    def draw(index):
        block = index // 2
        mixed = (block >> 32) << 21 | stream >> 32
        words = philox((seed & MASK, seed >> 32), (block & MASK, mixed, stream & MASK, use & MASK))
        high, low = words[index % 2 * 2 : index % 2 * 2 + 2]
        return ((high >> 5) * 2**26 + (low >> 6)) / 2**53

    return draw


def compact(value):
    return json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)


def write(script, about, body, **libraries):
    """Writes <script without make_>.json: a key a line, and an item a line for lists of objects."""
    versions = {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__}
    versions.update(libraries)
    top = {"about": about, "generator": os.path.basename(script), "versions": versions, **body}
    parts = []
    for key, value in top.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            text = "[\n" + ",\n".join(compact(item) for item in value) + "\n]"
        else:
            text = compact(value)
        parts.append(json.dumps(key) + ":" + text)
    name = os.path.basename(script).replace("make_", "").replace(".py", ".json")
    path = os.path.join(os.path.dirname(os.path.abspath(script)), name)
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write("{\n" + ",\n".join(parts) + "\n}\n")
