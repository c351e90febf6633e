/** ONNX bytes → what a file says about itself. What it computes is read by graph.ts. */
import { fromBinary } from "@bufbuild/protobuf";
import {
  TensorProto_DataType as DataType,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type TypeProto,
  type ValueInfoProto,
} from "onnx-buf";
import { onnxDType } from "../array/dtype.ts";
import { elementCount } from "../array/shape.ts";
import { fail } from "../errors.ts";

/** A named input or output of a file. */
export interface OnnxValue {
  readonly name: string;
  /** A DType of this package, another element type ("float16"), or another kind of value ("sequence", "map"). */
  readonly dtype: string;
  /** Numbers, or the name of a dimension that is free, "?" where it has none. Empty where the file tells no shape. */
  readonly shape: readonly (number | string)[];
}

/** A tensor stored in a file. */
export interface OnnxInitializer {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** How many elements it has. */
  readonly elements: number;
}

/** What an ONNX file says about itself. */
export interface OnnxSummary {
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Version of the standard operators; 0 where the file uses none. */
  readonly opset: number;
  /** Version of the file format. */
  readonly irVersion: number;
  readonly producer: string;
  /** Empty where the producer tells none. */
  readonly producerVersion: string;
  /** How often each operator occurs, subgraphs included: "Gemm", with its domain "ai.onnx.ml.LabelEncoder". */
  readonly operators: Readonly<Record<string, number>>;
  /** Tensors stored in the file. */
  readonly initializers: readonly OnnxInitializer[];
  /** Elements of all stored tensors of floats: trained parameters, and the few constants beside them. */
  readonly parameterCount: number;
}

/**
 * Reads what a file says about itself, of anybody's model: element types that this package does not know are told by name.
 * `source` is what errors call the file. Throws when the bytes are no ONNX file.
 */
export function summarizeOnnx(bytes: Uint8Array, source = "model"): OnnxSummary {
  const { model, graph } = parseOnnx(bytes, source);
  const initializers = graph.initializer.map(describeInitializer);
  const stored = new Set(initializers.map(({ name }) => name));
  return {
    inputs: graph.input.filter(({ name }) => !stored.has(name)).map(describeValue),
    outputs: graph.output.map(describeValue),
    metadata: Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value])),
    opset: Number(model.opsetImport.find(({ domain }) => isStandard(domain))?.version ?? 0n),
    irVersion: Number(model.irVersion),
    producer: model.producerName,
    producerVersion: model.producerVersion,
    operators: countOperators(graph),
    initializers,
    parameterCount: initializers
      .filter(({ dtype }) => /^b?float/.test(dtype))
      .reduce((total, { elements }) => total + elements, 0),
  };
}

/** The standard operators' domain has two names. */
export const isStandard = (domain: string) => domain === "" || domain === "ai.onnx";

/** The messages in the bytes. Throws when they are no ONNX file. */
export function parseOnnx(
  bytes: Uint8Array,
  source: string,
): { readonly model: ModelProto; readonly graph: GraphProto } {
  let model: ModelProto;
  try {
    model = fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    notOnnx(source, bytes, cause);
  }
  // Almost any bytes parse as some protobuf message; a model has a graph.
  const { graph } = model;
  return graph === undefined ? notOnnx(source, bytes) : { model, graph };
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

function countOperators(graph: GraphProto): Record<string, number> {
  const counts = new Map<string, number>();
  const graphs = [graph];
  for (const { node } of graphs) {
    for (const { opType, domain, attribute } of node) {
      const name = isStandard(domain) ? opType : `${domain}.${opType}`;
      counts.set(name, (counts.get(name) ?? 0) + 1);
      for (const inner of attribute)
        graphs.push(...inner.graphs, ...(inner.g === undefined ? [] : [inner.g]));
    }
  }
  return Object.fromEntries(counts);
}

/** The names of this package where it has one, else ONNX's in lower case. */
function dtypeName(elementType: number): string {
  return dtypes.get(elementType) ?? DataType[elementType]?.toLowerCase() ?? `element type ${elementType}`;
}

const dtypes = new Map(Object.entries(onnxDType).map(([dtype, number]) => [number, dtype]));

function describeInitializer({ name, dims, dataType }: GraphProto["initializer"][number]): OnnxInitializer {
  const shape = dims.map(Number);
  return { name, dtype: dtypeName(dataType), shape, elements: elementCount(shape) };
}

/** A declared value, as the file tells it. */
export function describeValue({ name, type }: ValueInfoProto): OnnxValue {
  const kind = type?.value;
  if (kind?.case !== "tensorType") return { name, dtype: kindNames[kind?.case ?? "none"], shape: [] };
  const dims = kind.value.shape?.dim ?? [];
  return {
    name,
    dtype: dtypeName(kind.value.elemType),
    shape: dims.map(({ value: dim }) => (dim.case === "dimValue" ? Number(dim.value) : dim.value || "?")),
  };
}

/** What values can be beside tensors. */
const kindNames: Readonly<
  Record<Exclude<NonNullable<TypeProto["value"]["case"]>, "tensorType"> | "none", string>
> = {
  sequenceType: "sequence",
  mapType: "map",
  optionalType: "optional",
  sparseTensorType: "sparse tensor",
  none: "unknown",
};
