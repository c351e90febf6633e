import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { type GraphProto, type ModelProto, ModelProtoSchema } from "onnx-buf";
import { load } from "../../test/reference/onnxruntime.ts";
import { refuses } from "../../test/reference/refusals.ts";
import { float32, int32 } from "../array/array.ts";
import type { Op } from "../graph/op.ts";
import { buildProgram, type Program } from "../graph/program.ts";
import { apply, constant, input, parameter, type Tensor } from "../graph/tensor.ts";
import {
  add,
  affine,
  categoryCodes,
  exp,
  expand,
  fill,
  gradient,
  leakyRelu,
  mul,
  pad,
  relu,
  reshape,
  softmax,
  sum,
  tanh,
} from "../ops/index.ts";
import { type EncodeOptions, encodeOnnx, opset } from "./encode.ts";

const zeros = { name: "zeros", fill: () => undefined };
const x = input("x", ["batch", 4]);
const program = (outputs: Record<string, Tensor>, name = "p") => buildProgram({ name, outputs });
const decoded = (of: Program, options?: EncodeOptions): ModelProto =>
  fromBinary(ModelProtoSchema, encodeOnnx(of, options));
const graphOf = (of: Program, options?: EncodeOptions): GraphProto => decoded(of, options).graph!;
const namesOf = (values: readonly { readonly name: string }[]) => values.map(({ name }) => name);

/** A small classifier with its gradients: most forms of node and constant are in it. */
function model(): Program {
  const [weight, bias] = [parameter([2, 4], zeros, "weight"), parameter([2], zeros, "bias")];
  const output = softmax(leakyRelu(affine(relu(mul(x, 0.5)), weight, bias), 0.1));
  const [weightGradient, biasGradient] = gradient(output, [weight, bias]) as [Tensor, Tensor]; // two targets
  return program({ output, weightGradient, biasGradient }, "classifier");
}

refuses("an ONNX file", [
  [
    "values for something that is no input",
    () => encodeOnnx(model(), { values: new Map([["wieght", float32([1])]]) }),
    `encodeOnnx("classifier"): expected values for inputs (x, weight, bias), got "wieght". Fix: remove it, or use the tensor in the program`,
  ],
  [
    "values of another shape than the input's",
    () => encodeOnnx(model(), { values: new Map([["bias", float32([1, 2, 3])]]) }),
    `encodeOnnx("classifier"), value "bias": expected float32 [2], got float32 [3]. Fix: pass an array of that dtype and shape`,
  ],
  [
    "values of another dtype than the input's",
    () => encodeOnnx(model(), { values: new Map([["bias", int32([1, 2])]]) }),
    `encodeOnnx("classifier"), value "bias": expected float32 [2], got int32 [2]. Fix: pass an array of that dtype and shape`,
  ],
  [
    "a microbatch whose size nothing tells",
    () => encodeOnnx(program({ out: fill(["batch", 2], 1) })),
    `encodeOnnx("p"): expected an input with a batch axis, to read the number of samples from, got none. Fix: use fixed sizes, or make an input of shape [batch, …]`,
  ],
]);

test("the same program gives the same bytes, also when it is built again", () => {
  const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  const one = model();
  assert.equal(hash(encodeOnnx(one)), hash(encodeOnnx(one)));
  assert.equal(hash(encodeOnnx(one)), hash(encodeOnnx(model())));
  const options = { values: new Map([["bias", float32([1, 2])]]), metadata: { run: "7" } };
  assert.equal(hash(encodeOnnx(one, options)), hash(encodeOnnx(model(), options)));
  assert.notEqual(hash(encodeOnnx(one)), hash(encodeOnnx(one, options)));
});

test("the file says which operators it uses, and who wrote it", () => {
  const { opsetImport, irVersion, producerName } = decoded(model());
  assert.deepEqual(
    opsetImport.map(({ domain, version }) => [domain, version]),
    [["", BigInt(opset)]],
  );
  assert.deepEqual([irVersion, producerName, opset], [10n, "microbatch", 21]);
  const strings = input("strings", ["batch"], "string");
  assert.deepEqual(
    decoded(program({ codes: categoryCodes(strings, ["a"]) })).opsetImport.map(({ domain }) => domain),
    ["", "ai.onnx.ml"],
  );
});

