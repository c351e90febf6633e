/** A model whose inner tensors are fed instead of computed: what stands in front of them is not needed any more. */
import { create, toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema, ValueInfoProtoSchema } from "onnx-buf";
import { type NumericDType, onnxDType } from "../array/dtype.ts";
import type { Shape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { parseOnnx } from "./decode.ts";

/** An inner tensor that becomes an input: its name in the file, and what is fed. */
export interface InnerInput {
  readonly name: string;
  readonly dtype: NumericDType;
  readonly shape: Shape;
}

/**
 * The bytes of the same model with inner tensors as inputs. The nodes that wrote them are gone; those in front of these stay
 * where an output still needs them, or until the model is cut at its outputs. Throws for a name that no node writes.
 * Source: what `onnx.utils.extract_model` does for its input names.
 */
export function feedInside(
  bytes: Uint8Array,
  values: readonly InnerInput[],
  source = "model",
): Uint8Array<ArrayBuffer> {
  const { model, graph } = parseOnnx(bytes, source);
  const names = new Set(values.map(({ name }) => name));
  const written = new Set(graph.node.flatMap(({ output }) => output));
  const missing = values.find(({ name }) => name === "" || !written.has(name));
  if (missing !== undefined) {
    fail(`${source}, inner input`, {
      expected: "the name of a tensor that the file computes",
      got: JSON.stringify(missing.name),
      fix: "look for its name in the file",
    });
  }
  const node = graph.node.filter(({ output }) => !output.some((name) => names.has(name)));
  const input = [...graph.input, ...values.map(valueInfo)];
  return toBinary(ModelProtoSchema, { ...model, graph: { ...graph, node, input } });
}

function valueInfo({ name, dtype, shape }: InnerInput) {
  const dim = shape.map((size) => ({
    value:
      typeof size === "number"
        ? { case: "dimValue" as const, value: BigInt(size) }
        : { case: "dimParam" as const, value: size },
  }));
  const value = { elemType: onnxDType[dtype], shape: { dim } };
  return create(ValueInfoProtoSchema, { name, type: { value: { case: "tensorType", value } } });
}
