"""Writes orders.json: the order of every sampler, from a second implementation that shares no code with the first."""

import hashlib
import math
import struct

from golden import MASK, uniform, write

ABOUT = (
    "orders: for every sampler (and kind of permutation) the order of 1000 samples, seed 2^40 + 7, epoch 3: its first eight "
    "samples, and the SHA-256 of all as little-endian 32-bit numbers. Classes: -1 for samples = 6 mod 7, else the square mod 3. "
    "Weights: 0 for samples = 1 mod 5, else 1 + sample mod 4. blockShuffled: 3 blocks of 8, ragged: of 7."
)
SIZE, SEED, EPOCH = 1000, 2**40 + 7, 3


def draws(use, stream):
    """The uniform numbers of (seed, use, stream), by index."""
    return uniform(SEED, use, stream)


def shuffled(values, draw, start=0):
    """Fisher-Yates, from the last place down."""
    values = list(values)
    for last in range(len(values) - 1, 0, -1):
        chosen = math.floor(draw(start + last) * (last + 1))
        values[last], values[chosen] = values[chosen], values[last]
    return values


KINDS = [-1 if sample % 7 == 6 else sample * sample % 3 for sample in range(SIZE)]
WEIGHTS = [0 if sample % 5 == 1 else 1 + sample % 4 for sample in range(SIZE)]
CLASSES = [[sample for sample in range(SIZE) if KINDS[sample] == kind] for kind in sorted(set(KINDS))]


def stratified():
    """At every position the class that is due, in time, and whose window ends first; by plain search."""
    draw, tie = draws("stratified", EPOCH), draws("stratified ties", EPOCH)
    starts, members = [], []
    for samples in CLASSES:
        starts.append(sum(map(len, members)))
        members.append(shuffled(samples, draw, starts[-1]))
    taken = [0] * len(CLASSES)
    order = []
    for position in range(SIZE):
        due = [c for c, m in enumerate(members) if taken[c] < len(m) and taken[c] * SIZE // len(m) <= position]
        ends = {c: -(-(taken[c] + 1) * SIZE // len(members[c])) for c in due}
        chosen = min(due, key=lambda c: ends[c] + tie(starts[c] + taken[c]))
        order.append(members[chosen][taken[chosen]])
        taken[chosen] += 1
    return order


def class_balanced():
    rounds, draw = draws("classBalanced rounds", EPOCH), draws("classBalanced", EPOCH)
    order, count = [], len(CLASSES)
    for position in range(SIZE):
        first = position // count * count
        samples = CLASSES[shuffled(range(count), rounds, first)[position % count]]
        order.append(samples[math.floor(draw(position) * len(samples))])
    return order


def weighted():
    """Vose's table: poor cells from the last one filled, rich ones from the smallest number on."""
    total = sum(WEIGHTS)
    share = [weight * (SIZE / total) for weight in WEIGHTS]
    poor = [cell for cell in range(SIZE - 1, -1, -1) if share[cell] < 1]
    rich = [cell for cell in range(SIZE) if share[cell] >= 1]
    alias, first = [0] * SIZE, 0
    while poor and first < len(rich):
        taker, giver = poor.pop(), rich[first]
        alias[taker] = giver
        share[giver] += share[taker] - 1
        if share[giver] < 1:
            first += 1
            poor.append(giver)
    for cell in poor + rich[first:]:
        share[cell] = 1
    draw = draws("weighted", EPOCH)
    order = []
    for position in range(SIZE):
        cell = math.floor(draw(2 * position) * SIZE)
        order.append(cell if draw(2 * position + 1) < share[cell] else alias[cell])
    return order


def block_shuffled(samples_per_block=8, blocks=3):
    """The blocks as lists, pooled and shuffled one pool after the other. 1000 samples are whole blocks of 8, and not of 7."""
    whole, tail = divmod(SIZE, samples_per_block)
    places = shuffled(range(whole), draws("blockShuffled blocks", EPOCH))
    if tail:
        drawn = math.floor(draws("blockShuffled ragged block", EPOCH)(0) * (whole + 1))
        places.insert(min((drawn // blocks + 1) * blocks, whole + 1) - 1, whole)
    order = []
    for pool, start in enumerate(range(0, len(places), blocks)):
        samples = [
            sample
            for block in places[start : start + blocks]
            for sample in range(block * samples_per_block, min((block + 1) * samples_per_block, SIZE))
        ]
        order += shuffled(samples, draws("blockShuffled pool", f"{EPOCH} {pool}"))
    return order


def feistel():
    """Four rounds over the least even number of bits, walked until it lands inside."""
    half = 1
    while 4**half < SIZE:
        half += 1
    draw = draws("feistel", EPOCH)
    keys = [math.floor(draw(index) * 2**32) for index in range(4)]

    def mixed(value, key):
        bits = value ^ key
        bits = (bits ^ bits >> 16) * 0x85EBCA6B & MASK
        bits = (bits ^ bits >> 13) * 0xC2B2AE35 & MASK
        return bits ^ bits >> 16

    def encrypt(value):
        left, right = value >> half, value % 2**half
        for key in keys:
            left, right = right, left ^ mixed(right, key) % 2**half
        return left << half | right

    order = []
    for position in range(SIZE):
        sample = encrypt(position)
        while sample >= SIZE:
            sample = encrypt(sample)
        order.append(sample)
    return order


with_replacement = draws("withReplacement", EPOCH)
orders = {
    "shuffled": shuffled(range(SIZE), draws("shuffle", EPOCH)),
    "feistel": feistel(),
    "withReplacement": [math.floor(with_replacement(position) * SIZE) for position in range(SIZE)],
    "sequential": list(range(SIZE)),
    "stratified": stratified(),
    "classBalanced": class_balanced(),
    "weighted": weighted(),
    "blockShuffled": block_shuffled(),
    "blockShuffled, ragged": block_shuffled(samples_per_block=7),
}
recorded = [
    {"name": name, "first": order[:8], "sha256": hashlib.sha256(struct.pack(f"<{SIZE}I", *order)).hexdigest()}
    for name, order in orders.items()
]
write(__file__, ABOUT, {"orders": recorded})
