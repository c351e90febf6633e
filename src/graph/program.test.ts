import assert from "node:assert/strict";
import { test } from "node:test";
import { float32, type NdArray } from "../array/array.ts";
import { encodeOnnx } from "../onnx/encode.ts";
import {
  add,
  cast,
  crossEntropyOf,
  exp,
  fill,
  gather,
  gradient,
  leakyRelu,
  mul,
  neg,
  pick,
  reshape,
  sum,
} from "../ops/index.ts";
import { nodeRuntime } from "../runtime/ort-node.ts";
import { buildProgram, checkAliases, indexBounds, type Program, type ProgramParts } from "./program.ts";
import { constant, input, parameter, type Tensor } from "./tensor.ts";
import { sorted } from "./walk.ts";

const ones = { name: "ones", fill: (values: Float32Array) => void values.fill(1) };
const x = input("x", ["batch", 3]);
const y = input("y", ["batch", 3]);
const built = (outputs: Record<string, Tensor>) => buildProgram({ name: "p", outputs });
const opsOf = ({ tensors }: Program) =>
  tensors.filter(({ leaf }) => leaf === undefined).map(({ op }) => op.name);

test("nodes that compute the same thing are one node", () => {
  const program = built({ a: mul(exp(x), exp(x)), b: neg(exp(x)) });
  assert.deepEqual(opsOf(program), ["exp", "mul", "neg"]);
  const [square] = program.outputs;
  assert.equal(square!.tensor.inputs[0], square!.tensor.inputs[1]);
});

test("merging goes on where what was merged is read", () => {
  assert.deepEqual(opsOf(built({ out: add(neg(exp(x)), neg(exp(x))) })), ["exp", "neg", "add"]);
});

test("outputs that compute the same thing keep their names", () => {
  const { outputs } = built({ a: exp(x), b: exp(x) });
  assert.deepEqual(
    outputs.map(({ name }) => name),
    ["a", "b"],
  );
  assert.equal(outputs[0]!.tensor, outputs[1]!.tensor);
});

test("nodes that differ in attributes, inputs or their order are not merged", () => {
  assert.deepEqual(opsOf(built({ a: leakyRelu(x, 0.1), b: leakyRelu(x, 0.2) })), ["leakyRelu", "leakyRelu"]);
  assert.deepEqual(opsOf(built({ a: exp(x), b: exp(y) })), ["exp", "exp"]);
  assert.equal(opsOf(built({ a: add(neg(x), y), b: add(y, neg(x)) })).length, 3);
});

test("filling with NaN, infinity or −0 is not filling with something else", () => {
  const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0];
  const program = built(Object.fromEntries(values.map((value, index) => [`o${index}`, fill([2], value)])));
  assert.equal(opsOf(program).length, values.length);
});

test("equal constants are one constant, and parameters are never merged", () => {
  const constants = built({ out: add(mul(x, 2), mul(y, constant(float32([2], [])))) });
  assert.equal(constants.tensors.filter(({ leaf }) => leaf?.kind === "constant").length, 1);
  const parameters = built({ out: add(parameter([3], ones, "a"), parameter([3], ones, "b")) });
  assert.deepEqual(
    parameters.inputs.map(({ name }) => name),
    ["a", "b"],
  );
});

test("what no output needs is not in the program", () => {
  const used = exp(x);
  mul(used, y);
  const program = built({ used });
  assert.deepEqual(opsOf(program), ["exp"]);
  assert.deepEqual(
    program.inputs.map(({ name }) => name),
    ["x"],
  );
});

test("inputs are called by their own names, parameters by the names they are given or else their labels", () => {
  const [weight, bias] = [parameter([3], ones, "weight"), parameter([3], ones, "bias")];
  const outputs = { out: add(mul(x, weight), bias) };
  assert.deepEqual(
    buildProgram({ name: "p", outputs }).inputs.map(({ name }) => name),
    ["x", "weight", "bias"],
  );
  const parameterNames = new Map([[weight, "linear.weight"]]);
  const program = buildProgram({ name: "p", outputs, parameterNames });
  assert.deepEqual(
    program.inputs.map(({ name }) => name),
    ["x", "linear.weight", "bias"],
  );
  assert.equal(program.inputs[1]!.tensor, weight);
});

