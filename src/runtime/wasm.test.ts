import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodeWasm,
  extractF64,
  type FunctionParts,
  f64,
  get,
  type Instruction,
  i32,
  i32x4,
  increase,
  instructionNames,
  load,
  type ModuleParts,
  op,
  repeatWhile,
  set,
  shuffle,
  store,
  type ValueType,
  when,
} from "./wasm.ts";

type Lanes = readonly number[];
type Meaning = (a: Lanes, b: Lanes, c: Lanes) => ArrayLike<number>;
/** How 16 bytes are read as lanes. */
const lanesOf = {
  i8: (bytes: Uint8Array) => new Int8Array(bytes.buffer),
  u8: (bytes: Uint8Array) => bytes,
  i16: (bytes: Uint8Array) => new Int16Array(bytes.buffer),
  u16: (bytes: Uint8Array) => new Uint16Array(bytes.buffer),
  i32: (bytes: Uint8Array) => new Int32Array(bytes.buffer),
  u32: (bytes: Uint8Array) => new Uint32Array(bytes.buffer),
  f32: (bytes: Uint8Array) => new Float32Array(bytes.buffer),
  f64: (bytes: Uint8Array) => new Float64Array(bytes.buffer),
} as const;
type Kind = keyof typeof lanesOf;

const each =
  (meaning: (a: number, b: number, c: number) => number): Meaning =>
  (a, b, c) =>
    a.map((value, lane) => meaning(value, b[lane]!, c[lane]!));
const truth = (meaning: (a: number, b: number) => boolean): Meaning =>
  each((a, b) => (meaning(a, b) ? -1 : 0));
const widened = (part: (a: Lanes) => Lanes): Meaning => {
  // Products of unsigned 32-bit numbers need 64 bits; two 32-bit lanes hold each.
  return (a, b) =>
    part(a).flatMap((value, lane) => {
      const product = BigInt(value) * BigInt(part(b)[lane]!);
      return [Number(BigInt.asUintN(32, product)), Number(product >> 32n)];
    });
};
const saturated = (value: number) => Math.max(-128, Math.min(127, value));

/** Vector instructions: how operands and result are read, and what happens to them. */
const vectorMeanings = {
  "i8x16.narrow_i16x8_s": ["i16", "i8", (a, b) => [...a, ...b].map(saturated)],
  "i16x8.ge_u": ["u16", "i16", truth((a, b) => a >= b)],
  "i32x4.lt_s": ["i32", "i32", truth((a, b) => a < b)],
  "i32x4.add": ["i32", "i32", each((a, b) => (a + b) | 0)],
  "i64x2.extmul_low_i32x4_u": ["u32", "u32", widened((lanes) => lanes.slice(0, 2))],
  "i64x2.extmul_high_i32x4_u": ["u32", "u32", widened((lanes) => lanes.slice(2))],
  "f32x4.eq": ["f32", "i32", truth((a, b) => a === b)],
  "f32x4.ne": ["f32", "i32", truth((a, b) => a !== b)],
  "f32x4.lt": ["f32", "i32", truth((a, b) => a < b)],
  "f32x4.gt": ["f32", "i32", truth((a, b) => a > b)],
  "f32x4.le": ["f32", "i32", truth((a, b) => a <= b)],
  "f32x4.ge": ["f32", "i32", truth((a, b) => a >= b)],
  "f32x4.abs": ["f32", "f32", each(Math.abs)],
  "f32x4.neg": ["f32", "f32", each((a) => -a)],
  "f32x4.sqrt": ["f32", "f32", each(Math.sqrt)],
  "f32x4.add": ["f32", "f32", each((a, b) => a + b)],
  "f32x4.sub": ["f32", "f32", each((a, b) => a - b)],
  "f32x4.mul": ["f32", "f32", each((a, b) => a * b)],
  "f32x4.div": ["f32", "f32", each((a, b) => a / b)],
  "f32x4.min": ["f32", "f32", each((a, b) => Math.min(a, b))],
  "f32x4.max": ["f32", "f32", each((a, b) => Math.max(a, b))],
  "f64x2.promote_low_f32x4": ["f32", "f64", (a) => a.slice(0, 2)],
  "f64x2.add": ["f64", "f64", each((a, b) => a + b)],
  "f64x2.mul": ["f64", "f64", each((a, b) => a * b)],
  "v128.not": ["i32", "i32", each((a) => ~a)],
  "v128.and": ["i32", "i32", each((a, b) => a & b)],
  "v128.andnot": ["i32", "i32", each((a, b) => a & ~b)],
  "v128.or": ["i32", "i32", each((a, b) => a | b)],
  "v128.xor": ["i32", "i32", each((a, b) => a ^ b)],
  "v128.bitselect": ["i32", "i32", each((a, b, c) => (a & c) | (b & ~c))],
} as const satisfies Partial<Record<Instruction, readonly [Kind, Kind, Meaning]>>;

