import assert from "node:assert/strict";
import { test } from "node:test";
import { randomSequence } from "../array/random.ts";
import { buildProgram, type Program } from "../graph/program.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { encodeOnnx } from "../onnx/encode.ts";
import * as ops from "../ops/index.ts";
import { type CompiledElementwise, compileElementwise, instantiateElementwise } from "./elementwise.ts";
import { interpret } from "./interpreter.ts";

const shape = [1024];
const array = (name: string) => input(name, shape);
const scalarInputs = ["rate", "decay", "step", "gradientScale", "limit", "s", "logBeta"] as const;
const leaves = new Map(scalarInputs.map((name) => [name, input(name, [])]));
const scalar = (name: (typeof scalarInputs)[number]) => leaves.get(name)!;

/** Numbers where float32 arithmetic has corners: −0, denormals, infinities, NaN, the largest and the smallest. */
const corners = [
  0,
  -0,
  1,
  -1,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  1e-45,
  -1e-45,
  1.1754942e-38,
  1.1754944e-38,
  3.4028235e38,
  -3.4028235e38,
  1e-20,
];

/** Update rules as they are written by people: [new arrays by name], over parameter p, gradient g and slots. */
const rules: Readonly<Record<string, () => Program>> = {
  "SGD with momentum": () => {
    const [p, g, v] = ["p", "g", "v"].map(array) as [Tensor, Tensor, Tensor]; // three in, three out
    const velocity = ops.add(ops.mul(v, 0.9), ops.mul(g, scalar("gradientScale")));
    return updates({ p: ops.sub(p, ops.mul(velocity, scalar("rate"))), v: velocity });
  },
  AdamW: adamw,
  Lion: () => {
    const [p, g, m] = ["p", "g", "m"].map(array) as [Tensor, Tensor, Tensor]; // three in, three out
    const direction = ops.sign(ops.add(ops.mul(m, 0.9), ops.mul(g, 1 - 0.9)));
    const decayed = ops.mul(p, ops.sub(1, ops.mul(scalar("rate"), scalar("decay"))));
    return updates({
      p: ops.sub(decayed, ops.mul(direction, scalar("rate"))),
      m: ops.add(ops.mul(m, 0.99), ops.mul(g, 1 - 0.99)),
    });
  },
  "RMSprop, centred, clipped by value": () => {
    const [p, g, s, m] = ["p", "g", "s", "m"].map(array) as [Tensor, Tensor, Tensor, Tensor]; // four in, four out
    const clipped = ops.maximum(ops.minimum(g, scalar("limit")), ops.neg(scalar("limit")));
    const square = ops.add(ops.mul(s, 0.99), ops.mul(ops.square(clipped), 1 - 0.99));
    const mean = ops.add(ops.mul(m, 0.99), ops.mul(clipped, 1 - 0.99));
    const root = ops.add(ops.sqrt(ops.sub(square, ops.square(mean))), 1e-8);
    return updates({ p: ops.sub(p, ops.mul(scalar("rate"), ops.div(clipped, root))), s: square, m: mean });
  },
  "conditions of every kind": () => {
    const [p, g, s] = ["p", "g", "s"].map(array) as [Tensor, Tensor, Tensor]; // three in, three out
    const isFirst = ops.equal(scalar("step"), 1);
    const kept = ops.where(ops.less(ops.abs(g), ops.abs(s)), p, ops.where(isFirst, g, s));
    const counted = ops.add(
      ops.cast(ops.greaterOrEqual(p, g), "float32"),
      ops.cast(ops.equal(g, s), "float32"),
    );
    const cleaned = ops.where(ops.not(ops.isNan(p)), ops.where(ops.greater(p, s), p, s), ops.fill(shape, 7));
    return updates({ p: kept, g: counted, s: ops.where(ops.lessOrEqual(p, g), cleaned, 0.5) });
  },
};
const scalars = { rate: 1e-3, decay: 0.01, step: 1, gradientScale: 1 / 48, limit: 1 };

