/**
 * Writes WebAssembly modules: functions over one imported memory, with 128-bit SIMD. Only the instructions our kernels
 * use, none of the relaxed ones, whose results differ between processors.
 * Source: WebAssembly Core Specification 2.0, binary format; the threads proposal for shared memory.
 */

/** Types of parameters, results and locals. Addresses and lengths are i32, read as unsigned. */
export type ValueType = "i32" | "f32" | "f64" | "v128";

/** Encoded instructions. An expression leaves one value on the stack, a statement none. */
export type Code = readonly number[];

/** A parameter or a local of the function that is being written. */
export interface Local {
  readonly index: number;
  readonly type: ValueType;
}

/** What a function's body is written with. */
export interface FunctionContext {
  readonly parameters: readonly Local[];
  /** A new local, zero at first. */
  local(type: ValueType): Local;
}

/** An exported function. */
export interface FunctionParts {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
  /** The statements; the last one is an expression where there is a result. */
  body(context: FunctionContext): readonly Code[];
}

/** What encodeWasm needs. The memory is imported as "env"."memory". */
export interface ModuleParts {
  /** A module only accepts a memory that is shared, or not shared, as it says here; its size does not matter. */
  readonly memory: "shared" | "own";
  readonly functions: readonly FunctionParts[];
}

/** The most pages of 64 KiB a memory with 32-bit addresses can have: 4 GiB. */
export const maximumPages = 65536;
export const bytesPerPage = 65536;

/** The module as bytes. The same parts give the same bytes. */
export function encodeWasm({ memory, functions }: ModuleParts): Uint8Array<ArrayBuffer> {
  const limits = memory === "shared" ? [0x03, 0, ...unsigned(maximumPages)] : [0x00, 0];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(
      1,
      functions.map(({ parameters, results }) => [0x60, ...types(parameters), ...types(results)]),
    ),
    ...section(2, [[...text("env"), ...text("memory"), 0x02, ...limits]]),
    ...section(
      3,
      functions.map((_, index) => unsigned(index)),
    ),
    ...section(
      7,
      functions.map(({ name }, index) => [...text(name), 0x00, ...unsigned(index)]),
    ),
    ...section(10, functions.map(encodeFunction)),
  ]);
}

/** Applies an instruction to its operands. */
export function op(name: Instruction, ...operands: readonly Code[]): Code {
  return [...operands.flat(), ...instructions[name]];
}

/** The value of a local. */
export const get = (local: Local): Code => [0x20, ...unsigned(local.index)];
/** Statement: gives a local a value. */
export const set = (local: Local, value: Code): Code => [...value, 0x21, ...unsigned(local.index)];
/** Statement: adds a constant to an i32 local. */
export const increase = (local: Local, by: number): Code => set(local, op("i32.add", get(local), i32(by)));

/** A constant. Addresses from 2³¹ on wrap to the same 32 bits. */
export const i32 = (value: number): Code => [0x41, ...signed(value | 0)];
/** A constant. */
export const f64 = (value: number): Code => [0x44, ...bytesOf(Float64Array.of(value))];
/** A constant of four 32-bit whole numbers. */
export const i32x4 = (...lanes: readonly [number, number, number, number]): Code => [
  ...simd(0x0c),
  ...bytesOf(Int32Array.from(lanes)),
];

/** The prefix of 128-bit instructions and one of their numbers. A function, since tables below use it at once. */
function simd(opcode: number): Code {
  return [0xfd, ...unsigned(opcode)];
}

type Load = "v128.load" | "v128.load32_zero" | "v128.load64_zero";
const loads: Readonly<Record<Load, Code>> = {
  "v128.load": [...simd(0x00), 4],
  "v128.load32_zero": [...simd(0x5c), 2],
  "v128.load64_zero": [...simd(0x5d), 3],
};
/** Reads memory at address + offset; load32_zero and load64_zero read 4 and 8 bytes, the other lanes become 0. */
export const load = (name: Load, address: Code, offset = 0): Code => [
  ...address,
  ...loads[name],
  ...unsigned(offset),
];

type Store = "v128.store" | "v128.store32_lane";
/** Statement: writes memory at address + offset; store32_lane writes the four bytes of the first lane. */
export const store = (name: Store, address: Code, value: Code, offset = 0): Code => [
  ...address,
  ...value,
  ...(name === "v128.store" ? [...simd(0x0b), 4] : [...simd(0x5a), 2]),
  ...unsigned(offset),
  ...(name === "v128.store" ? [] : [0]),
];

