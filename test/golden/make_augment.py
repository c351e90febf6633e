"""Writes augment.json: images changed at random, by NumPy and by torchvision's formulas in PyTorch."""

import base64
import math

import numpy as np
import torch
from golden import uniform, write

ABOUT = (
    "images: uint8 [channels, height, width] in base64. cases: the list of augmentations, image, seed, epoch and sample, and in pixels what a second "
    "implementation in NumPy makes of them, its draws included: np.flip, np.pad and a window, colours in float64 and rounded "
    "once. singles: one factor of colour alone, at the draw that gives it; torch is what the formulas of torchvision 0.14 "
    "give (transforms/functional_tensor.py), whose fractions are cut off."
)
torch.set_default_dtype(torch.float32)  # as torchvision computes
SEED = 2**40 + 7
PLACES, DRAWS = 64, 64  # places in a list, draws of each


def base64_of(image):
    return base64.b64encode(np.ascontiguousarray(image, dtype=np.uint8).tobytes()).decode()


def image(seed, shape):
    """Uneven, with the darkest and the brightest values, and without symmetries."""
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    values[..., 0, :2] = [0, 255]
    return values


IMAGES = [image(1, (3, 8, 8)), image(2, (1, 5, 7)), image(3, (3, 6, 4)), image(4, (2, 4, 5)), image(5, (3, 32, 32))]
IMAGES.append((IMAGES[4] // 8 + 30).astype(np.uint8))  # of little contrast, where nothing is cut off


def flip(x, draw, horizontal=0.5, vertical=0.0):
    if draw(0) < horizontal:
        x = np.flip(x, 2)
    if draw(1) < vertical:
        x = np.flip(x, 1)
    return x


def crop(x, draw, padding, border="constant", fill=0):
    sides = ((0, 0), (padding, padding), (padding, padding))
    padded = np.pad(x, sides, border, **({"constant_values": fill} if border == "constant" else {}))
    top, left = (math.floor(draw(index) * (2 * padding + 1)) for index in (0, 1))
    return padded[:, top : top + x.shape[1], left : left + x.shape[2]]


def grey(x):
    return x[0] if len(x) == 1 else 0.299 * x[0] + 0.587 * x[1] + 0.114 * x[2]


def colour(x, draw, brightness=0, contrast=0, saturation=0):
    factor = [1 + (2 * draw(index) - 1) * spread for index, spread in enumerate((brightness, contrast, saturation))]
    x = np.clip(factor[0] * x.astype(np.float64), 0, 255)
    x = np.clip(factor[1] * x + (1 - factor[1]) * grey(x).mean(), 0, 255)
    if len(x) == 3:
        x = np.clip(factor[2] * x + (1 - factor[2]) * grey(x), 0, 255)
    return np.floor(x + 0.5).astype(np.uint8)


KINDS = {"flip": flip, "crop": crop, "colour": colour}


def case(changes, number, seed=SEED, epoch=0, sample=0):
    draws = uniform(seed, "augment", epoch)
    x = IMAGES[number]
    for place, (name, options) in enumerate(changes):
        first = (sample * PLACES + place) * DRAWS
        x = KINDS[name](x, lambda index: draws(first + index), **options)
    augmentations = [{"name": name, "options": options} for name, options in changes]
    key = {"image": number, "seed": seed, "epoch": epoch, "sample": sample}
    return {"augmentations": augmentations, **key, "pixels": base64_of(x)}


def cases():
    colours = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4}
    everything = [("flip", {"vertical": 0.5}), ("crop", {"padding": 2}), ("colour", colours)]
    for sample in range(6):
        yield case(everything, 0, sample=sample)
        yield case(everything, 2, epoch=sample, sample=2**32 - 1)
        for border in ("constant", "edge", "reflect"):
            yield case([("crop", {"padding": 3, "border": border})], 1, sample=sample)
        yield case([("crop", {"padding": 1, "fill": 255}), ("flip", {"horizontal": 1})], 3, sample=sample)
        yield case([("colour", {"brightness": 1, "contrast": 1})], 1, sample=sample)
        yield case([("colour", {"saturation": 1})], 0, seed=sample, epoch=2**40)
    yield case([("crop", {"padding": 4}), ("flip", {}), ("colour", colours)], 4, epoch=3, sample=50_000)


def blend(one, other, ratio):
    return (ratio * one + (1.0 - ratio) * other).clamp(0, 255).to(torch.uint8)


def grey_of_torch(x):
    return x if len(x) == 1 else (0.2989 * x[0] + 0.587 * x[1] + 0.114 * x[2]).to(torch.uint8)[None]


ADJUST = {
    "brightness": lambda x, factor: blend(x, torch.zeros_like(x), factor),
    "contrast": lambda x, factor: blend(x, grey_of_torch(x).to(torch.float32).mean(), factor),
    "saturation": lambda x, factor: blend(x, grey_of_torch(x), factor),
}


def singles():
    for name, adjust in ADJUST.items():
        for number in (0, 5) if name == "saturation" else (0, 1, 5):
            for draw in (0, 0.2, 0.4, 0.75, 0.999):
                adjusted = adjust(torch.from_numpy(IMAGES[number].copy()), 1 + (2 * draw - 1) * 0.6)
                yield {"option": name, "image": number, "draw": draw, "torch": base64_of(adjusted.numpy())}


IMAGE_LIST = [{"shape": list(x.shape), "pixels": base64_of(x)} for x in IMAGES]
write(__file__, ABOUT, {"images": IMAGE_LIST, "cases": list(cases()), "singles": list(singles())})