const counts = [...Array.from({ length: 70 }, (_, index) => index + 1), 100_003];

test("every rule gives the interpreter's bytes for all small counts and a large one, corners included", () => {
  for (const [name, rule] of Object.entries(rules)) {
    for (const count of counts) compare(rule(), count, `${name}, ${count} elements`);
  }
});

test("random programs give the interpreter's bytes", () => {
  for (let seed = 0; seed < 150; seed++) compare(randomProgram(seed), 1 + (seed % 70), `seed ${seed}`);
});

test("a kernel in which any one arithmetic instruction is swapped gives other bytes", () => {
  const program = adamw();
  const compiled = compileElementwise(program);
  // f32x4 add ↔ sub, mul ↔ div, sqrt → abs; the second byte of their LEB128 is 1.
  const swaps = new Map([
    [0xe4, 0xe5],
    [0xe5, 0xe4],
    [0xe6, 0xe7],
    [0xe7, 0xe6],
    [0xe3, 0xe0],
  ]);
  let mutants = 0;
  compiled.bytes.forEach((byte, at) => {
    const other =
      compiled.bytes[at - 1] === 0xfd && compiled.bytes[at + 1] === 1 ? swaps.get(byte) : undefined;
    if (other === undefined) return;
    const bytes = compiled.bytes.with(at, other);
    mutants++;
    const isCaught = counts.some((count) =>
      isDifferent(() => compare(program, count, "mutant", { ...compiled, bytes })),
    );
    assert.ok(isCaught, `byte ${at}`);
  });
  // AdamW has 15 of these instructions per vector, in rounds of four vectors, of one, and of one element.
  assert.equal(mutants, 15 * 6);
});

test("operations mean what ONNX Runtime makes of them", async () => {
  // The tests of this folder may ask the engine directly; other folders go through its contract.
  const { InferenceSession, Tensor: OrtTensor } = await import("onnxruntime-node");
  for (const [name, rule] of Object.entries(rules)) {
    if (name === "AdamW") continue; // its scalars are float64 here and float32 there
    const program = rule();
    const arrays = inputsFor(program, 1024);
    const session = await InferenceSession.create(encodeOnnx(program), { intraOpNumThreads: 1 });
    const feeds = Object.fromEntries(
      program.inputs.map(({ name }) => [
        name,
        name in arrays
          ? new OrtTensor("float32", arrays[name]!, shape)
          : new OrtTensor("float32", Float32Array.of(scalars[name as keyof typeof scalars]), []), // named above
      ]),
    );
    const fetched = await session.run(feeds);
    const expected = interpret(program, arrays, scalars);
    for (const output of Object.keys(expected)) {
      // Its Where adds what it took to zeros, so that −0 becomes 0; ours selects. Adding 0 makes them alike.
      const [theirs, ours] = [fetched[output]!.data as Float32Array, expected[output]!]; // float32 outputs
      assertSameBits(theirs.map(withoutSignOfZero), ours.map(withoutSignOfZero), `${name}, ${output}`);
    }
  }
});

test("scalars are float64 until they meet an array", () => {
  const program = buildProgram({
    name: "corrected",
    outputs: { y: ops.mul(array("x"), ops.sub(1, ops.exp(ops.mul(scalar("step"), scalar("logBeta"))))) },
  });
  const run = (values: Record<string, number>) =>
    execute(compileElementwise(program), { x: Float32Array.of(1) }, 1, values).outputs.y![0];
  assert.equal(run({ step: 1, logBeta: Math.log(0.999) }), Math.fround(1 - Math.exp(Math.log(0.999))));
  assert.notEqual(
    run({ step: 1, logBeta: Math.log(0.999) }),
    Math.fround(1 - Math.fround(Math.exp(Math.fround(Math.log(0.999))))),
  );
  const double = buildProgram({
    name: "float64",
    outputs: {
      y: ops.mul(
        array("x"),
        ops.cast(ops.sub(1, ops.pow(0.999, ops.cast(scalar("step"), "float64"))), "float32"),
      ),
    },
  });
  const result = execute(compileElementwise(double), { x: Float32Array.of(1) }, 1, { step: 7 });
  assert.equal(result.outputs.y![0], Math.fround(1 - 0.999 ** 7));
});

