/**
 * Adds lane sums in one fixed binary tree and measures them on the way. Neither depends on who calls it, on how many
 * lanes are passed at once, or on the machine's number of cores.
 *
 * Sum of n lanes: tree(n) = tree(p) + tree(n − p) with p the largest power of two below n, so ((l₀+l₁)+(l₂+l₃))+…, in
 * float32. Aligned groups of 2, 4 or 8 lanes may be reduced first and their results later: the bytes are the same.
 *
 * Squared norm of a tensor: float64. Element i of a block of 4096, counted from the tensor's start, is squared and added
 * to accumulator i mod 16; the accumulators are added as tree(8) of pairs, then the pair; the blocks as tree(blocks).
 * Squares of float32 cannot overflow float64, so a norm is finite exactly when every element is.
 */
import { fail } from "../errors.ts";
import { alignBytes, type Layout, type Place } from "./arena.ts";
import {
  type Code,
  encodeWasm,
  extractF64,
  type FunctionContext,
  type FunctionParts,
  get,
  i32,
  i32x4,
  increase,
  type Local,
  load,
  op,
  repeatWhile,
  set,
  shuffle,
  store,
  when,
} from "./wasm.ts";

/** The most lanes one call adds. More would not save memory traffic worth having, and take registers. */
export const maximumLanes = 8;

/** One reduction. */
export interface ReduceCall {
  /** Where 1 to 8 regions with lane sums start, in bytes, in lane order. */
  readonly lanes: readonly number[];
  /** Where the total goes: one of the lanes, or a region apart from them. One lane that is its own total is not written. */
  readonly into: number;
  readonly layout: Layout;
  /** Which of `lanes` to measure, by position. Default: all. Those that are sums of lanes already need no norms. */
  readonly measuredLanes?: readonly number[];
  /** Whether to measure the total. Default true; only the last of several reductions needs it. */
  readonly measuresTotal?: boolean;
}

/** Squared norms, one per tensor of the layout. */
export interface Norms {
  readonly squaredNorms: Float64Array;
  /** False where an element is NaN or infinite. */
  readonly isFinite: boolean;
}

/** What a reduction found out. */
export interface Reduced extends Norms {
  /** Per lane, per tensor; empty for lanes that were not measured. */
  readonly laneSquaredNorms: readonly Float64Array[];
  /** Of the total; empty if it was not measured. */
  readonly squaredNorms: Float64Array;
  /** False where a measured element is NaN or infinite. What is not finite in a lane is not finite in the total. */
  readonly isFinite: boolean;
}

/** A part of what is left of a reduction, for threads that divide it among them. */
export interface BlocksCall {
  /** Pairs of regions, by where they start in bytes: each adds `from` to `into`, one after another. */
  readonly additions: readonly { readonly into: number; readonly from: number }[];
  /** The region in which the total then lies; without additions it is only measured. */
  readonly total: number;
  readonly blocks: Blocks;
  /** From this block on, up to, not including, the other. */
  readonly from: number;
  readonly to: number;
  /** Takes the squared norm of each block of the total, at the block's number. */
  readonly squares: Float64Array<ArrayBufferLike>;
}

/** The blocks of a layout, in order: where they start and how many elements they have. */
export interface Blocks {
  readonly layout: Layout;
  readonly count: number;
  /** Elements from the start of a region. */
  readonly offsets: Float64Array;
  readonly elements: Int32Array;
}

/** Reductions over one memory. Each thread makes its own. */
export interface Reduction {
  /** Adds some blocks of regions and measures their total. Blocks done by whomever give what reduceTree gives. */
  reduceBlocks(call: BlocksCall): void;
  /** Adds lanes and measures them: each is read once from memory, the total is written once. */
  reduceTree(call: ReduceCall): Reduced;
  /** Measures a region without writing. */
  squaredNorms(call: { readonly region: number; readonly layout: Layout }): Norms;
}

/** Compiles the reduction for a shared memory. */
export function createReduction(memory: WebAssembly.Memory): Reduction {
  const module = new WebAssembly.Module(reductionBytes());
  // Written below, under these names.
  const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
  const reduceTree = (call: ReduceCall) => {
    checkCall(call, memory.buffer.byteLength);
    return reduce(kernels, call);
  };
  return {
    reduceTree,
    reduceBlocks: ({ additions, total, blocks, from, to, squares }) => {
      const { layout } = blocks;
      checkCall({ lanes: [total], into: total, layout }, memory.buffer.byteLength);
      for (const { into, from: added } of additions)
        checkCall({ lanes: [into, added], into, layout }, memory.buffer.byteLength);
      for (let block = from; block < to; block++) {
        const [start, elements] = [blocks.offsets[block]! * 4, blocks.elements[block]!];
        for (const { into, from: added } of additions)
          kernels.add2(elements, into + start, into + start, added + start);
        squares[block] = kernels.squaredNorm(total + start, elements);
      }
    },
    squaredNorms: ({ region, layout }) => {
      const reduced = reduceTree({ lanes: [region], into: region, layout, measuredLanes: [] });
      return { squaredNorms: reduced.squaredNorms, isFinite: reduced.isFinite };
    },
  };
}