const acc = input("acc", ["batch", 3]);
const overAcc = (outputs: Record<string, Tensor>, aliases: Record<string, string> = { sum: "acc" }) =>
  ({ name: "p", outputs, aliases }) satisfies ProgramParts;

const refusals: readonly [what: string, parts: ProgramParts, message: string][] = [
  [
    "two inputs of one name",
    { name: "p", outputs: { out: add(x, input("x", [3])) } },
    `program "p": expected every input under a name of its own, got two inputs called "x". Fix: rename one of them, or use the same tensor twice`,
  ],
  [
    "an output called like an input",
    { name: "p", outputs: { x: exp(x) } },
    `program "p": expected outputs and inputs under different names, got an input and an output called "x". Fix: rename the output`,
  ],
  [
    "an output over an input that another output reads",
    overAcc({ sum: add(acc, x), twice: mul(acc, 2) }),
    `program "p", output "sum" written over input "acc": expected that input to have exactly one reader, got 2. Fix: write the output to memory of its own`,
  ],
  [
    "an output over an input that it reads twice",
    overAcc({ sum: add(mul(acc, x), acc) }),
    `program "p", output "sum" written over input "acc": expected that input to have exactly one reader, got 2. Fix: write the output to memory of its own`,
  ],
  [
    "an output over an input that is an output too",
    overAcc({ sum: add(acc, x), before: acc }),
    `program "p", output "sum" written over input "acc": expected that input to have exactly one reader, got 2. Fix: write the output to memory of its own`,
  ],
  [
    "two outputs over one input",
    overAcc({ sum: add(acc, x), more: mul(add(acc, x), 2) }, { sum: "acc", more: "acc" }),
    `program "p", output "more" written over input "acc": expected one output per input's memory, got output "sum" written over it too. Fix: write one of them to memory of its own`,
  ],
  [
    "an output over no input",
    overAcc({ sum: add(acc, x) }, { sum: "ac" }),
    `program "p", output "sum" written over input "ac": expected the name of an input, got acc, x. Fix: name one of them`,
  ],
  [
    "an output over an input it is not made of",
    overAcc({ sum: add(x, y), other: neg(acc) }),
    `program "p", output "sum" written over input "acc": expected an output made from that input, got one that does not depend on it. Fix: write the output to memory of its own`,
  ],
  [
    "an output over an input of another shape",
    overAcc({ sum: sum(add(acc, x)) }),
    `program "p", output "sum" written over input "acc": expected float32 [batch, 3], got float32 []. Fix: reshape the output to the input's shape`,
  ],
  [
    "an output over an input of another dtype",
    overAcc({ sum: cast(acc, "int32") }),
    `program "p", output "sum" written over input "acc": expected float32 [batch, 3], got int32 [batch, 3]. Fix: reshape the output to the input's shape`,
  ],
];
for (const [what, parts, message] of refusals) {
  test(`a program refuses ${what}`, () => {
    assert.throws(() => buildProgram(parts), { name: "MicrobatchError", message });
  });
}

test("an output may lie on an input with one reader, and the program says so", () => {
  const program = buildProgram(overAcc({ sum: add(acc, x), other: exp(x) }));
  assert.deepEqual(
    program.outputs.map(({ name, aliases }) => [name, aliases]),
    [
      ["sum", "acc"],
      ["other", undefined],
    ],
  );
});

/** A program put together by hand, so that nothing checks it. */
function unchecked(outputs: Record<string, Tensor>, aliases: Record<string, string>): Program {
  const tensors = sorted(Object.values(outputs));
  return {
    name: "unchecked",
    tensors,
    inputs: tensors.flatMap((tensor) =>
      tensor.leaf?.kind === "input" ? [{ name: tensor.leaf.name, tensor }] : [],
    ),
    outputs: Object.entries(outputs).map(([name, tensor]) => ({
      name,
      tensor,
      ...(aliases[name] !== undefined && { aliases: aliases[name] }),
    })),
  };
}

