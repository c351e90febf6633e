"""Writes tokenizers.json: small tokenizers of each kind, and what Hugging Face's own library makes of texts by them."""

import json
import os
import sys

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

FOLDER = os.path.dirname(os.path.abspath(__file__))
ABOUT = (
    "tokenizers: definition is a tokenizer.json, trained on loomings.txt (the first chapter of Moby-Dick, 1851, in the public "
    "domain); long holds the ids of the first 4000 characters of that file; cases holds ids and decoded texts of shorter ones, "
    "special tokens kept. words: the pieces into which a pre_tokenizer cuts a text (behind a normalizer)."
)
with open(os.path.join(FOLDER, "loomings.txt"), encoding="utf-8") as file:
    LOOMINGS = file.read()
TEXTS = [
    "Call me Ishmael.",
    " two  blanks, a\ttab\n\nand lines \r\nof every kind.\n",
    "It's 1851—they'd say 12,345 times: don't! (Why?)",
    "naïve café, Ünïcödé, 鯨 クジラ, кит, 🐳🐋, e\u0301",
    "before<|end|>after <|end|> x",
]
GPT_4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def trained(tokenizer, trainer):
    tokenizer.train_from_iterator([LOOMINGS], trainer)
    tokenizer.add_special_tokens([AddedToken("<|end|>", special=True)])
    return tokenizer


def byte_level(pre_tokenizer):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return trained(tokenizer, trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, show_progress=False))


def like_gpt_2():
    return byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False))


def like_gpt_4():
    split = pre_tokenizers.Split(Regex(GPT_4), behavior="isolated")
    rest = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return byte_level(pre_tokenizers.Sequence([split, rest]))


def like_bert():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(cleanup=False)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer = trained(tokenizer, trainers.WordPieceTrainer(vocab_size=250, special_tokens=special, show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    return tokenizer


def like_t5():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<pad>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=250, special_tokens=special, unk_token="<unk>", show_progress=False)
    return trained(tokenizer, trainer)


def like_llama_2():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    # Trained on words, since a trainer would otherwise take the whole text for one.
    words = Tokenizer(models.BPE(unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<unk>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    words.train_from_iterator(
        [LOOMINGS.replace("\n", " ")], trainers.BpeTrainer(vocab_size=350, special_tokens=special, show_progress=False)
    )
    model = json.loads(words.to_str())["model"]
    definition = json.loads(tokenizer.to_str())
    definition["model"].update(vocab=model["vocab"], merges=model["merges"])
    definition["added_tokens"] = [token for token in definition["added_tokens"] if token["id"] == 0]
    tokenizer = Tokenizer.from_str(json.dumps(definition))
    tokenizer.add_special_tokens([AddedToken("<|end|>", special=True)])
    return tokenizer


def whole_words():
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return trained(tokenizer, trainers.WordLevelTrainer(vocab_size=200, special_tokens=["[UNK]"], show_progress=False))


def words():
    """Rules that libraries differ in, on texts that show it."""
    hyphens = "the-final--countdown- x"
    mixed = "Straße 3²½ x_y, ΟΔΟΣ été!? (á) １２३ end."
    split = pre_tokenizers.Split
    behaviors = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
    cases = [(split("-", behavior), hyphens) for behavior in behaviors]
    cases += [(split(Regex("-|n"), behavior), hyphens) for behavior in behaviors]
    cases += [(split(Regex("[a-z]+"), behavior, invert=True), hyphens) for behavior in ["removed", "isolated"]]
    cases += [(split(" ", "merged_with_previous"), " two  blanks end "), (split(".", "isolated"), "a.b..c")]
    cases += [(pre_tokenizers.Punctuation(behavior), mixed) for behavior in behaviors]
    cases += [(pre_tokenizers.Digits(individual_digits=each), mixed) for each in (False, True)]
    cases += [(pre_tokenizers.Whitespace(), mixed), (pre_tokenizers.WhitespaceSplit(), mixed)]
    cases += [(pre_tokenizers.BertPreTokenizer(), mixed), (pre_tokenizers.FixedLength(4), "🐳🐋 whales")]
    for scheme in ["always", "first", "never"]:
        for is_split in [True, False]:
            cases.append((pre_tokenizers.Metaspace(prepend_scheme=scheme, split=is_split), "two  blanks end "))
    cases.append((pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(True)]), mixed))
    for pre_tokenizer, text in cases:
        yield word_case(None, pre_tokenizer, text)
    for normalizer in [normalizers.Lowercase(), normalizers.BertNormalizer(lowercase=True), normalizers.StripAccents()]:
        yield word_case(normalizer, pre_tokenizers.WhitespaceSplit(), mixed)


def word_case(normalizer, pre_tokenizer, text):
    tokenizer = Tokenizer(models.WordLevel({"x": 0}, unk_token="x"))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    definition = json.loads(tokenizer.to_str())
    normal = text if normalizer is None else normalizer.normalize_str(text)
    cut = [word for word, _ in pre_tokenizer.pre_tokenize_str(normal)]
    return {"normalizer": definition["normalizer"], "pre_tokenizer": definition["pre_tokenizer"], "text": text, "words": cut}


def case(tokenizer, text):
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    return {"text": text, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False)}


def main():
    made = {
        "like GPT-2": like_gpt_2(),
        "like GPT-4": like_gpt_4(),
        "like BERT": like_bert(),
        "like T5": like_t5(),
        "like Llama 2": like_llama_2(),
        "whole words": whole_words(),
    }
    items = []
    for name, tokenizer in made.items():
        definition = json.loads(tokenizer.to_str())
        tokenizer.no_padding()
        items.append(
            {
                "name": name,
                "definition": definition,
                "long": tokenizer.encode(LOOMINGS[:4000], add_special_tokens=False).ids,
                "cases": [case(tokenizer, text) for text in TEXTS],
            }
        )
    compact = {"ensure_ascii": False, "separators": (",", ":")}
    versions = {"python": sys.version.split()[0], "tokenizers": tokenizers.__version__}
    head = {"about": ABOUT, "generator": os.path.basename(__file__), "versions": versions}
    parts = [json.dumps(key) + ":" + json.dumps(value, **compact) for key, value in head.items()]
    for key, value in [("tokenizers", items), ("words", list(words()))]:
        parts.append(json.dumps(key) + ":[\n" + ",\n".join(json.dumps(item, **compact) for item in value) + "\n]")
    with open(os.path.join(FOLDER, "tokenizers.json"), "w", encoding="utf-8", newline="\n") as file:
        file.write("{\n" + ",\n".join(parts) + "\n}\n")


main()
