/**
 * Dropout masks from a counter-based generator: every element is a pure function of (seed, step, position of the sample
 * in its batch, layer, element), so a mask does not depend on the microbatch, thread or machine a sample landed in.
 *
 * Philox4x32-10 with key (seed, its upper bits, top bit set) and counter (block, position, step, layer). Each of a
 * block's four words gives two elements of 16 random bits. Four blocks are computed at once, which fixes the order:
 * element 32·g + 8·w + 2·b + h takes half h (0 the lower) of word w of block 4·g + b.
 */
import { dropThreshold } from "../array/drop-rate.ts";
import {
  philoxMultiplier0,
  philoxMultiplier1,
  philoxRounds,
  philoxWeyl0,
  philoxWeyl1,
} from "../array/random.ts";
import { fail } from "../errors.ts";
import {
  bytesPerPage,
  type Code,
  encodeWasm,
  type FunctionContext,
  get,
  i32,
  i32x4,
  increase,
  type Local,
  op,
  repeatWhile,
  set,
  shuffle,
  store,
} from "./wasm.ts";

/** One microbatch's mask of one dropout layer. */
export interface MaskCall {
  /** At least positions.length · elementsPerSample bytes; the mask is written at its start, sample after sample. */
  readonly into: Uint8Array<ArrayBufferLike>;
  /** Positions of the microbatch's samples in their batch. */
  readonly positions: Uint32Array;
  readonly elementsPerSample: number;
  /** The probability of a 0, from 0 to below 1; used as a multiple of 2⁻¹⁶, see dropThreshold. */
  readonly rate: number;
  /** A whole number from 0 to 2⁵³ − 1. */
  readonly seed: number;
  /** 0 for the first update; below 2³². */
  readonly step: number;
  /** Tells the dropout layers of a model apart; below 2³². */
  readonly layer: number;
}

/** Fills a mask with 1 (keep) and 0 (drop). Throws when `into` is too small or a number is out of its range. */
export function fillMask(call: MaskCall): void {
  checkCall(call);
  const { into, positions, elementsPerSample, rate, seed, step, layer } = call;
  generator ??= createGenerator();
  const { kernel, bytes } = generator;
  const below = dropThreshold(rate);
  const seedHigh = Math.floor(seed / 2 ** 32) | domain;
  positions.forEach((position, sample) => {
    for (let at = 0; at < elementsPerSample; at += bytes.length) {
      const elements = Math.min(bytes.length, elementsPerSample - at);
      const groups = Math.ceil(elements / elementsPerGroup);
      kernel(groups, below, seed, seedHigh, (at / elementsPerGroup) * blocksPerGroup, position, step, layer);
      into.set(
        elements === bytes.length ? bytes : bytes.subarray(0, elements),
        sample * elementsPerSample + at,
      );
    }
  });
}

/** Set in the upper word of the key, which seeds leave free: masks share no numbers with `randomSequence`. */
const domain = 0x80000000;
const blocksPerGroup = 4;
const elementsPerGroup = 32;

/** groups, threshold, two words of key, four of counter; writes 32 bytes per group from address 0 on. */
type MaskKernel = (...values: number[]) => void;

/** Made at the first use, once per thread: it has a small memory of its own and no state. */
let generator: { readonly kernel: MaskKernel; readonly bytes: Uint8Array<ArrayBufferLike> } | undefined;

function createGenerator() {
  const module = new WebAssembly.Module(
    encodeWasm({
      memory: "own",
      functions: [{ name: "fill", parameters: new Array(8).fill("i32"), results: [], body: writeFill }],
    }),
  );
  const memory = new WebAssembly.Memory({ initial: 1 });
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  // Written below, with that signature.
  return {
    kernel: instance.exports.fill as MaskKernel,
    bytes: new Uint8Array(memory.buffer, 0, bytesPerPage),
  };
}