/** Instructions on scalars: type of operands, type of the result ("v128": read as the given lanes), and meaning. */
const scalarMeanings = {
  "i32.add": ["i32", "i32", (a, b) => (a + b) | 0],
  "i32.and": ["i32", "i32", (a, b) => a & b],
  "i32.shr_u": ["i32", "i32", (a, b) => (a >>> b) | 0],
  "f64.add": ["f64", "f64", (a, b) => a + b],
} as const satisfies Partial<
  Record<Instruction, readonly [ValueType, ValueType, (a: number, b: number) => number]>
>;

const splatMeanings = {
  "i8x16.splat": ["i32", "i8"],
  "i16x8.splat": ["i32", "i16"],
  "i32x4.splat": ["i32", "i32"],
  "f32x4.splat": ["f32", "f32"],
} as const satisfies Partial<Record<Instruction, readonly [ValueType, Kind]>>;

test("every instruction has a meaning to be judged by", () => {
  const judged = Object.keys({ ...vectorMeanings, ...scalarMeanings, ...splatMeanings });
  assert.deepEqual(judged.sort(), [...instructionNames].sort());
});

test("vector instructions do what their names say", () => {
  const patterns = [
    Float32Array.of(1.5, -0, Number.POSITIVE_INFINITY, -2e-40),
    Float32Array.of(-3, 0, Number.NaN, 7),
    Int32Array.of(-1, 2 ** 31 - 1, 65536 * 40000, 12345678),
    Uint16Array.of(0, 1, 65535, 32768, 200, 127, 128, 5),
    Float64Array.of(Math.PI, -1e-300),
    Float32Array.of(1.5, 4, -1, 0.1),
  ].map((values) => new Uint8Array(values.buffer.slice(0, 16)));
  for (const [name, [operands, result, meaning]] of Object.entries(vectorMeanings)) {
    const arity = name === "v128.bitselect" ? 3 : /abs|neg|sqrt|promote|\.not$/.test(name) ? 1 : 2;
    const vectors = [0, 16, 32].slice(0, arity).map((at) => load("v128.load", i32(at)));
    // Object.entries forgets that its keys are instructions.
    const body = [store("v128.store", i32(48), op(name as Instruction, ...vectors))];
    const { memory, run } = compile({ parameters: [], results: [], body: () => body });
    for (const a of patterns) {
      for (const b of patterns) {
        const bytes = new Uint8Array(memory.buffer);
        const c = patterns[2]!;
        [a, b, c].forEach((vector, index) => {
          bytes.set(vector, 16 * index);
        });
        run();
        const read = (values: Uint8Array) => [...lanesOf[operands](values)];
        const expected = lanesOf[result](new Uint8Array(16));
        expected.set(meaning(read(a), read(b), read(c)));
        const actual = lanesOf[result](bytes.slice(48, 64));
        // As plain arrays, where NaN is NaN and −0 is not 0.
        assert.deepEqual([...actual], [...expected], `${name} of ${read(a)} and ${read(b)}`);
      }
    }
  }
});

test("scalar instructions and splats do what their names say", () => {
  const numbers = [0, 1, 3, 31, -1, 255, 40000, 2 ** 31 - 1, -(2 ** 31)];
  for (const [name, [operand, result, meaning]] of Object.entries(scalarMeanings)) {
    const { run } = compile({
      parameters: [operand, operand],
      results: [result],
      body: ({ parameters: [a, b] }) => [op(name as Instruction, get(a!), get(b!))], // keys are instructions
    });
    for (const a of numbers)
      for (const b of numbers) assert.equal(run(a, b), meaning(a, b), `${name} ${a} ${b}`);
  }
  for (const [name, [operand, kind]] of Object.entries(splatMeanings)) {
    const { run, memory } = compile({
      parameters: [operand],
      results: [],
      body: ({ parameters: [a] }) => [store("v128.store", i32(0), op(name as Instruction, get(a!)))], // as above
    });
    for (const a of numbers) {
      run(a);
      const expected = lanesOf[kind](new Uint8Array(16)).fill(a);
      assert.deepEqual(lanesOf[kind](new Uint8Array(memory.buffer).slice(0, 16)), expected, `${name} ${a}`);
    }
  }
});

test("constants of every length of their encoding arrive", () => {
  const edges = [
    0,
    63,
    64,
    -64,
    -65,
    8191,
    8192,
    -8192,
    2 ** 20,
    2 ** 27,
    2 ** 31 - 1,
    -(2 ** 31),
    2 ** 32 - 1,
  ];
  for (const value of edges) {
    assert.equal(compile({ parameters: [], results: ["i32"], body: () => [i32(value)] }).run(), value | 0);
  }
  for (const value of [Math.PI, -0, 5e-324, Number.NEGATIVE_INFINITY]) {
    assert.equal(compile({ parameters: [], results: ["f64"], body: () => [f64(value)] }).run(), value);
  }
});

