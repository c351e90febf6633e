/** ONNX operators that make numbers from shapes and attributes alone. */
import { type DType, isFloat, type NumericDType } from "../array/dtype.ts";
import { factorOf, isBatchDim, type Shape } from "../array/shape.ts";
import { constant, type Tensor } from "../graph/tensor.ts";
import { heldDType } from "../onnx/stored-tensor.ts";
import * as ops from "../ops/index.ts";
import { constantOf } from "./arrays.ts";
import { type Known, knownOf, mostKnown } from "./known.ts";
import type { NodeReader, Operators } from "./operator.ts";

function constantNode(node: NodeReader): Tensor | Known {
  const array = node.array("value");
  if (array !== undefined) return constant(array);
  for (const [name, dtype] of [
    ["value_float", "float32"],
    ["value_int", "int64"],
  ] as const) {
    if (node.node.attributes.has(name)) return { dtype, shape: [], elements: [node.float(name, 0)] };
  }
  const ints = node.ints("value_ints");
  const list = ints ?? node.ints("value_floats"); // a list of floats is a list of numbers too
  if (list === undefined)
    return node.refuse("a constant of numbers", [...node.node.attributes.keys()].join(", "));
  return { dtype: ints === undefined ? "float32" : "int64", shape: [list.length], elements: list };
}

/** Filled when the program runs where it is large, so that a file cannot ask for memory here. */
function constantOfShape(node: NodeReader): Tensor | Known {
  const shape: Shape = node.sizes(0);
  const array = node.array("value") ?? { dtype: "float32", shape: [1], data: Float32Array.of(0) };
  const count = shape.reduce<number>((product, dim) => product * factorOf(dim), 1);
  if (!shape.some(isBatchDim) && count <= mostKnown) {
    const value = knownOf(array)!.elements[0] ?? 0;
    return {
      dtype: array.dtype,
      shape: shape as number[],
      elements: Array<number>(count).fill(Number(value)),
    }; // no batch
  }
  return ops.expand(ops.reshape(constant(array), []), shape);
}

function eye(node: NodeReader): Tensor {
  const x = node.input(0);
  const [rows, columns] = [node.fixed(0), node.fixed(1)];
  const count = node.bounded(rows * columns, "a matrix");
  const shift = node.int("k", 0);
  const dtype = numeric(node, node.node.attributes.has("dtype") ? heldDType(node.int("dtype", 0)) : x.dtype);
  const elements = Array.from({ length: count }, (_, index) =>
    Number((index % columns) - Math.floor(index / columns) === shift),
  );
  return constantOf(elements, [rows, columns], dtype);
}

function numeric(node: NodeReader, dtype: DType | undefined): NumericDType {
  return dtype === undefined || dtype === "string"
    ? node.refuse("a numeric dtype this package has", String(dtype))
    : dtype;
}

function range(node: NodeReader): Tensor {
  const [start, limit, delta] = [0, 1, 2].map((index) => node.numbers(index)![0]!);
  if (delta === 0) node.refuse("a step that is no 0", "0");
  const count = node.bounded(Math.max(Math.ceil((limit! - start!) / delta!), 0), "a range");
  const elements = Array.from({ length: count }, (_, index) => start! + index * delta!);
  return constantOf(elements, [count], numeric(node, node.input(0).dtype));
}

/** a0 − a1 · cos(2πk/N) + a2 · cos(4πk/N), N the size, or one less where the window is symmetric. */
function windowOf(a0: number, a1: number, a2: number) {
  return (node: NodeReader): Tensor => {
    const size = node.bounded(node.numbers(0)![0]!, "a window");
    const period = node.flag("periodic", true) ? size : size - 1;
    const dtype = numeric(node, heldDType(node.int("output_datatype", 1)));
    const elements = Array.from({ length: size }, (_, k) => {
      const angle = (2 * Math.PI * k) / period;
      return a0 - a1 * Math.cos(angle) + a2 * Math.cos(2 * angle);
    });
    return constantOf(isFloat(dtype) ? elements : elements.map(Math.trunc), [size], dtype);
  };
}

export const generators: Operators = {
  BlackmanWindow: windowOf(0.42, 0.5, 0.08),
  Constant: constantNode,
  ConstantOfShape: constantOfShape,
  EyeLike: eye,
  HammingWindow: windowOf(25 / 46, 21 / 46, 0),
  HannWindow: windowOf(0.5, 0.5, 0),
  Range: range,
};
