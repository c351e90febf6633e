"""Writes tokens.json: what Hugging Face's own library makes of the whole of Moby-Dick, by the tokenizers of test/golden.

pip install tokenizers, and npm ci --prefix test/real-data.
"""

import hashlib
import json
import os
import struct

from tokenizers import Tokenizer

FOLDER = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(FOLDER, "node_modules", "@stdlib", "datasets-moby-dick", "data")


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


TEXT = "".join(read(os.path.join(DATA, name)) for name in json.loads(read(os.path.join(DATA, "file_list.json"))))
tokens = {}
for entry in json.loads(read(os.path.join(FOLDER, "..", "golden", "tokenizers.json")))["tokenizers"]:
    ids = Tokenizer.from_str(json.dumps(entry["definition"])).encode(TEXT, add_special_tokens=False).ids
    digest = hashlib.sha256(struct.pack(f"<{len(ids)}i", *ids)).hexdigest()
    tokens[entry["name"]] = {"count": len(ids), "sha256": digest}
with open(os.path.join(FOLDER, "tokens.json"), "w", encoding="utf-8") as file:
    json.dump({"about": "see make_tokens.py; sha256 is of the ids as little-endian int32", "tokens": tokens}, file, indent=2)
    file.write("\n")