/** The blocks of a layout. */
export function blocksOf(layout: Layout): Blocks {
  const offsets: number[] = [];
  const elements: number[] = [];
  for (const tensor of layout.tensors) {
    for (let at = 0; at < tensor.elements; at += blockElements) {
      offsets.push(tensor.offset + at);
      elements.push(Math.min(blockElements, tensor.elements - at));
    }
  }
  return {
    layout,
    count: offsets.length,
    offsets: Float64Array.from(offsets),
    elements: Int32Array.from(elements),
  };
}

/** The squared norms of tensors from those of their blocks, added as reduceTree adds them. */
export function normsOfBlocks({ layout }: Blocks, squares: Float64Array<ArrayBufferLike>): Norms {
  let block = 0;
  const squaredNorms = Float64Array.from(layout.tensors, ({ elements }) => {
    const sum = new PairwiseSum();
    for (let at = 0; at < elements; at += blockElements) sum.add(squares[block++]!);
    return sum.take();
  });
  return { squaredNorms, isFinite: squaredNorms.every(Number.isFinite) };
}

/** Elements per block: 16 KiB, so that a block that was measured is still near when it is added. */
const blockElements = 4096;

type AddKernel = (elements: number, into: number, ...lanes: number[]) => void;
interface Kernels {
  squaredNorm(address: number, elements: number): number;
  readonly [add: `add${number}`]: AddKernel;
}

function reduce(kernels: Kernels, call: ReduceCall): Reduced {
  const { lanes, into, layout, measuresTotal = true } = call;
  const measured = call.measuredLanes ?? lanes.map((_, lane) => lane);
  const isAlone = lanes.length === 1 && lanes[0] === into;
  const isMeasured = isAlone && measured.length === 1; // the lane is the total
  const add = kernels[`add${lanes.length}`]!;
  const laneSums = lanes.map(() => new PairwiseSum());
  const totalSum = new PairwiseSum();
  const laneSquaredNorms = lanes.map(
    (_, lane) => new Float64Array(measured.includes(lane) ? layout.tensors.length : 0),
  );
  const squaredNorms = new Float64Array(measuresTotal ? layout.tensors.length : 0);
  const addresses = new Array<number>(lanes.length).fill(0);

  const reduceBlock = (start: number, elements: number): void => {
    for (const lane of measured) laneSums[lane]!.add(kernels.squaredNorm(lanes[lane]! + start, elements));
    if (!isAlone) {
      for (let lane = 0; lane < lanes.length; lane++) addresses[lane] = lanes[lane]! + start;
      add(elements, into + start, ...addresses);
    }
    if (measuresTotal && !isMeasured) totalSum.add(kernels.squaredNorm(into + start, elements));
  };

  layout.tensors.forEach(({ offset, elements }: Place, tensor) => {
    for (let at = 0; at < elements; at += blockElements) {
      reduceBlock((offset + at) * 4, Math.min(blockElements, elements - at));
    }
    for (const lane of measured) laneSquaredNorms[lane]![tensor] = laneSums[lane]!.take();
    if (measuresTotal) {
      squaredNorms[tensor] = isMeasured ? laneSquaredNorms[0]![tensor]! : totalSum.take();
    }
  });
  const norms = [squaredNorms, ...laneSquaredNorms];
  return { laneSquaredNorms, squaredNorms, isFinite: norms.every((some) => some.every(Number.isFinite)) };
}

/** Adds numbers in the fixed tree, one after another: like a binary counter, it keeps one sum per bit. */
class PairwiseSum {
  readonly #parts: number[] = [];
  #count = 0;

