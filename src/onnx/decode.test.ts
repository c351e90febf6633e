import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { TensorProto_DataType as DataType, ModelProtoSchema, type TypeProtoSchema } from "onnx-buf";
import { float32 } from "../array/array.ts";
import { buildProgram } from "../graph/program.ts";
import { input, parameter } from "../graph/tensor.ts";
import { affine, argMax, categoryCodes, categoryNames, concat, oneHot, relu } from "../ops/index.ts";
import { summarizeOnnx } from "./decode.ts";
import { encodeOnnx } from "./encode.ts";

const zeros = { name: "zeros", fill: () => undefined };

/** A classifier of a number and a text. */
function classifier(): Uint8Array {
  const [x, text] = [input("x", ["batch", 1]), input("text", ["batch"], "string")];
  const [weight, bias] = [parameter([3, 3], zeros, "weight"), parameter([3], zeros, "bias")];
  const hot = oneHot(categoryCodes(text, ["a", "b"]), 2);
  const logits = relu(affine(concat([x, hot]), weight, bias));
  const program = buildProgram({
    name: "classifier",
    outputs: { logits, prediction: categoryNames(argMax(logits), ["no", "perhaps", "yes"]) },
  });
  const values = new Map([
    ["weight", float32([1, 2, 3, 4, 5, 6, 7, 8, 9], [3, 3])],
    ["bias", float32([1, 2, 3])],
  ]);
  return encodeOnnx(program, { values, metadata: { author: "ä" } });
}

test("a file of this package tells its inputs, outputs, operators and what it stores", () => {
  const { initializers, ...summary } = summarizeOnnx(classifier());
  assert.deepEqual(summary, {
    inputs: [
      { name: "x", dtype: "float32", shape: ["batch", 1] },
      { name: "text", dtype: "string", shape: ["batch"] },
    ],
    outputs: [
      { name: "logits", dtype: "float32", shape: ["batch", 3] },
      { name: "prediction", dtype: "string", shape: ["batch"] },
    ],
    metadata: { author: "ä" },
    opset: 21,
    irVersion: 10,
    producer: "microbatch",
    producerVersion: "",
    operators: {
      "ai.onnx.ml.LabelEncoder": 2,
      Cast: 4,
      Reshape: 1,
      Equal: 1,
      Concat: 1,
      Gemm: 1,
      Relu: 1,
      ArgMax: 1,
    },
    parameterCount: 12,
  });
  assert.deepEqual(
    initializers.filter(({ dtype }) => dtype === "float32"),
    [
      { name: "weight", dtype: "float32", shape: [3, 3], elements: 9 },
      { name: "bias", dtype: "float32", shape: [3], elements: 3 },
    ],
  );
  assert.deepEqual(
    initializers.filter(({ dtype }) => dtype === "int32"),
    [{ name: "constant", dtype: "int32", shape: [2], elements: 2 }],
  );
});

type Type = MessageInitShape<typeof TypeProtoSchema>;
const tensor = (elemType: number, ...dims: (bigint | string | undefined)[]): Type => ({
  value: {
    case: "tensorType",
    value: {
      elemType,
      shape: {
        dim: dims.map((dim) => ({
          value:
            typeof dim === "bigint"
              ? { case: "dimValue" as const, value: dim }
              : dim === undefined
                ? { case: undefined }
                : { case: "dimParam" as const, value: dim },
        })),
      },
    },
  },
});

/** A model as others write them: types and operators that this package does not have. */
function foreign(): Uint8Array {
  const inner = { name: "then", node: [{ opType: "Mul" }, { opType: "constructor", domain: "com.other" }] };
  const branch = { opType: "If", domain: "ai.onnx", attribute: [{ name: "then", g: inner }] };
  const input = (name: string, type?: Type) => ({ name, ...(type && { type }) });
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 8n,
      producerName: "pytorch",
      producerVersion: "2.1.0",
      opsetImport: [
        { domain: "com.other", version: 7n },
        { domain: "ai.onnx", version: 17n },
      ],
      graph: {
        node: [branch, { opType: "Mul" }, { opType: "Scan", attribute: [{ graphs: [inner, inner] }] }],
        initializer: [
          { name: "half", dataType: DataType.FLOAT16, dims: [2n, 5n] },
          { name: "brain", dataType: DataType.BFLOAT16, dims: [] },
          { name: "small", dataType: DataType.INT4, dims: [1000n] },
          { name: "none", dataType: DataType.DOUBLE, dims: [0n, 7n] },
        ],
        input: [
          input("half", tensor(DataType.FLOAT16, 2n, 5n)), // stored, so it need not be fed
          input("x", tensor(DataType.FLOAT16, "N", 3n, undefined, "")),
          input("unsigned", tensor(DataType.UINT64)),
          input("eight", tensor(DataType.FLOAT8E4M3FN)),
          input("new", tensor(99)),
        ],
        output: [
          input("sequence", { value: { case: "sequenceType", value: { elemType: tensor(1) } } }),
          input("map", { value: { case: "mapType", value: { keyType: 7, valueType: tensor(1) } } }),
          input("optional", { value: { case: "optionalType", value: { elemType: tensor(1) } } }),
          input("sparse", { value: { case: "sparseTensorType", value: { elemType: 1 } } }),
          input("untold"),
        ],
      },
    }),
  );
}

test("a model of somebody else is told as it is, whatever it takes and gives", () => {
  assert.deepEqual(summarizeOnnx(foreign()), {
    inputs: [
      { name: "x", dtype: "float16", shape: ["N", 3, "?", "?"] },
      { name: "unsigned", dtype: "uint64", shape: [] },
      { name: "eight", dtype: "float8e4m3fn", shape: [] },
      { name: "new", dtype: "element type 99", shape: [] },
    ],
    outputs: [
      { name: "sequence", dtype: "sequence", shape: [] },
      { name: "map", dtype: "map", shape: [] },
      { name: "optional", dtype: "optional", shape: [] },
      { name: "sparse", dtype: "sparse tensor", shape: [] },
      { name: "untold", dtype: "unknown", shape: [] },
    ],
    metadata: {},
    opset: 17,
    irVersion: 8,
    producer: "pytorch",
    producerVersion: "2.1.0",
    operators: { If: 1, Mul: 4, Scan: 1, "com.other.constructor": 3 },
    initializers: [
      { name: "half", dtype: "float16", shape: [2, 5], elements: 10 },
      { name: "brain", dtype: "bfloat16", shape: [], elements: 1 },
      { name: "small", dtype: "int4", shape: [1000], elements: 1000 },
      { name: "none", dtype: "float64", shape: [0, 7], elements: 0 },
    ],
    parameterCount: 11,
  });
});

test("bytes that are no model, or only the beginning of one, are refused", () => {
  const bytes = classifier();
  const text = new TextEncoder().encode("size,colour\n1,red\n");
  const beginnings = [100, 500, bytes.length - 1].map((length) => bytes.subarray(0, length));
  for (const wrong of [new Uint8Array(0), new Uint8Array(64), text, ...beginnings]) {
    assert.throws(() => summarizeOnnx(wrong, "model.onnx"), {
      name: "MicrobatchError",
      message:
        `model.onnx: expected an ONNX file, got ${wrong.length} bytes that are none, or are cut short. ` +
        "Fix: save the model again",
    });
  }
});
