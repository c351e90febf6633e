/**
 * Adds lane sums in float32, two at a time, and measures them. Nothing depends on who calls it or on the machine's number
 * of cores; in which order lanes are added is the business of `parallel/lanes`.
 *
 * Squared norm of a tensor: float64. Element i of a block of 4096, counted from the tensor's start, is squared and added
 * to accumulator i mod 16; the accumulators are added as tree(8) of pairs, then the pair; the blocks as tree(blocks), where
 * tree(n) = tree(p) + tree(n − p) with p the largest power of two below n. Squares of float32 cannot overflow float64, so
 * a norm is finite exactly when every element is.
 */
import { fail } from "../errors.ts";
import { alignBytes, type Layout } from "./arena.ts";
import {
  type Code,
  encodeWasm,
  extractF64,
  type FunctionContext,
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

/** Two regions of one layout, by where they start in bytes: `from` is added to `into`. */
interface Addition {
  readonly into: number;
  readonly from: number;
}

/** Squared norms, one per tensor of the layout. */
export interface Norms {
  readonly squaredNorms: Float64Array;
  /** False where an element is NaN or infinite. */
  readonly isFinite: boolean;
}

/** A part of what is left of a reduction, for threads that divide it among them. */
export interface BlocksCall {
  /** Made one after another. */
  readonly additions: readonly Addition[];
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
  /** Adds one region to another. The padding of the sum is zero. */
  add(call: Addition & { readonly layout: Layout }): void;
  /** Adds some blocks of regions and measures their total, which so is read from memory only once. */
  reduceBlocks(call: BlocksCall): void;
  /** Measures a region without writing. */
  squaredNorms(call: { readonly region: number; readonly layout: Layout }): Norms;
}

/** Compiles the reduction for a shared memory. */
export function createReduction(memory: WebAssembly.Memory): Reduction {
  const module = new WebAssembly.Module(reductionBytes());
  // Written below, under these names.
  const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
  const check = (where: string, regions: readonly number[], layout: Layout) =>
    checkRegions(where, regions, layout.floats * 4, memory.buffer.byteLength);
  return {
    add: ({ into, from, layout }) => {
      check("reduction.add", [into, from], layout);
      for (const { offset, elements } of layout.tensors)
        kernels.add(into + 4 * offset, from + 4 * offset, elements);
    },
    reduceBlocks: ({ additions, total, blocks, from, to, squares }) => {
      check("reduction.reduceBlocks", [total], blocks.layout);
      for (const addition of additions)
        check("reduction.reduceBlocks", [addition.into, addition.from], blocks.layout);
      for (let block = from; block < to; block++) {
        const [start, elements] = [blocks.offsets[block]! * 4, blocks.elements[block]!];
        for (const addition of additions) kernels.add(addition.into + start, addition.from + start, elements);
        squares[block] = kernels.squaredNorm(total + start, elements);
      }
    },
    squaredNorms: ({ region, layout }) => {
      check("reduction.squaredNorms", [region], layout);
      return normsOf(layout, (offset, elements) => kernels.squaredNorm(region + 4 * offset, elements));
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

/** The squared norms of tensors from those of their blocks. */
export function normsOfBlocks({ layout }: Blocks, squares: Float64Array<ArrayBufferLike>): Norms {
  let block = 0;
  return normsOf(layout, () => squares[block++]!);
}

/** Adds up the blocks of each tensor, in order; `squaredNorm` gives that of a block, by where it starts and its elements. */
function normsOf({ tensors }: Layout, squaredNorm: (offset: number, elements: number) => number): Norms {
  const squaredNorms = Float64Array.from(tensors, ({ offset, elements }) => {
    const sum = new PairwiseSum();
    for (let at = 0; at < elements; at += blockElements)
      sum.add(squaredNorm(offset + at, Math.min(blockElements, elements - at)));
    return sum.sum();
  });
  return { squaredNorms, isFinite: squaredNorms.every(Number.isFinite) };
}

/** Elements per block: 16 KiB, so that a block that was measured is still near when it is added. */
const blockElements = 4096;

interface Kernels {
  squaredNorm(address: number, elements: number): number;
  add(into: number, from: number, elements: number): void;
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

  sum(): number {
    return this.#parts.reduceRight((right, left) => left + right, 0);
  }
}

function checkRegions(where: string, regions: readonly number[], size: number, bytes: number): void {
  const wrong = regions.find((at) => !(at >= 0 && at % alignBytes === 0 && at + size <= bytes));
  if (wrong !== undefined) {
    fail(where, {
      expected: `byte offsets of regions: multiples of ${alignBytes}, with ${size} bytes of the memory behind them`,
      got: String(wrong),
      fix: "pass arena.region(name).byteOffset",
    });
  }
  const [into, from] = regions;
  if (into !== undefined && from !== undefined && Math.abs(into - from) < size) {
    fail(where, {
      expected: "two regions that lie apart",
      got: `${from} to be added into ${into}`,
      fix: "pass each region once",
    });
  }
}

/** The module with the two kernels. */
function reductionBytes(): Uint8Array<ArrayBuffer> {
  return encodeWasm({
    memory: "shared",
    functions: [
      { name: "squaredNorm", parameters: ["i32", "i32"], results: ["f64"], body: writeSquaredNorm },
      { name: "add", parameters: ["i32", "i32", "i32"], results: [], body: writeAdd },
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
  return [
    ...writeRows(context, elements, [address], row),
    set(pair, sumOfAll(accumulators)),
    op("f64.add", extractF64(get(pair), 0), extractF64(get(pair), 1)),
  ];
}

function writeAdd(context: FunctionContext): Code[] {
  const [into, from, elements] = context.parameters as readonly [Local, Local, Local]; // declared above
  const row = (mask?: (vector: number) => Code): Code[] =>
    rowVectors.map((vector) => {
      const at = vector * 16;
      const sum = op("f32x4.add", load("v128.load", get(into), at), load("v128.load", get(from), at));
      return store("v128.store", get(into), mask ? op("v128.and", sum, mask(vector)) : sum, at);
    });
  return writeRows(context, elements, [into, from], row);
}

/** The fixed tree over accumulators, a power of two of them: neighbours first, then their sums. */
function sumOfAll(accumulators: readonly Local[]): Code {
  if (accumulators.length === 1) return get(accumulators[0]!);
  const half = accumulators.length / 2;
  return op("f64x2.add", sumOfAll(accumulators.slice(0, half)), sumOfAll(accumulators.slice(half)));
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