test("a kernel writes its outputs and nothing else, also over its inputs", () => {
  for (const isInPlace of [true, false]) {
    for (const count of [0, 1, 5, 16, 31, 67]) {
      const compiled = compileElementwise(adamw());
      const arrays = inputsFor(adamw(), count);
      const { memory, places } = execute(compiled, arrays, count, scalars, isInPlace);
      const floats = new Uint32Array(memory.buffer);
      const written = new Set(compiled.arrayOutputs.map((name) => places[name]! / 4));
      const read = new Map(Object.entries(arrays).map(([name, values]) => [places[name]! / 4, values]));
      for (let index = 0; index < floats.length; index++) {
        const start = [...written].find((from) => index >= from && index < from + count);
        if (start !== undefined) continue;
        const source = [...read].find(([from]) => index >= from && index < from + count);
        const expected = source ? new Uint32Array(source[1].buffer)[index - source[0]] : guard;
        assert.equal(floats[index], expected, `word ${index}, ${count} elements, in place: ${isInPlace}`);
      }
    }
  }
});

test("a compiled program survives the way to another thread", () => {
  const program = adamw();
  const arrays = inputsFor(program, 37);
  const there = execute(structuredClone(compileElementwise(program)), arrays, 37, scalars);
  const expected = interpret(program, arrays, scalars);
  for (const name of Object.keys(expected)) assertSameBits(there.outputs[name]!, expected[name]!, name);
});

test("what cannot be compiled is refused with what to write instead", () => {
  const compile = (outputs: Record<string, Tensor>) => () =>
    compileElementwise(buildProgram({ name: "rule", outputs }));
  const x = array("x");
  assert.throws(compile({ y: ops.exp(x) }), {
    message:
      'compileElementwise("rule"): expected array operations out of add, sub, mul, div, minimum, maximum, neg, abs, ' +
      "sign, sqrt, less, lessOrEqual, greater, greaterOrEqual, equal, isNan, not, where, cast, got exp. " +
      "Fix: write the rule with those; exp, log and pow are for scalars only",
  });
  assert.throws(compile({ y: ops.add(x, input("z", [4, 1024])) }), {
    message:
      'compileElementwise("rule"): expected every array to have the shape [1024], and scalars the shape [], ' +
      "got input of shape [4, 1024]. Fix: use one shape for all arrays; an elementwise program does not broadcast",
  });
  assert.throws(compile({ y: ops.cast(ops.cast(x, "int32"), "float32") }), {
    message:
      'compileElementwise("rule"): expected float32 arrays, and booleans only as conditions, got cast of float32. ' +
      "Fix: work in float32; scalars alone may be float64, cast to float32 where they meet an array",
  });
  assert.throws(compile({ y: ops.less(x, 0) }), {
    message:
      'compileElementwise("rule"): expected outputs that are float32 arrays, got "y": bool [1024]. ' +
      "Fix: leave it out, or compute it outside",
  });
  assert.throws(compile({ y: ops.mul(x, ops.tanh(scalar("s"))) }), {
    message:
      'elementwise program "rule": expected scalars made from scalars by add, sub, mul, div, pow, minimum, maximum, ' +
      "neg, abs, sign, sqrt, exp, log, less, lessOrEqual, greater, greaterOrEqual, equal, isNan, not, where, cast, " +
      "got tanh. Fix: write the rule with those, or compute the scalar outside and feed it",
  });
});