test("inputs and outputs keep their names, dtypes and shapes, with the microbatch open", () => {
  const graph = graphOf(model());
  assert.deepEqual(namesOf(graph.input), ["x", "weight", "bias"]);
  assert.deepEqual(namesOf(graph.output), ["output", "weightGradient", "biasGradient"]);
  assert.equal(graph.name, "classifier");
  const dims = (value: GraphProto["input"][number]) =>
    value.type?.value.case === "tensorType"
      ? value.type.value.value.shape?.dim.map(({ value: dim }) => dim.value)
      : undefined;
  assert.deepEqual(graph.input.map(dims), [["batch", 4n], [2n, 4n], [2n]]);
  assert.deepEqual(graph.output.map(dims), [["batch", 2n], [2n, 4n], [2n]]);
});

test("values become constants of the file, and what they are copied from may go on changing", async () => {
  const [weight, bias] = [float32([1, 2, 3, 4, 5, 6, 7, 8], [2, 4]), float32([10, 20])];
  const one = program({ y: affine(x, parameter([2, 4], zeros, "weight"), parameter([2], zeros, "bias")) });
  const bytes = encodeOnnx(one, {
    values: new Map([
      ["weight", weight],
      ["bias", bias],
    ]),
  });
  bias.data[0] = -1;
  const graph = fromBinary(ModelProtoSchema, bytes).graph!;
  assert.deepEqual([namesOf(graph.input), namesOf(graph.initializer)], [["x"], ["weight", "bias"]]);
  const loaded = await load(one, bytes);
  const { y } = await loaded.run({ x: { shape: [1, 4], data: [1, 1, 1, 1] } });
  assert.deepEqual([...y!.data], [20, 46]);
  await loaded.close();
});

test("metadata is written in the order it is given", () => {
  const { metadataProps } = decoded(model(), {
    metadata: { columns: "a,b", "": "empty key", ünicode: "漢" },
  });
  assert.deepEqual(
    metadataProps.map(({ key, value }) => [key, value]),
    [
      ["columns", "a,b"],
      ["", "empty key"],
      ["ünicode", "漢"],
    ],
  );
});

test("every value is written once, and every node is named after what it writes", () => {
  const graph = graphOf(model());
  const written = graph.node.flatMap(({ output }) => output);
  const all = [...written, ...namesOf(graph.input), ...namesOf(graph.initializer)];
  assert.equal(new Set(all).size, all.length);
  for (const { name, output, opType } of graph.node) assert.equal(name, `${output[0]}:${opType}`);
});

test("a node reads only what stands before it", () => {
  const graph = graphOf(model());
  const known = new Set([...namesOf(graph.input), ...namesOf(graph.initializer), ""]);
  for (const { input: read, output } of graph.node) {
    for (const name of read) assert.ok(known.has(name), `${name} is not known yet`);
    for (const name of output) known.add(name);
  }
});

test("equal small constants are written once, large ones as often as they are made", () => {
  const small = program({ out: add(mul(x, 2), mul(exp(x), 2)) });
  assert.equal(graphOf(small).initializer.length, 1);
  // The amounts, a list of four, and what is padded with.
  assert.equal(
    graphOf(program({ a: pad(x, { after: 1 }), b: pad(exp(x), { after: 1 }) })).initializer.length,
    2,
  );
  const large = () => constant(float32(new Array<number>(65).fill(1)));
  const wide = input("wide", ["batch", 65]);
  assert.equal(
    graphOf(program({ out: add(mul(wide, large()), mul(exp(wide), large())) })).initializer.length,
    2,
  );
  const one = large();
  assert.equal(graphOf(program({ out: add(mul(wide, one), mul(exp(wide), one)) })).initializer.length, 1);
});

test("names of inputs and outputs that look like made-up ones do not collide with them", async () => {
  const [first, second] = [input("exp", ["batch", 2]), input("constant", ["batch", 2])];
  const outputs = { mul: exp(add(exp(first), 1)), exp_2: mul(second, 2), batch_size: fill(["batch", 1], 7) };
  const one = program({ ...outputs, all: add(outputs.exp_2, outputs.mul) });
  const loaded = await load(one);
  const feed = { shape: [1, 2], data: [0, 0] };
  const got = await loaded.run({ exp: feed, constant: { shape: [1, 2], data: [3, 4] } });
  assert.deepEqual([...got.exp_2!.data], [6, 8]);
  assert.ok(Math.abs(got.mul!.data[0]! - Math.exp(2)) < 1e-5);
  assert.deepEqual([...got.batch_size!.data], [7]);
  await loaded.close();
});

