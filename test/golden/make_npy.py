"""Writes npy.json: .npy files as numpy.save writes them, with what numpy.load reads from them."""

import base64
import io
import warnings

import numpy as np
from numpy.lib import format as npy_format

from golden import write

ABOUT = (
    "files: bytes is a .npy file in base64, written by numpy.save or numpy.lib.format.write_array; columns holds what "
    "numpy.load gives, flat in C order (float32 numbers where we keep float32), one list for a plain array (called value) and "
    "one per field of a record; shape is that of one sample. nan, inf and -inf stand as texts. "
    "damaged: a file with the byte at `at` replaced, and the columns that numpy.load reads from it: the same, others, or null "
    "where it refuses it or finds no numbers."
)
RNG = np.random.default_rng(4)


def number(value):
    value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value


def values(array):
    if array.dtype.kind == "f":  # 9 digits name one float32
        return [number(x) if not np.isfinite(x) else float("%.9g" % x) for x in array.astype(np.float32).ravel()]
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    if array.dtype.kind not in "iu":
        raise TypeError("no numbers")
    return [number(x) for x in array.ravel()]


def columns(array):
    if array.dtype.names is None:
        return {"value": {"shape": list(array.shape[1:]), "data": values(array)}}
    return {
        name: {"shape": list(array[name].shape[1:]), "data": values(array[name])} for name in array.dtype.names
    }


def case(name, array, version=None):
    stream = io.BytesIO()
    npy_format.write_array(stream, array, version=version)
    stream.seek(0)
    loaded = np.load(stream, allow_pickle=False)
    return {"name": name, "bytes": base64.b64encode(stream.getvalue()).decode(), "columns": columns(loaded)}


def sample(code, shape):
    kind = np.dtype(code).kind
    if kind == "f":
        array = RNG.normal(scale=100, size=shape)
        array.ravel()[:4] = [np.nan, np.inf, -np.inf, -0.0]
        if np.dtype(code).itemsize == 2:
            array.ravel()[4:7] = [6e-8, 65504, 6.1e-5]  # the smallest, the largest, the smallest normal
        return array.astype(code)
    if kind == "b":
        return RNG.integers(0, 2, size=shape).astype(code)
    info = np.iinfo(np.dtype(code))
    least, most = max(info.min, -(2**31)), min(info.max, 2**31 - 1)
    array = RNG.integers(least, most, size=shape, endpoint=True)
    array.ravel()[:2] = [least, most]
    return array.astype(code)


def records():
    packed = np.dtype(
        [("x", "<f4", (2,)), ("label", "<i8"), ("flag", "?"), ("image", "u1", (3, 2)), ("big", ">f8"), ("half", "<f2")]
    )
    aligned = np.dtype([("flag", "u1"), ("x", "<f8"), ("b", "i1"), ("label", "<i4")], align=True)
    for name, dtype in [("packed", packed), ("aligned with padding", aligned)]:
        array = np.zeros(7, dtype)
        for field in dtype.names:
            base = dtype[field].base
            array[field] = sample(base.str if base.kind != "b" else "?", array[field].size).reshape(array[field].shape)
        yield case("records " + name, array)
    yield case("records with a name beyond latin1", np.array([(1,), (2,)], dtype=[("价'\"", "<i4")]))
    yield case("records with a latin1 name", np.array([(1.5,), (2.5,)], dtype=[("größe\x93", ">f4")]))


files = []
for code in ["<f4", ">f4", "<f8", ">f8", "<f2", ">f2", "i1", "u1", "?"] + [
    order + kind for kind in ["i2", "i4", "i8", "u2", "u4", "u8"] for order in "<>"
]:
    files.append(case(code, sample(code, (9,))))
for code in ["<f4", ">i2", "u1"]:
    files.append(case(code + " 2-D", sample(code, (5, 3))))
    files.append(case(code + " 2-D Fortran", np.asfortranarray(sample(code, (5, 3)))))
    files.append(case(code + " 4-D Fortran", np.asfortranarray(sample(code, (3, 2, 4, 2)))))
files.append(case("one column Fortran", np.asfortranarray(sample("<f4", (5, 1)))))
files.append(case("version 2", sample("<f4", (8, 2)), (2, 0)))
files.append(case("version 3", sample("<f4", (8, 2)), (3, 0)))
files.extend(records())



def damaged(index):
    """One byte of a header replaced by one that headers have, and what numpy makes of the file."""
    original = base64.b64decode(files[index]["bytes"])
    end = original.index(b"}") + 2
    at = int(RNG.integers(6, end))
    byte = int(RNG.choice(np.frombuffer(b"0123456789-<>|=fiubVOSUc'(),: [{}]TrueFals\\x00\x01\x02\x03", np.uint8)))
    content = original[:at] + bytes([byte]) + original[at + 1 :]
    if content == original:
        return None
    try:
        read = columns(np.load(io.BytesIO(content), allow_pickle=False))
    except Exception:  # it refuses the file, or it holds no numbers
        read = None
    return {"file": index, "at": at, "byte": byte, "columns": "same" if read == files[index]["columns"] else read}


warnings.simplefilter("ignore")
attempts = [damaged(int(index)) for index in RNG.integers(0, len(files), 400)]
write(__file__, ABOUT, {"files": files, "damaged": [attempt for attempt in attempts if attempt is not None]})