test("a call with wrong names or ranges is refused before anything is written", () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const program = buildProgram({ name: "rule", outputs: { y: ops.mul(array("x"), scalar("rate")) } });
  const kernel = instantiateElementwise(compileElementwise(program), memory);
  const call =
    (arrays: Record<string, number>, count: number, rate: Record<string, number> = { rate: 2 }) =>
    () =>
      kernel.run({ arrays, count, scalars: rate });
  assert.throws(call({ x: 0 }, 8), {
    message:
      'elementwise "rule": expected byte offsets for x, y, got none for "y". ' +
      "Fix: name exactly the program's array inputs and outputs",
  });
  assert.throws(call({ x: 0, y: 0, z: 0 }, 8), /got also "z"/);
  assert.throws(call({ x: 0, y: 65532 }, 2), {
    message:
      'elementwise "rule": expected ranges inside the memory of 65536 bytes, got "y" at 65532 with 2 elements. ' +
      "Fix: pass the byteOffset of a region or tensor of the arena",
  });
  assert.throws(call({ x: 0, y: 16 }, 8), {
    message:
      'elementwise "rule": expected output "y" to start where an input does, or to lie apart from every other array, ' +
      'got 16, while "x" starts at 0 and has 32 bytes. Fix: give it a range of its own',
  });
  assert.throws(call({ x: 0, y: 32 }, 8, { rat: 2 }), {
    message:
      'elementwise "rule": expected a number for the scalar "rate", got numbers for rat. Fix: add rate to scalars',
  });
  assert.ok(new Uint8Array(memory.buffer).every((byte) => byte === 0));
});

/** AdamW in the order of PyTorch's operations. */
function adamw(): Program {
  const [p, g, m, v] = ["p", "g", "m", "v"].map(array) as [Tensor, Tensor, Tensor, Tensor]; // four in, four out
  const [rate, step] = [scalar("rate"), scalar("step")];
  const gradient = ops.mul(g, scalar("gradientScale"));
  const mean = ops.add(ops.mul(m, 0.9), ops.mul(gradient, 1 - 0.9));
  const square = ops.add(ops.mul(v, 0.999), ops.mul(ops.square(gradient), 1 - 0.999));
  const correction = ops.sqrt(ops.sub(1, ops.exp(ops.mul(step, Math.log(0.999)))));
  const root = ops.add(ops.div(ops.sqrt(square), correction), 1e-8);
  const stepSize = ops.div(rate, ops.sub(1, ops.exp(ops.mul(step, Math.log(0.9)))));
  const decayed = ops.mul(p, ops.sub(1, ops.mul(rate, scalar("decay"))));
  return updates({ p: ops.sub(decayed, ops.mul(stepSize, ops.div(mean, root))), m: mean, v: square });
}

function updates(outputs: Record<string, Tensor>): Program {
  const named = Object.entries(outputs).map(([name, tensor]) => [`new ${name}`, tensor]);
  return buildProgram({ name: "rule", outputs: Object.fromEntries(named) });
}

/** Up to 25 operations on three arrays and two scalars, two outputs. */
function randomProgram(seed: number): Program {
  const draw = randomSequence(seed, "test", "random program");
  let at = 0;
  const pick = <T>(from: readonly T[]): T => from[Math.floor(draw(at++) * from.length)]!;
  const tensors: Tensor[] = ["a", "b", "c"].map(array);
  const numbers: Tensor[] = [scalar("rate"), scalar("step")];
  const bools: Tensor[] = [ops.less(tensors[0]!, tensors[1]!), ops.greater(numbers[0]!, numbers[1]!)];
  const binary = [ops.add, ops.sub, ops.mul, ops.div, ops.minimum, ops.maximum];
  const unary = [ops.neg, ops.abs, ops.sign, ops.sqrt, ops.square];
  const compare = [ops.less, ops.lessOrEqual, ops.greater, ops.greaterOrEqual, ops.equal];
  for (let count = 0; count < 25; count++) {
    const one = pick([...tensors, ...tensors, ...numbers]);
    const other = pick<Tensor | number>([...tensors, ...numbers, 0.25, -3]);
    const made = pick([
      () => pick(binary)(one, other),
      () => pick(binary)(other, one),
      () => pick(unary)(one),
      () => pick(compare)(one, other),
      () => pick([ops.not, (x: Tensor) => ops.cast(x, "float32")])(pick(bools)),
      () => ops.where(pick(bools), one, other),
      () => ops.isNan(one),
      () => pick([ops.exp, ops.log, (x: Tensor) => ops.pow(ops.abs(x), 1.5)])(pick(numbers)),
    ])();
    (made.dtype === "bool" ? bools : made.shape.length === 0 ? numbers : tensors).push(made);
  }
  return buildProgram({
    name: `random ${seed}`,
    outputs: { y: tensors.at(-1)!, z: ops.add(tensors.at(-2)!, ops.mul(pick(numbers), tensors[0]!)) },
  });
}