  add(value: number): void {
    let sum = value;
    for (let bits = this.#count; bits & 1; bits >>= 1) sum = this.#parts.pop()! + sum;
    this.#parts.push(sum);
    this.#count++;
  }

  /** The sum; starts again at nothing. */
  take(): number {
    let sum = this.#parts.pop() ?? 0;
    while (this.#parts.length > 0) sum = this.#parts.pop()! + sum;
    this.#count = 0;
    return sum;
  }
}

function checkCall({ lanes, into, layout, measuredLanes = [] }: ReduceCall, bytes: number): void {
  const where = "reduceTree";
  if (lanes.length < 1 || lanes.length > maximumLanes) {
    fail(where, {
      expected: `1 to ${maximumLanes} lanes`,
      got: String(lanes.length),
      fix: `reduce aligned groups of ${maximumLanes} first, then their results`,
    });
  }
  const size = layout.floats * 4;
  const wrong = [...lanes, into].find((at) => !(at >= 0 && at % alignBytes === 0 && at + size <= bytes));
  if (wrong !== undefined) {
    fail(where, {
      expected: `byte offsets of regions: multiples of ${alignBytes}, with ${size} bytes of the memory behind them`,
      got: String(wrong),
      fix: "pass arena.region(name).byteOffset",
    });
  }
  const clash = lanes.find(
    (at, lane) => lanes.indexOf(at) !== lane || (at !== into && Math.abs(at - into) < size),
  );
  if (clash !== undefined) {
    fail(where, {
      expected: "lanes that differ, and a total that is one of them or lies apart",
      got: `lanes at ${lanes.join(", ")} into ${into}`,
      fix: "pass each region once",
    });
  }
  const unknown = measuredLanes.find((lane) => lanes[lane] === undefined);
  if (unknown !== undefined) {
    fail(where, {
      expected: `measuredLanes out of 0 to ${lanes.length - 1}`,
      got: String(unknown),
      fix: "give positions in lanes",
    });
  }
}

/** The module: squaredNorm, and add1 … add8. */
function reductionBytes(): Uint8Array<ArrayBuffer> {
  const adds = Array.from(
    { length: maximumLanes },
    (_, index): FunctionParts => ({
      name: `add${index + 1}`,
      parameters: ["i32", "i32", ...new Array(index + 1).fill("i32")],
      results: [],
      body: writeAdd,
    }),
  );
  return encodeWasm({
    memory: "shared",
    functions: [
      { name: "squaredNorm", parameters: ["i32", "i32"], results: ["f64"], body: writeSquaredNorm },
      ...adds,
    ],
  });
}

/** Four vectors. Tensors start at rows and end with padding up to one, so a row may always be read whole. */
const rowBytes = 64;
const vectorsPerRow = 4;

function writeSquaredNorm(context: FunctionContext): Code[] {
  const [address, elements] = context.parameters as readonly [Local, Local]; // declared above
  const values = context.local("v128");
  const pair = context.local("v128");
  const accumulators = Array.from({ length: 2 * vectorsPerRow }, () => context.local("v128"));
  const addSquare = (into: Local, two: Code): Code[] => [
    set(pair, op("f64x2.promote_low_f32x4", two)),
    set(into, op("f64x2.add", get(into), op("f64x2.mul", get(pair), get(pair)))),
  ];
  const row = (mask?: (vector: number) => Code): Code[] =>
    rowVectors.flatMap((vector) => {
      const [lower, upper] = [accumulators[2 * vector]!, accumulators[2 * vector + 1]!];
      const at = vector * 16;
      if (mask === undefined) {
        // Two loads of two elements cost less than one load and a shuffle: V8 fuses them with the promotion.
        return [
          ...addSquare(lower, load("v128.load64_zero", get(address), at)),
          ...addSquare(upper, load("v128.load64_zero", get(address), at + 8)),
        ];
      }
      return [
        set(values, op("v128.and", load("v128.load", get(address), at), mask(vector))),
        ...addSquare(lower, get(values)),
        ...addSquare(upper, shuffle(get(values), get(values), upperHalf)),
      ];
    });
  const sum = tree(
    accumulators.map((accumulator) => get(accumulator)),
    (a, b) => op("f64x2.add", a, b),
  );
  return [
    ...writeRows(context, elements, [address], row),
    set(pair, sum),
    op("f64.add", extractF64(get(pair), 0), extractF64(get(pair), 1)),
  ];
}

function writeAdd(context: FunctionContext): Code[] {
  const [elements, into, ...lanes] = context.parameters as readonly [Local, Local, ...Local[]]; // declared above
  const row = (mask?: (vector: number) => Code): Code[] =>
    rowVectors.map((vector) => {
      const sum = tree(
        lanes.map((lane) => load("v128.load", get(lane), vector * 16)),
        (a, b) => op("f32x4.add", a, b),
      );
      return store("v128.store", get(into), mask ? op("v128.and", sum, mask(vector)) : sum, vector * 16);
    });
  return writeRows(context, elements, [into, ...lanes], row);
}

const rowVectors = Array.from({ length: vectorsPerRow }, (_, vector) => vector);
const upperHalf = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15];

/** All whole rows, then what is left of the last one, with the padding masked to zero. */
function writeRows(
  context: FunctionContext,
  elements: Local,
  pointers: readonly Local[],
  row: (mask?: (vector: number) => Code) => Code[],
): Code[] {
  const rows = context.local("i32");
  const left = op("i32.and", get(elements), i32(15));
  const mask = (vector: number): Code => {
    const first = vector * 4;
    return op("i32x4.lt_s", i32x4(first, first + 1, first + 2, first + 3), op("i32x4.splat", left));
  };
  return [
    set(rows, op("i32.shr_u", get(elements), i32(4))),
    repeatWhile(
      get(rows),
      ...row(),
      ...pointers.map((pointer) => increase(pointer, rowBytes)),
      increase(rows, -1),
    ),
    when(left, ...row(mask)),
  ];
}

/** The fixed tree over expressions. */
function tree(values: readonly Code[], add: (a: Code, b: Code) => Code): Code {
  if (values.length === 1) return values[0]!;
  let half = 1;
  while (half * 2 < values.length) half *= 2;
  return add(tree(values.slice(0, half), add), tree(values.slice(half), add));
}
