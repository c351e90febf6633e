/** ONNX bytes → what is in them. For now what a saved model says about itself; whole graphs come with fine-tuning. */
import { fromBinary } from "@bufbuild/protobuf";
import { type ModelProto, ModelProtoSchema, type ValueInfoProto } from "onnx-buf";
import { type DType, onnxDType } from "../array/dtype.ts";
import { fail } from "../errors.ts";

/** A named input or output of a file. */
export interface OnnxValue {
  readonly name: string;
  readonly dtype: DType;
  /** Numbers, or the name of a dimension that is free. */
  readonly shape: readonly (number | string)[];
}

/** What an ONNX file says about itself. */
export interface OnnxSummary {
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly opset: number;
  readonly producer: string;
  /** Tensors stored in the file, by name. */
  readonly initializers: readonly { readonly name: string; readonly shape: readonly number[] }[];
}

/**
 * Reads inputs, outputs, metadata and names of stored tensors. `source` is what errors call the file.
 * Throws when the bytes are no ONNX file, or an input has an element type this package does not know.
 */
export function summarizeOnnx(bytes: Uint8Array, source = "model"): OnnxSummary {
  const model = parse(bytes, source);
  const graph = model.graph;
  const stored = new Set(graph?.initializer.map(({ name }) => name));
  return {
    inputs: (graph?.input ?? [])
      .filter(({ name }) => !stored.has(name))
      .map((value) => describe(value, source)),
    outputs: (graph?.output ?? []).map((value) => describe(value, source)),
    metadata: Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value])),
    opset: Number(model.opsetImport.find(({ domain }) => domain === "")?.version ?? 0n),
    producer: model.producerName,
    initializers: (graph?.initializer ?? []).map(({ name, dims }) => ({ name, shape: dims.map(Number) })),
  };
}

function parse(bytes: Uint8Array, source: string): ModelProto {
  let model: ModelProto | undefined;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    notOnnx(source, bytes, cause);
  }
  // Almost any bytes parse as some protobuf message; a model has a graph.
  return model.graph === undefined ? notOnnx(source, bytes) : model;
}

function notOnnx(source: string, bytes: Uint8Array, cause?: unknown): never {
  fail(
    source,
    {
      expected: "an ONNX file",
      got: `${bytes.length} bytes that are none, or are cut short`,
      fix: "save the model again",
    },
    { cause },
  );
}

const dtypes = new Map(Object.entries(onnxDType).map(([dtype, number]) => [number, dtype as DType])); // keys of onnxDType

function describe(value: ValueInfoProto, source: string): OnnxValue {
  const type = value.type?.value;
  const tensor = type?.case === "tensorType" ? type.value : undefined;
  const dtype = dtypes.get(tensor?.elemType ?? 0);
  if (tensor === undefined || dtype === undefined) {
    fail(`${source}, "${value.name}"`, {
      expected: `a tensor of ${[...dtypes.values()].join(", ")}`,
      got: tensor === undefined ? (type?.case ?? "no type") : `element type ${tensor.elemType}`,
      fix: "this package cannot feed it",
    });
  }
  const dims = tensor.shape?.dim ?? [];
  return {
    name: value.name,
    dtype,
    shape: dims.map(({ value: dim }) => (dim.case === "dimValue" ? Number(dim.value) : (dim.value ?? "?"))),
  };
}