const guard = 0x7fabcdef;

/** Array inputs: mostly ordinary numbers, with corners sprinkled in, different ones in each array. */
function inputsFor(program: Program, count: number): Record<string, Float32Array> {
  const arrays = program.inputs.filter(({ tensor }) => tensor.shape.length > 0);
  return Object.fromEntries(
    arrays.map(({ name }) => {
      const draw = randomSequence(count, "test", name);
      const values = Float32Array.from({ length: count }, (_, index) => {
        const kind = draw(2 * index);
        const value = draw(2 * index + 1);
        return kind < 0.3
          ? corners[Math.floor(value * corners.length)]!
          : (value - 0.5) * 10 ** (6 - 12 * kind);
      });
      return [name, values];
    }),
  );
}

function compare(
  program: Program,
  count: number,
  where: string,
  compiled = compileElementwise(program),
): void {
  const arrays = inputsFor(program, count);
  const expected = interpret(program, arrays, scalars);
  const { outputs } = execute(compiled, arrays, count, scalars);
  for (const name of Object.keys(expected))
    assertSameBits(outputs[name]!, expected[name]!, `${where}, ${name}`);
}

const withoutSignOfZero = (value: number) => value + 0;

function isDifferent(comparison: () => void): boolean {
  try {
    comparison();
    return false;
  } catch (error) {
    if (error instanceof assert.AssertionError) return true;
    throw error;
  }
}

/** Runs a kernel in a memory full of guard words; arrays lie 20 bytes apart, outputs over inputs where names allow it. */
function execute(
  compiled: CompiledElementwise,
  arrays: Readonly<Record<string, Float32Array>>,
  count: number,
  values: Readonly<Record<string, number>>,
  isInPlace = true,
): { outputs: Record<string, Float32Array>; memory: WebAssembly.Memory; places: Record<string, number> } {
  const stride = count * 4 + 20;
  const pages = Math.ceil((stride * 10) / 65536);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  new Uint32Array(memory.buffer).fill(guard);
  const places: Record<string, number> = {};
  for (const name of compiled.arrayInputs) {
    places[name] = 16 + Object.keys(places).length * stride;
    new Float32Array(memory.buffer, places[name], count).set(arrays[name]!);
  }
  for (const name of compiled.arrayOutputs) {
    const source = name.replace("new ", "");
    const isOver = isInPlace && name !== source && places[source] !== undefined;
    places[name] = isOver ? places[source]! : 16 + Object.keys(places).length * stride;
  }
  const used = Object.fromEntries(compiled.scalars.map((name) => [name, values[name]!]));
  instantiateElementwise(compiled, memory).run({ arrays: places, count, scalars: used });
  const outputs = compiled.arrayOutputs.map((name) => [
    name,
    new Float32Array(memory.buffer, places[name]!, count),
  ]);
  return { outputs: Object.fromEntries(outputs), memory, places };
}

/** Equal bit for bit, except that one NaN is as good as another: its bits are the processor's choice. */
function assertSameBits(actual: Float32Array, expected: Float32Array, where: string): void {
  assert.equal(actual.length, expected.length, where);
  for (let index = 0; index < actual.length; index++) {
    if (Object.is(actual[index], expected[index])) continue; // Object.is tells −0 from 0 and knows NaN
    assert.fail(`${where}: element ${index} is ${actual[index]}, the interpreter has ${expected[index]}`);
  }
}