/** Sixteen bytes picked from a (0 … 15) and b (16 … 31). */
export const shuffle = (a: Code, b: Code, bytes: readonly number[]): Code => [
  ...a,
  ...b,
  ...simd(0x0d),
  ...bytes,
];

/** One 64-bit float of a vector. */
export const extractF64 = (value: Code, lane: 0 | 1): Code => [...value, ...simd(0x21), lane];

/** Statement: the body, over and over, as long as the condition (an i32) holds before it. */
export const repeatWhile = (condition: Code, ...body: readonly Code[]): Code =>
  // if condition { loop { body; again if condition } }: one branch per round.
  when(condition, [0x03, 0x40, ...body.flat(), ...condition, 0x0d, 0x00, 0x0b]);

/** Statement: the body, if the condition (an i32) is not 0. */
export const when = (condition: Code, ...body: readonly Code[]): Code => [
  ...condition,
  0x04,
  0x40,
  ...body.flat(),
  0x0b,
];

/** Instructions whose operands all come from the stack. Names and numbers are the specification's. */
const instructions = {
  "i32.add": [0x6a],
  "i32.and": [0x71],
  "i32.shr_u": [0x76],
  "f64.add": [0xa0],
  "i8x16.narrow_i16x8_s": simd(0x65),
  "i8x16.splat": simd(0x0f),
  "i16x8.splat": simd(0x10),
  "i16x8.ge_u": simd(0x36),
  "i32x4.splat": simd(0x11),
  "i32x4.lt_s": simd(0x39),
  "i32x4.add": simd(0xae),
  "i64x2.extmul_low_i32x4_u": simd(0xde),
  "i64x2.extmul_high_i32x4_u": simd(0xdf),
  "f32x4.splat": simd(0x13),
  "f32x4.eq": simd(0x41),
  "f32x4.ne": simd(0x42),
  "f32x4.lt": simd(0x43),
  "f32x4.gt": simd(0x44),
  "f32x4.le": simd(0x45),
  "f32x4.ge": simd(0x46),
  "f32x4.abs": simd(0xe0),
  "f32x4.neg": simd(0xe1),
  "f32x4.sqrt": simd(0xe3),
  "f32x4.add": simd(0xe4),
  "f32x4.sub": simd(0xe5),
  "f32x4.mul": simd(0xe6),
  "f32x4.div": simd(0xe7),
  "f32x4.min": simd(0xe8),
  "f32x4.max": simd(0xe9),
  "f64x2.promote_low_f32x4": simd(0x5f),
  "f64x2.add": simd(0xf0),
  "f64x2.mul": simd(0xf2),
  "v128.not": simd(0x4d),
  "v128.and": simd(0x4e),
  "v128.andnot": simd(0x4f),
  "v128.or": simd(0x50),
  "v128.xor": simd(0x51),
  "v128.bitselect": simd(0x52),
} as const satisfies Record<string, Code>;
/** Names of the instructions that take all their operands from the stack. */
export type Instruction = keyof typeof instructions;
/** All of them, so that a test can try each. */
export const instructionNames = Object.keys(instructions) as readonly Instruction[]; // the keys of that literal

const valueTypes: Readonly<Record<ValueType, number>> = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b };

function encodeFunction({ parameters, body }: FunctionParts): Code {
  const declared: ValueType[] = [];
  const statements = body({
    parameters: parameters.map((type, index) => ({ index, type })),
    local: (type) => ({ index: parameters.length + declared.push(type) - 1, type }),
  });
  const locals = list(declared.map((type) => [1, valueTypes[type]]));
  return sized([...locals, ...statements.flat(), 0x0b]);
}

const types = (values: readonly ValueType[]): Code => list(values.map((type) => [valueTypes[type]]));
const section = (id: number, items: readonly Code[]): Code => [id, ...sized(list(items))];
const list = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()];
const sized = (bytes: Code): Code => [...unsigned(bytes.length), ...bytes];
const text = (value: string): Code => sized([...new TextEncoder().encode(value)]);
const bytesOf = (values: Float64Array | Int32Array): Code => [...new Uint8Array(values.buffer)];

/** LEB128: seven bits per byte, lowest first; the top bit says that more follow. */
function unsigned(value: number): Code {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 128);
  }
}

/** The same for signed 32-bit numbers: ends where the rest is all sign. */
function signed(value: number): Code {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7) {
    if (rest >= -64 && rest < 64) return [...bytes, rest & 127];
    bytes.push((rest & 127) | 128);
  }
}