/** Runs a program with aliased outputs written over the inputs they name, and returns what every output holds. */
async function run(program: Program): Promise<Record<string, number[]>> {
  const session = await (await nodeRuntime()).load(program.name, encodeOnnx(program));
  try {
    const feeds = Object.fromEntries(
      program.inputs.map(({ name }, index) => [
        name,
        float32(
          [1, 2, 3].map((v) => v * 10 ** index),
          [1, 3],
        ),
      ]),
    );
    const fetches: Record<string, NdArray> = {};
    for (const { name, aliases } of program.outputs) if (aliases) fetches[name] = feeds[aliases]!;
    const results = { ...(await session.bind(feeds, fetches).run()), ...fetches };
    return Object.fromEntries(
      program.outputs.map(({ name }) => [name, Array.from(results[name]!.data, Number)]),
    );
  } finally {
    await session.close();
  }
}

test("without the rule a second reader sees the overwritten numbers, so the rule refuses it", async () => {
  // acc = [1, 2, 3] comes first in the walk, x = [10, 20, 30] second.
  const summed = add(acc, x);
  const orders: Record<string, Tensor>[] = [
    { twice: mul(acc, 2), sum: summed },
    { sum: summed, twice: mul(acc, 2) },
    { chain: neg(exp(neg(mul(acc, 2)))), twice: mul(acc, 2), sum: summed },
  ];
  const seen: number[][] = [];
  for (const outputs of orders) {
    const program = unchecked(outputs, { sum: "acc" });
    const { sum: total, twice } = await run(program);
    assert.deepEqual(total, [11, 22, 33]);
    seen.push(twice!);
    assert.throws(() => checkAliases(program), /exactly one reader/);
    assert.throws(() => buildProgram(overAcc(outputs)), /exactly one reader/);
  }
  // If ONNX Runtime ever ran all of them as written, the rule could go.
  assert.ok(
    seen.some((twice) => String(twice) !== "2,4,6"),
    `no order was wrong: ${JSON.stringify(seen)}`,
  );
});

test("with one reader the numbers written over the input are right", async () => {
  const program = buildProgram(overAcc({ sum: add(acc, exp(mul(x, 0))), other: neg(x) }));
  assert.deepEqual(await run(program), { sum: [2, 3, 4], other: [-10, -20, -30] });
});

test("without the rule two outputs over one input are one array, so the rule refuses them", async () => {
  const summed = add(acc, x);
  const program = unchecked({ sum: summed, more: mul(summed, 2) }, { sum: "acc", more: "acc" });
  const results = await run(program);
  assert.deepEqual(results.sum, results.more);
  assert.throws(() => checkAliases(program), /one output per input's memory/);
});

test("index inputs are found with their bounds, through reshapes and casts, once each", () => {
  const labels = input("labels", ["batch", 1], "int64");
  const words = input("words", ["batch", 2], "int32");
  const logits = reshape(gather(parameter([7, 2], ones), words), ["batch", 4]);
  const loss = crossEntropyOf(logits, cast(reshape(labels, ["batch"]), "int32"));
  const [table] = gradient(
    sum(loss),
    sorted([loss]).filter(({ leaf }) => leaf?.kind === "parameter"),
  );
  assert.deepEqual(indexBounds(built({ loss, table: table! })), [
    { inputName: "words", below: 7, meaning: "index" },
    { inputName: "labels", below: 4, meaning: "class label" },
  ]);
});

test("an index input with two uses has both bounds", () => {
  const index = input("index", ["batch"], "int32");
  const outputs = { a: pick(x, index), b: gather(parameter([9, 2], ones), index) };
  assert.deepEqual(
    indexBounds(built(outputs)).map(({ below }) => below),
    [3, 9],
  );
});

test("indices that are computed or constant are no inputs to check", () => {
  const fixed = constant({ dtype: "int32", shape: [2], data: Int32Array.of(0, 1) });
  assert.deepEqual(indexBounds(built({ out: gather(parameter([9, 2], ones), fixed) })), []);
});
