import assert from "node:assert/strict";
import { test } from "node:test";
import { randomSequence } from "../array/random.ts";
import { type Arena, createArena, type Layout, layout } from "./arena.ts";
import { blocksOf, createReduction, normsOfBlocks } from "./reduction.ts";

/** Tensors around the edges of rows (16 elements) and blocks (4096). */
const sizes = [
  1,
  3,
  4,
  15,
  16,
  17,
  31,
  33,
  100,
  4095,
  4096,
  4097,
  4112,
  8191,
  8193,
  3 * 4096 + 1,
  7 * 4096 + 5,
];
const places = layout(sizes.map((size, index) => ({ name: `t${index}`, shape: [size] })));

test("a region that is added to another changes that one alone, and leaves its padding zero", () => {
  const { arena, lanes } = filled(places, 2, 2);
  spoilPadding(arena, "lane 1");
  const [into, from] = [offsetOf(arena, "lane 1"), offsetOf(arena, "lane 0")];
  const before = Uint8Array.from(new Uint8Array(arena.memory.buffer));
  createReduction(arena.memory).add({ into, from, layout: places });
  assertBits(valuesOf(arena, "lane 1"), treeOf([lanes[1]!, lanes[0]!]), "the sum");
  const { floats } = arena.region("lane 1");
  for (const { offset, elements } of places.tensors) {
    // The kernels work in rows of 16; what lies behind the last row of a tensor is nobody's.
    const end = offset + Math.ceil(elements / 16) * 16;
    for (let at = offset + elements; at < end; at++) assert.equal(floats[at], 0);
  }
  const after = new Uint8Array(arena.memory.buffer);
  assert.deepEqual(after.subarray(0, into), before.subarray(0, into));
  const end = into + floats.byteLength;
  assert.deepEqual(after.subarray(end), before.subarray(end));
});

test("blocks in any parts and order give the bytes of whole regions and the norms of their total", () => {
  const blocks = blocksOf(places);
  for (const additions of [
    [],
    [[0, 1]],
    [
      [2, 3],
      [0, 1],
      [0, 2],
    ],
  ]) {
    const { arena } = filled(places, 4, 5);
    const { arena: whole } = filled(places, 4, 5);
    const at = additions.map(([into, from]) => ({
      into: offsetOf(arena, `lane ${into}`),
      from: offsetOf(arena, `lane ${from}`),
    }));
    const reduction = createReduction(whole.memory);
    for (const addition of at) reduction.add({ ...addition, layout: places });
    const squares = new Float64Array(blocks.count);
    const { reduceBlocks } = createReduction(arena.memory);
    for (const [from, to] of [
      [20, blocks.count],
      [0, 3],
      [4, 20],
      [3, 4],
    ] as const)
      reduceBlocks({ additions: at, total: 0, blocks, from, to, squares });
    const where = `${at.length} additions`;
    assertBits(valuesOf(arena, "lane 0"), valuesOf(whole, "lane 0"), where);
    const norms = normsOfBlocks(blocks, squares);
    assert.deepEqual(norms, { squaredNorms: normsOf(valuesOf(whole, "lane 0")), isFinite: true }, where);
    assert.deepEqual(reduction.squaredNorms({ region: 0, layout: places }), norms, where);
  }
});

test("the blocks of a tensor are added in the tree, however many there are", () => {
  const counts = Array.from({ length: 20 }, (_, index) => index + 1);
  const where = layout(counts.map((blocks) => ({ name: `${blocks} blocks`, shape: [blocks * 4096 - 5] })));
  const { arena, lanes } = filled(where, 1, 21);
  const draw = randomSequence(21, "test", "block sizes");
  // Blocks of different weight: without them most orders round alike.
  for (const values of lanes[0]!) {
    values.forEach((value, index) => {
      values[index] = Math.fround(value * 100 ** draw(Math.floor(index / 4096)));
    });
  }
  valuesOf(arena, "lane 0").forEach((values, tensor) => {
    values.set(lanes[0]![tensor]!);
  });
  const { squaredNorms } = createReduction(arena.memory).squaredNorms({ region: 0, layout: where });
  assert.deepEqual(squaredNorms, normsOf(lanes[0]!));
});

test("squared norms are the sums of squares", () => {
  const { arena, lanes } = filled(places, 1, 9);
  const { squaredNorms } = createReduction(arena.memory).squaredNorms({ region: 0, layout: places });
  lanes[0]!.forEach((values, tensor) => {
    const plain = values.reduce((sum, value) => sum + value * value, 0);
    // Two orders of n float64 additions of positive numbers differ by less than n · 2⁻⁵³.
    assert.ok(
      Math.abs(squaredNorms[tensor]! - plain) <= plain * values.length * 2 ** -53,
      `tensor ${tensor}`,
    );
  });
});

test("measuring only reads, and padding counts for nothing", () => {
  const { arena, lanes } = filled(places, 1, 11);
  spoilPadding(arena, "lane 0");
  const before = Uint32Array.from(new Uint32Array(arena.memory.buffer));
  const measured = createReduction(arena.memory).squaredNorms({ region: 0, layout: places });
  assert.deepEqual(measured, { squaredNorms: normsOf(lanes[0]!), isFinite: true });
  assert.deepEqual(new Uint32Array(arena.memory.buffer), before);
});

