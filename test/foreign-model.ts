/** ONNX files as other people's programs write them, node by node, for tests of reading them. */
import { create, toBinary } from "@bufbuild/protobuf";
import { AttributeProtoSchema, type GraphProto, GraphProtoSchema, ModelProtoSchema } from "onnx-buf";
import type { NdArray } from "../src/array/array.ts";
import { onnxDType, typedArrayOf } from "../src/array/dtype.ts";

/** What an attribute may be; floats are marked, since 1 is an integer otherwise. */
export type Attribute =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly strings: readonly string[] }
  | NdArray
  | GraphProto;

/** [operator, inputs, outputs, attributes]. An operator of another domain: "com.microsoft.Gelu". */
export type Node = readonly [
  string,
  readonly string[],
  readonly string[],
  Readonly<Record<string, Attribute>>?,
];

/** A value: float32 unless the shape is followed by a dtype. */
export type Declared = readonly (number | string)[];

/** A file in parts. */
export interface ForeignModel {
  readonly opset?: number;
  readonly inputs?: Readonly<Record<string, Declared>>;
  readonly dtypes?: Readonly<Record<string, keyof typeof onnxDType>>;
  readonly outputs: Readonly<Record<string, Declared>>;
  readonly stored?: Readonly<Record<string, NdArray>>;
  readonly nodes: readonly Node[];
}

/** float32 numbers as they are stored. */
export function stored(values: readonly number[], shape: readonly number[] = [values.length]): NdArray {
  return { dtype: "float32", shape, data: Float32Array.from(values) };
}

/** int64 numbers as they are stored. */
export function storedInts(values: readonly number[], shape: readonly number[] = [values.length]): NdArray {
  return { dtype: "int64", shape, data: typedArrayOf("int64", values) };
}

/** The graph of a file. */
export function foreignGraph({
  inputs = {},
  dtypes = {},
  outputs,
  stored: arrays = {},
  nodes,
}: ForeignModel): GraphProto {
  const declared = (values: Readonly<Record<string, Declared>>) =>
    Object.entries(values).map(([name, shape]) => ({
      name,
      type: {
        value: {
          case: "tensorType" as const,
          value: { elemType: onnxDType[dtypes[name] ?? "float32"], shape: { dim: shape.map(dimension) } },
        },
      },
    }));
  return create(GraphProtoSchema, {
    name: "foreign",
    node: nodes.map(([type, input, output, attributes = {}]) => {
      const dot = type.lastIndexOf(".");
      return {
        opType: type.slice(dot + 1),
        domain: type.slice(0, Math.max(dot, 0)),
        input: [...input],
        output: [...output],
        attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
      };
    }),
    initializer: Object.entries(arrays).map(([name, array]) => ({ name, ...tensor(array) })),
    input: declared(inputs),
    output: declared(outputs),
  });
}

/** The bytes of a file, or of a graph. */
export function foreignModel(model: ForeignModel, graph = foreignGraph(model)): Uint8Array {
  const domains = new Set(graph.node.map(({ domain }) => domain).filter((domain) => domain !== ""));
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 8n,
      opsetImport: [
        { domain: "", version: BigInt(model.opset ?? 21) },
        ...[...domains].map((domain) => ({ domain, version: 1n })),
      ],
      graph,
    }),
  );
}

const dimension = (size: number | string) => ({
  value:
    typeof size === "number"
      ? { case: "dimValue" as const, value: BigInt(size) }
      : { case: "dimParam" as const, value: size },
});

function tensor({ dtype, shape, data }: NdArray) {
  return {
    dims: shape.map(BigInt),
    dataType: onnxDType[dtype],
    rawData: new Uint8Array(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  };
}

function attribute(name: string, value: Attribute) {
  if (typeof value === "number") return create(AttributeProtoSchema, { name, type: 2, i: BigInt(value) });
  if (typeof value === "string") {
    return create(AttributeProtoSchema, { name, type: 3, s: new TextEncoder().encode(value) });
  }
  if ("float" in value) return create(AttributeProtoSchema, { name, type: 1, f: value.float });
  if ("floats" in value) return create(AttributeProtoSchema, { name, type: 6, floats: [...value.floats] });
  if ("strings" in value) {
    const strings = value.strings.map((text) => new TextEncoder().encode(text));
    return create(AttributeProtoSchema, { name, type: 8, strings });
  }
  if ("dtype" in value) return create(AttributeProtoSchema, { name, type: 4, t: tensor(value) });
  if ("node" in value) return create(AttributeProtoSchema, { name, type: 5, g: value });
  return create(AttributeProtoSchema, { name, type: 7, ints: value.map(BigInt) });
}
