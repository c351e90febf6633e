"""Writes images.json: small image files, with the pixels that Pillow reads from them. Run by a Python that has Pillow."""

import base64
import io
import json
import os
import sys

import numpy as np
import PIL
from PIL import Image, ImageOps

ABOUT = (
    "files: bytes is an image file in base64, as Pillow writes it; pixels, in base64, what Pillow reads: turned upright, on a white "
    "background, as RGB, [height, width, 3]. tolerance: how far two right decoders may be apart: not at all where nothing is lost, 1 where transparency is "
    "rounded, and what was seen between decoders of lossy formats. resized: the photo "
    "made smaller by Pillow's Lanczos filter, in each way of fitting, with the background [255, 0, 128]. refused: files that are no images to us. The photos are not ours, see README.md."
)
PHOTOS = "/usr/lib/python3/dist-packages/sklearn/datasets/images/"  # of Debian's python3-sklearn


def base64_of(data):
    return base64.b64encode(bytes(data)).decode()


def upright_on_white(data):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if image.mode.startswith("I"):  # 16 bits: Pillow would cut off at 255
        image = Image.fromarray((np.asarray(image).astype(np.uint32) // 257).astype(np.uint8))
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def case(name, image, tolerance, **options):
    stream = io.BytesIO()
    image.save(stream, **options)
    data = stream.getvalue()
    read = upright_on_white(data)
    return {
        "name": name,
        "size": [read.height, read.width],
        "tolerance": tolerance,
        "bytes": base64_of(data),
        "pixels": base64_of(read.tobytes()),
    }


def smooth(channels, height=9, width=14):
    """A picture without symmetries: every turn and mirror image of it is another."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [(7 * x + 11 * y * (c + 1) + 40 * c) % 256 for c in range(channels)]
    return np.stack(planes, axis=-1).astype(np.uint8)


def photo(name, box, size):
    return Image.open(PHOTOS + name).crop(box).resize(size, Image.LANCZOS)


def files():
    rgb = Image.fromarray(smooth(3))
    rgba = Image.fromarray(smooth(4))
    grey = Image.fromarray(smooth(1)[:, :, 0])
    gradient = Image.fromarray(np.stack([np.add.outer(np.arange(16) * k, np.arange(24) * 4) for k in (1, 2, 3)], -1).astype(np.uint8))
    yield case("photo.jpg", photo("flower.jpg", (60, 60, 540, 420), (40, 30)), 2, format="JPEG", quality=85)
    yield case("photo.png", photo("china.jpg", (0, 0, 640, 426), (36, 24)), 0, format="PNG")
    yield case("progressive.jpg", gradient, 2, format="JPEG", quality=90, progressive=True)
    yield case("grey.jpg", grey, 2, format="JPEG", quality=95)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield case(f"orientation-{orientation}.jpg", gradient, 2, format="JPEG", quality=95, subsampling=0, exif=exif)
        yield case(f"orientation-{orientation}.png", rgb, 0, format="PNG", exif=exif)
    yield case("rgba.png", rgba, 1, format="PNG")
    yield case("grey-alpha.png", rgba.convert("LA"), 1, format="PNG")
    yield case("grey-16.png", Image.fromarray((smooth(1)[:, :, 0].astype(np.uint16) * 257)), 0, format="PNG")
    yield case("black-and-white.png", grey.convert("1"), 0, format="PNG")
    yield case("palette.png", rgb.quantize(16), 0, format="PNG")
    yield case("palette-transparent.png", rgb.quantize(16), 0, format="PNG", transparency=3)
    yield case("lossless.webp", rgba, 1, format="WEBP", lossless=True, exact=True)
    yield case("lossy.webp", gradient, 2, format="WEBP", quality=90)
    yield case("animated.gif", rgb.quantize(32), 0, format="GIF", save_all=True, append_images=[rgb.rotate(180).quantize(32)])
    yield case("lzw.tif", rgb, 0, format="TIFF", compression="tiff_lzw")
    yield case("several.tif", rgb, 0, format="TIFF", save_all=True, append_images=[rgb.rotate(180)])
    yield case("lossless.avif", rgb, 2, format="AVIF", quality=100, subsampling="4:4:4")


def refused():
    """What Pillow reads and we do not."""
    grey = smooth(1)[:, :, 0]
    for name, image, options in [
        ("float.tif", Image.fromarray(grey.astype(np.float32) / 255), {"format": "TIFF"}),
        ("int.tif", Image.fromarray(grey.astype(np.int32) * 1000), {"format": "TIFF"}),
        ("windows.bmp", Image.fromarray(grey), {"format": "BMP"}),
        ("jpeg-2000.jp2", Image.fromarray(grey), {"format": "JPEG2000"}),
        ("portable.pgm", Image.fromarray(grey), {"format": "PPM"}),
    ]:
        stream = io.BytesIO()
        image.save(stream, **options)
        yield {"name": name, "bytes": base64_of(stream.getvalue())}


def resized(cases):
    data = base64.b64decode(next(each["bytes"] for each in cases if each["name"] == "photo.jpg"))
    image = upright_on_white(data)
    # Sizes at which nothing is rounded: half a pixel of the photo on one side or the other would be another picture.
    fits = {
        "cover": (lambda size: ImageOps.fit(image, size, Image.LANCZOS), [(12, 12), (9, 20)]),
        "contain": (lambda size: ImageOps.pad(image, size, Image.LANCZOS, color=(255, 0, 128)), [(15, 30), (21, 20)]),
        "fill": (lambda size: image.resize(size, Image.LANCZOS), [(15, 20), (10, 30)]),
    }
    for fit, (resize, sizes) in fits.items():
        for height, width in sizes:
            yield {"fit": fit, "size": [height, width], "pixels": base64_of(resize((width, height)).tobytes())}


def main():
    cases = list(files())
    body = {
        "about": ABOUT,
        "generator": os.path.basename(__file__),
        "versions": {"python": sys.version.split()[0], "pillow": PIL.__version__, "numpy": np.__version__},
        "files": cases,
        "refused": list(refused()),
        "resized": list(resized(cases)),
    }
    parts = []
    for key, value in body.items():
        text = json.dumps(value, separators=(",", ":"))
        if isinstance(value, list):
            text = "[\n" + ",\n".join(json.dumps(item, separators=(",", ":")) for item in value) + "\n]"
        parts.append(json.dumps(key) + ":" + text)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "images.json")
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write("{\n" + ",\n".join(parts) + "\n}\n")


main()