test("memory is read and written at address plus offset, whole or by its first bytes", () => {
  for (const offset of [0, 4, 127, 128, 20000]) {
    const { run, memory } = compile({
      parameters: ["i32"],
      results: [],
      body: ({ parameters: [address] }) => [
        store("v128.store", i32(64), load("v128.load", get(address!), offset)),
        store("v128.store", i32(80), load("v128.load32_zero", get(address!), offset)),
        store("v128.store", i32(96), load("v128.load64_zero", get(address!), offset)),
        store("v128.store32_lane", get(address!), i32x4(-1, -2, -3, -4), offset + 16),
      ],
    });
    const bytes = new Uint8Array(memory.buffer);
    const source = Uint8Array.from({ length: 32 }, (_, index) => index + 1);
    bytes.set(source, 160 + offset);
    run(160);
    const padded = (length: number) =>
      Uint8Array.from({ length: 16 }, (_, index) => (index < length ? index + 1 : 0));
    assert.deepEqual(
      [64, 80, 96].map((at) => bytes.slice(at, at + 16)),
      [16, 4, 8].map(padded),
    );
    source.fill(255, 16, 20);
    assert.deepEqual(bytes.slice(160 + offset, 192 + offset), source);
  }
});

test("lanes are picked out and shuffled, constants have their lanes in order", () => {
  const order = Array.from({ length: 16 }, (_, byte) => 31 - 2 * byte);
  const { run, memory } = compile({
    parameters: [],
    results: ["f64"],
    body: () => [
      store("v128.store", i32(32), shuffle(load("v128.load", i32(0)), load("v128.load", i32(16)), order)),
      store("v128.store", i32(48), i32x4(1, -2, 3, 2 ** 31 - 1)),
      op("f64.add", extractF64(load("v128.load", i32(64)), 0), extractF64(load("v128.load", i32(64)), 1)),
    ],
  });
  const bytes = new Uint8Array(memory.buffer);
  for (let at = 0; at < 32; at++) bytes[at] = 100 + at;
  new Float64Array(memory.buffer, 64, 2).set([0.1, 0.2]);
  assert.equal(run(), 0.1 + 0.2);
  assert.deepEqual(
    [...bytes.slice(32, 48)],
    order.map((byte) => 100 + byte),
  );
  assert.deepEqual([...new Int32Array(memory.buffer, 48, 4)], [1, -2, 3, 2 ** 31 - 1]);
});

test("loops run as often as their condition holds, branches only if it does", () => {
  const { run } = compile({
    parameters: ["i32"],
    results: ["i32"],
    body: ({ parameters: [rounds], local }) => {
      const sum = local("i32");
      return [
        repeatWhile(get(rounds!), increase(sum, 3), increase(rounds!, -1)),
        when(op("i32.and", get(sum), i32(1)), increase(sum, 1000)),
        get(sum),
      ];
    },
  });
  assert.deepEqual(
    [0, 1, 2, 1001].map((rounds) => run(rounds)),
    [0, 1003, 6, 3003 + 1000],
  );
});

test("functions have their own locals, of every type, and a module accepts the memory it names only", () => {
  const types: readonly ValueType[] = ["i32", "f32", "f64", "v128"];
  const many: FunctionParts = {
    name: "many",
    parameters: ["i32"],
    results: ["i32"],
    body: ({ parameters: [value], local }) => {
      const locals = Array.from({ length: 150 }, (_, index) => local(types[index % 4]!));
      const last = local("i32");
      assert.deepEqual(
        locals.map(({ index }) => index),
        Array.from({ length: 150 }, (_, index) => index + 1),
      );
      return [set(last, get(value!)), get(last)];
    },
  };
  const parts = (memory: ModuleParts["memory"]) => ({
    memory,
    functions: [many, { ...many, name: "again" }],
  });
  const own = new WebAssembly.Memory({ initial: 1 });
  const shared = new WebAssembly.Memory({ initial: 3, maximum: 7, shared: true });
  const open = (memory: WebAssembly.Memory, kind: ModuleParts["memory"]) =>
    new WebAssembly.Instance(new WebAssembly.Module(encodeWasm(parts(kind))), { env: { memory } }).exports;
  assert.deepEqual(Object.keys(open(own, "own")), ["many", "again"]);
  assert.equal((open(shared, "shared").again as (value: number) => number)(41), 41); // as declared above
  assert.throws(() => open(own, "shared"), WebAssembly.LinkError);
  assert.throws(() => open(shared, "own"), WebAssembly.LinkError);
  assert.deepEqual(encodeWasm(parts("own")), encodeWasm(parts("own")));
});

function compile(parts: Omit<FunctionParts, "name">): {
  run: (...values: number[]) => number;
  memory: WebAssembly.Memory;
} {
  const bytes = encodeWasm({ memory: "own", functions: [{ ...parts, name: "run" }] });
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  return { run: exports.run as (...values: number[]) => number, memory }; // encoded above
}