function checkCall({ into, positions, elementsPerSample, seed, step, layer }: MaskCall): void {
  const where = "fillMask";
  const whole: readonly (readonly [string, number, number])[] = [
    ["elementsPerSample", elementsPerSample, 2 ** 32],
    ["seed", seed, 2 ** 53],
    ["step", step, 2 ** 32],
    ["layer", layer, 2 ** 32],
  ];
  for (const [what, value, end] of whole) {
    if (Number.isInteger(value) && value >= 0 && value < end) continue;
    fail(where, {
      expected: `${what} to be a whole number from 0 to ${end - 1}`,
      got: String(value),
      fix: `pass ${what} in that range`,
    });
  }
  if (into.length < positions.length * elementsPerSample) {
    fail(where, {
      expected: `room for ${positions.length} samples of ${elementsPerSample} elements`,
      got: `${into.length} bytes`,
      fix: `pass a Uint8Array of ${positions.length * elementsPerSample}`,
    });
  }
}

function writeFill(context: FunctionContext): Code[] {
  const [groups, below, key0, key1, block, position, step, layer] = context.parameters as readonly [
    ...[Local, Local, Local, Local],
    ...[Local, Local, Local, Local],
  ]; // the eight of MaskKernel
  const address = context.local("i32");
  const blocks = context.local("v128");
  const least = context.local("v128");
  const keys = Array.from(
    { length: philoxRounds },
    () => [context.local("v128"), context.local("v128")] as const,
  );
  const counters = [blocks, position, step, layer].map((source) =>
    source === blocks ? get(source) : op("i32x4.splat", get(source)),
  );
  const words = counters.map(() => context.local("v128"));
  const half = (word: number) => op("i16x8.ge_u", get(words[word]!), get(least));
  const bytes = (word: number) =>
    op("v128.and", op("i8x16.narrow_i16x8_s", half(word), half(word + 1)), op("i8x16.splat", i32(1)));
  return [
    set(blocks, op("i32x4.add", op("i32x4.splat", get(block)), i32x4(0, 1, 2, 3))),
    set(least, op("i16x8.splat", get(below))),
    ...keys.flatMap(([first, second], round) => [
      set(first, op("i32x4.splat", op("i32.add", get(key0), i32(Math.imul(round, philoxWeyl0))))),
      set(second, op("i32x4.splat", op("i32.add", get(key1), i32(Math.imul(round, philoxWeyl1))))),
    ]),
    repeatWhile(
      get(groups),
      ...words.map((word, index) => set(word, counters[index]!)),
      ...keys.flatMap((key) => writeRound(context, words, key)),
      store("v128.store", get(address), bytes(0)),
      store("v128.store", get(address), bytes(2), 16),
      set(blocks, op("i32x4.add", get(blocks), i32x4(4, 4, 4, 4))),
      increase(address, elementsPerGroup),
      increase(groups, -1),
    ),
  ];
}

/** One round of Philox on four blocks: word w of block b in lane b of words[w]. */
function writeRound(context: FunctionContext, words: readonly Local[], key: readonly [Local, Local]): Code[] {
  const [w0, w1, w2, w3] = words as readonly [Local, Local, Local, Local]; // four words per block
  const [even0, odd0, even1, odd1] = Array.from({ length: 4 }, () => context.local("v128")) as [
    ...[Local, Local, Local, Local],
  ]; // as many as asked for
  const products = (word: Local, multiplier: number, low: Local, high: Local): Code[] => {
    const factor = i32x4(multiplier, multiplier, multiplier, multiplier);
    return [
      set(low, op("i64x2.extmul_low_i32x4_u", get(word), factor)),
      set(high, op("i64x2.extmul_high_i32x4_u", get(word), factor)),
    ];
  };
  const lower = (low: Local, high: Local) => shuffle(get(low), get(high), lowerWords);
  const upper = (low: Local, high: Local) => shuffle(get(low), get(high), upperWords);
  return [
    ...products(w0, philoxMultiplier0, even0, odd0),
    ...products(w2, philoxMultiplier1, even1, odd1),
    set(w0, op("v128.xor", op("v128.xor", upper(even1, odd1), get(w1)), get(key[0]))),
    set(w1, lower(even1, odd1)),
    set(w2, op("v128.xor", op("v128.xor", upper(even0, odd0), get(w3)), get(key[1]))),
    set(w3, lower(even0, odd0)),
  ];
}

/** From four 64-bit products, their lower and their upper 32 bits. */
const lowerWords = [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27];
const upperWords = lowerWords.map((byte) => byte + 4);