test("NaN or infinity anywhere, also where lanes cancel or overflow, is seen", () => {
  const size = 4096 + 21;
  const one = layout([{ name: "x", shape: [size] }]);
  const spots = [0, 15, 16, 4095, 4096, size - 2, size - 1];
  const cases: readonly (readonly [string, number, number])[] = [
    ["NaN", Number.NaN, 1],
    ["infinity", 0, Number.POSITIVE_INFINITY],
    ["lanes that cancel", Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
    ["a sum that overflows", 3e38, 3e38],
  ];
  for (const [name, first, second] of cases) {
    for (const spot of spots) {
      const { arena } = filled(one, 2, 17);
      arena.region("lane 0").floats[spot] = first;
      arena.region("lane 1").floats[spot] = second;
      const reduction = createReduction(arena.memory);
      reduction.add({ into: 0, from: offsetOf(arena, "lane 1"), layout: one });
      const measured = reduction.squaredNorms({ region: 0, layout: one });
      assert.equal(measured.isFinite, false, `${name} at ${spot}`);
    }
  }
  const { arena } = filled(one, 1, 17);
  arena.region("lane 0").floats.fill(3.4028234663852886e38);
  const largest = createReduction(arena.memory).squaredNorms({ region: 0, layout: one });
  assert.equal(largest.isFinite, true);
});

test("calls that cannot be meant are refused", () => {
  const { arena } = filled(places, 2, 1);
  const { add, reduceBlocks, squaredNorms } = createReduction(arena.memory);
  const bytes = places.floats * 4;
  const expected = `byte offsets of regions: multiples of 128, with ${bytes} bytes of the memory behind them`;
  assert.throws(() => squaredNorms({ region: 64, layout: places }), {
    message: `reduction.squaredNorms: expected ${expected}, got 64. Fix: pass arena.region(name).byteOffset`,
  });
  const end = Math.floor((arena.memory.buffer.byteLength - bytes) / 128) * 128 + 128;
  for (const outside of [-128, end, Number.NaN])
    assert.throws(() => add({ into: 0, from: outside, layout: places }), {
      message: `reduction.add: expected ${expected}, got ${outside}. Fix: pass arena.region(name).byteOffset`,
    });
  for (const from of [0, 128])
    assert.throws(() => add({ into: 0, from, layout: places }), {
      message: `reduction.add: expected two regions that lie apart, got ${from} to be added into 0. Fix: pass each region once`,
    });
  const blocks = blocksOf(places);
  const part = { blocks, from: 0, to: blocks.count, squares: new Float64Array(blocks.count) };
  assert.throws(
    () => reduceBlocks({ ...part, additions: [], total: 64 }),
    /^MicrobatchError: reduction.reduceBlocks: .* got 64/,
  );
  assert.throws(
    () => reduceBlocks({ ...part, additions: [{ into: 0, from: 0 }], total: 0 }),
    /got 0 to be added into 0/,
  );
});

/** A lane's tensors, as plain arrays. */
type Values = readonly Float32Array[];

function filled(where: Layout, count: number, seed: number): { arena: Arena; lanes: Values[] } {
  const names = Array.from({ length: count }, (_, lane) => `lane ${lane}`);
  const arena = createArena({ layout: where, regions: [...names, "apart", "behind"] });
  const lanes = names.map((name) => {
    const draw = randomSequence(seed, "test", name);
    let at = 0;
    for (const { data } of arena.region(name).tensors.values()) {
      // Magnitudes from 1e-30 to 1e6: in most sums the order of additions shows.
      for (let index = 0; index < data.length; index++)
        data[index] = (draw(at++) - 0.5) * 10 ** (6 - 36 * draw(at++) ** 4);
    }
    return valuesOf(arena, name).map((values) => values.slice());
  });
  return { arena, lanes };
}

function paddingOf(floats: number): number[] {
  const isPadding = new Array<boolean>(floats).fill(true);
  for (const { offset, elements } of places.tensors) isPadding.fill(false, offset, offset + elements);
  return isPadding.flatMap((is, index) => (is ? [index] : []));
}

function spoilPadding(arena: Arena, name: string): void {
  const { floats } = arena.region(name);
  for (const index of paddingOf(floats.length)) floats[index] = Number.NaN;
}

function valuesOf(arena: Arena, name: string): Values {
  return [...arena.region(name).tensors.values()].map(({ data }) => data as Float32Array); // arenas hold float32
}

function offsetOf(arena: Arena, name: string): number {
  return arena.region(name).byteOffset;
}

/** The tree of the architecture, written the other way round: from the definition, not from a counter. */
function tree<T>(values: readonly T[], add: (a: T, b: T) => T): T {
  if (values.length === 1) return values[0]!;
  const half = 2 ** Math.floor(Math.log2(values.length - 1));
  return add(tree(values.slice(0, half), add), tree(values.slice(half), add));
}

function treeOf(lanes: readonly Values[]): Values {
  return tree(lanes, (a, b) =>
    a.map((values, tensor) => values.map((value, index) => Math.fround(value + b[tensor]![index]!))),
  );
}

function normsOf(values: Values): Float64Array {
  return Float64Array.from(values, (tensor) => {
    const blocks = Array.from({ length: Math.ceil(tensor.length / 4096) }, (_, block) =>
      tensor.subarray(block * 4096, block * 4096 + 4096),
    );
    return tree(blocks.map(blockNorm), (a, b) => a + b);
  });
}

function blockNorm(block: Float32Array): number {
  const accumulators = new Float64Array(16);
  block.forEach((value, index) => {
    accumulators[index % 16]! += value * value;
  });
  const parity = (which: number) => accumulators.filter((_, index) => index % 2 === which);
  const [even, odd] = [0, 1].map((which) => tree([...parity(which)], (a, b) => a + b));
  return even! + odd!;
}

function assertBits(actual: Values, expected: Values, where: string): void {
  actual.forEach((values, tensor) => {
    const wrong = values.findIndex((value, index) => !Object.is(value, expected[tensor]![index]));
    assert.equal(
      wrong,
      -1,
      `${where}: tensor ${tensor}, element ${wrong}: ${values[wrong]}, ${expected[tensor]![wrong]}`,
    );
  });
}
