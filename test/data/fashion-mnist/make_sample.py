"""Writes the first 50 test images and labels of Fashion-MNIST. Debian 12: apt-get install dataset-fashion-mnist."""

import gzip
import os
import struct
import subprocess

COUNT = 50
FOLDER = os.path.dirname(os.path.abspath(__file__))

listed = subprocess.run(["dpkg", "-L", "dataset-fashion-mnist"], check=True, capture_output=True, text=True).stdout
for what, axes in [("images", 3), ("labels", 1)]:
    name = f"t10k-{what}-idx{axes}-ubyte.gz"
    with gzip.open(next(path for path in listed.split("\n") if path.endswith(name))) as file:
        content = file.read()
    sizes = struct.unpack(f">{axes}i", content[4 : 4 + 4 * axes])
    sample = 1
    for size in sizes[1:]:
        sample *= size
    start = 4 + 4 * axes
    header = content[:4] + struct.pack(">i", COUNT) + content[8:start]
    with open(os.path.join(FOLDER, f"first-50-{what}-idx{axes}-ubyte.gz"), "wb") as out:
        with gzip.GzipFile("", "wb", 9, out, mtime=0) as packed:
            packed.write(header + content[start : start + COUNT * sample])