test("an output that is an input, a constant or another output's tensor is a copy under its own name", async () => {
  const both = exp(x);
  const one = program({ first: both, second: both, same: x, fixed: constant(float32([1, 2])) });
  const loaded = await load(one);
  const got = await loaded.run({ x: { shape: [1, 4], data: [0, 0, 0, 0] } });
  assert.deepEqual(
    ["first", "second", "same", "fixed"].map((name) => [...got[name]!.data]),
    [
      [1, 1, 1, 1],
      [1, 1, 1, 1],
      [0, 0, 0, 0],
      [1, 2],
    ],
  );
  await loaded.close();
});

test("sizes that are a multiple of the microbatch are computed when it is known", async () => {
  const line = input("line", [1]);
  const outputs = {
    four: reshape(exp(x), ["batch*4"]),
    wide: expand(line, ["batch*4"]),
    filled: fill(["batch*4", 2], 3),
    once: fill(["batch"], 1),
  };
  const one = program(outputs);
  assert.equal(graphOf(one).node.filter(({ opType }) => opType === "Shape").length, 1);
  const loaded = await load(one);
  for (const batch of [1, 2, 5]) {
    const got = await loaded.run({
      x: { shape: [batch, 4], data: new Array(batch * 4).fill(0) },
      line: { shape: [1], data: [9] },
    });
    assert.deepEqual(
      Object.keys(outputs).map((name) => got[name]!.shape),
      [[batch * 4], [batch * 4], [batch * 4, 2], [batch]],
    );
    assert.deepEqual([...got.wide!.data], new Array(batch * 4).fill(9));
  }
  await loaded.close();
});

test("the microbatch is read off whichever axis and input has it", async () => {
  const across = input("across", [3, "batch"]);
  const loaded = await load(program({ total: sum(across), ones: fill(["batch"], 1) }));
  const got = await loaded.run({ across: { shape: [3, 2], data: [1, 1, 1, 1, 1, 1] } });
  assert.deepEqual([got.ones!.shape, [...got.total!.data]], [[2], [6]]);
  await loaded.close();
});

test("the microbatch is read off a multiple of it where no input has it itself", async () => {
  const flat = input("flat", ["batch*3"]);
  const loaded = await load(program({ ones: fill(["batch"], 1), out: exp(flat) }));
  const got = await loaded.run({ flat: { shape: [6], data: [0, 0, 0, 0, 0, 0] } });
  assert.deepEqual(got.ones!.shape, [2]);
  await loaded.close();
});

test("attributes keep their kinds: whole numbers, floats, texts and lists", () => {
  const every: Op = {
    name: "every kind of attribute",
    infer: ([one]) => ({ shape: one!.shape, dtype: one!.dtype }),
    onnx: ({ inputs, node, output }) =>
      node(
        "Every",
        inputs,
        { whole: 3, float: { float: 2 }, text: "ä", list: [1, -2], texts: { strings: ["a", ""] }, none: [] },
        output,
        "com.microsoft",
      ),
    samples: [],
  };
  const { node, name } = graphOf(program({ out: apply(every, [x], {}) }));
  const kinds = node[0]!.attribute.map(({ name: key, type }) => [key, type]);
  assert.deepEqual(kinds, [
    ["whole", 2],
    ["float", 1],
    ["text", 3],
    ["list", 7],
    ["texts", 8],
    ["none", 7],
  ]);
  assert.deepEqual([node[0]!.domain, name], ["com.microsoft", "p"]);
});

test("long programs tell the shapes that the runtime cannot infer, so that they load in time", () => {
  const shapesIn = (steps: number) => {
    const x = input("x", ["batch", 2, 3]);
    let y = reshape(x, ["batch*2", 3]);
    for (let step = 0; step < steps; step++) y = tanh(y);
    const bytes = encodeOnnx(buildProgram({ name: "p", outputs: { y: reshape(y, ["batch", 6]) } }));
    const shapes = fromBinary(ModelProtoSchema, bytes).graph!.valueInfo;
    return shapes.map(({ name, type }) => {
      const kind = type?.value;
      const dims = kind?.case === "tensorType" ? (kind.value.shape?.dim ?? []) : [];
      return [name, ...dims.map(({ value }) => String(value.value))];
    });
  };
  assert.deepEqual(shapesIn(10), []);
  assert.deepEqual(shapesIn(1000), [["reshape", "batch*2", "3"]]);
});
