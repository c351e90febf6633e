import assert from "node:assert/strict";
import { test } from "node:test";
import { randomSequence } from "../array/random.ts";
import { type Arena, createArena, type Layout, layout } from "./arena.ts";
import { createReduction, maximumLanes, type ReduceCall } from "./reduction.ts";

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

test("any number of lanes gives the tree's bytes and the documented norms, into a lane or apart", () => {
  for (let count = 1; count <= maximumLanes; count++) {
    const { arena, lanes } = filled(places, count, count);
    const expected = treeOf(lanes);
    const [norms, laneNorms] = [normsOf(expected), lanes.map(normsOf)];
    const { reduceTree } = createReduction(arena.memory);
    for (const into of ["apart", `lane ${count - 1}`, "lane 0"]) {
      const last = valuesOf(arena, `lane ${count - 1}`);
      const reduced = reduceTree(callFor(arena, count, { into }));
      const where = `${count} lanes into ${into}`;
      assertBits(valuesOf(arena, into), expected, where);
      assert.deepEqual(reduced, { laneSquaredNorms: laneNorms, squaredNorms: norms, isFinite: true }, where);
      for (const [tensor, values] of last.entries()) values.set(lanes[count - 1]![tensor]!);
    }
  }
});

test("lanes reduced in aligned groups, and their results after that, give the bytes of all at once", () => {
  const small = layout([4096 + 7, 50].map((size, index) => ({ name: `t${index}`, shape: [size] })));
  for (let count = 2; count <= 17; count++) {
    for (const fanIn of [2, 4, 8]) {
      const { arena, lanes } = filled(small, count, 100 + count);
      const reduction = createReduction(arena.memory);
      let offsets = Array.from({ length: count }, (_, lane) => arena.region(`lane ${lane}`).byteOffset);
      while (offsets.length > 1) {
        const groups = Array.from({ length: Math.ceil(offsets.length / fanIn) }, (_, group) =>
          offsets.slice(group * fanIn, (group + 1) * fanIn),
        );
        for (const group of groups) reduction.reduceTree({ lanes: group, into: group[0]!, layout: small });
        offsets = groups.map((group) => group[0]!);
      }
      assertBits(valuesOf(arena, "lane 0"), treeOf(lanes), `${count} lanes by ${fanIn}`);
      const { squaredNorms } = reduction.squaredNorms({ region: offsets[0]!, layout: small });
      assert.deepEqual(squaredNorms, normsOf(treeOf(lanes)));
    }
  }
});

test("measuring less changes nothing of what is measured", () => {
  const { arena, lanes } = filled(places, 3, 5);
  const reduction = createReduction(arena.memory);
  const some = reduction.reduceTree(
    callFor(arena, 3, { into: "apart", measuredLanes: [2], measuresTotal: false }),
  );
  assert.deepEqual(some.laneSquaredNorms, [new Float64Array(0), new Float64Array(0), normsOf(lanes[2]!)]);
  assert.deepEqual(some.squaredNorms, new Float64Array(0));
  assertBits(valuesOf(arena, "apart"), treeOf(lanes), "total");
  const total = reduction.reduceTree(callFor(arena, 3, { into: "apart", measuredLanes: [] }));
  assert.deepEqual(total.squaredNorms, normsOf(treeOf(lanes)));
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

test("one lane that is its own total is only read, and padding counts for nothing", () => {
  const { arena, lanes } = filled(places, 1, 11);
  spoilPadding(arena, "lane 0");
  const before = Uint32Array.from(new Uint32Array(arena.memory.buffer));
  const reduction = createReduction(arena.memory);
  const reduced = reduction.reduceTree(callFor(arena, 1, { into: "lane 0" }));
  assert.deepEqual(reduced.squaredNorms, normsOf(lanes[0]!));
  assert.deepEqual(reduced.laneSquaredNorms, [normsOf(lanes[0]!)]);
  assert.equal(reduction.squaredNorms({ region: 0, layout: places }).isFinite, true);
  assert.deepEqual(new Uint32Array(arena.memory.buffer), before);
});

test("the padding of a total is zero, whatever lies in the padding of the lanes", () => {
  const { arena } = filled(places, 2, 12);
  spoilPadding(arena, "lane 0");
  createReduction(arena.memory).reduceTree(callFor(arena, 2, { into: "apart" }));
  const { floats } = arena.region("apart");
  for (const index of paddingOf(floats.length)) assert.equal(floats[index], 0);
});

test("a total leaves everything outside its own region alone", () => {
  const { arena } = filled(places, 4, 13);
  const { byteOffset, floats } = arena.region("apart");
  const before = Uint8Array.from(new Uint8Array(arena.memory.buffer));
  createReduction(arena.memory).reduceTree(callFor(arena, 4, { into: "apart" }));
  const after = new Uint8Array(arena.memory.buffer);
  assert.deepEqual(after.subarray(0, byteOffset), before.subarray(0, byteOffset));
  const end = byteOffset + floats.byteLength;
  assert.deepEqual(after.subarray(end), before.subarray(end));
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
      for (const measuredLanes of [[0, 1], []]) {
        const { arena } = filled(one, 2, 17);
        arena.region("lane 0").floats[spot] = first;
        arena.region("lane 1").floats[spot] = second;
        const reduced = createReduction(arena.memory).reduceTree(
          callFor(arena, 2, { into: "apart", measuredLanes }),
        );
        assert.equal(reduced.isFinite, false, `${name} at ${spot}, measured ${measuredLanes}`);
      }
    }
  }
  const { arena } = filled(one, 1, 17);
  arena.region("lane 0").floats.fill(3.4028234663852886e38);
  const largest = createReduction(arena.memory).squaredNorms({ region: 0, layout: one });
  assert.equal(largest.isFinite, true);
});

test("calls that cannot be meant are refused", () => {
  const { arena } = filled(places, 2, 1);
  const { reduceTree } = createReduction(arena.memory);
  const bytes = places.floats * 4;
  const call = (lanes: readonly number[], into: number, measuredLanes?: readonly number[]) => () =>
    reduceTree({ lanes, into, layout: places, ...(measuredLanes && { measuredLanes }) });
  assert.throws(call([], 0), {
    message:
      "reduceTree: expected 1 to 8 lanes, got 0. Fix: reduce aligned groups of 8 first, then their results",
  });
  assert.throws(call([0, 64], 0), {
    message:
      `reduceTree: expected byte offsets of regions: multiples of 128, with ${bytes} bytes of the memory behind them, ` +
      "got 64. Fix: pass arena.region(name).byteOffset",
  });
  assert.throws(call([0, 0], 0), {
    message:
      "reduceTree: expected lanes that differ, and a total that is one of them or lies apart, got lanes at 0, 0 into 0. " +
      "Fix: pass each region once",
  });
  assert.throws(call([0], 128), /got lanes at 0 into 128/);
  assert.throws(call([0], 0, [1]), {
    message: "reduceTree: expected measuredLanes out of 0 to 0, got 1. Fix: give positions in lanes",
  });
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

function callFor(
  arena: Arena,
  count: number,
  rest: Omit<Partial<ReduceCall>, "into"> & { into: string },
): ReduceCall {
  return {
    lanes: Array.from({ length: count }, (_, lane) => arena.region(`lane ${lane}`).byteOffset),
    layout: arena.layout,
    ...rest,
    into: arena.region(rest.into).byteOffset,
  };
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
