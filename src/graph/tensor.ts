/** Tensors: frozen nodes of an expression. They hold no numbers; programs made from them do the work. */
import type { NdArray } from "../array/array.ts";
import { type DType, type NumericDType, typedArrayOf } from "../array/dtype.ts";
import { type Dim, formatShape, type Shape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { Attributes, Op } from "./op.ts";

/** A symbolic tensor: what an op makes from its inputs. Frozen; make one by calling an op's function. */
export interface Tensor {
  readonly op: Op;
  readonly inputs: readonly Tensor[];
  readonly attributes: Attributes;
  readonly shape: Shape;
  readonly dtype: DType;
  /** Only for leaves: what kind, and where its numbers come from. */
  readonly leaf?: Leaf;
}

/** A tensor that no op makes. */
export type Leaf = InputLeaf | ParameterLeaf | ConstantLeaf;

/** Numbers that come from outside at every run. */
export interface InputLeaf {
  readonly kind: "input";
  readonly name: string;
}

/** Numbers that a model holds. Found by walking the graph; there is no registration. */
export interface ParameterLeaf {
  readonly kind: "parameter";
  /** What the layer calls it, "linear.weight"; made unique ("linear1.weight") when the model is traced. */
  readonly label: string;
  readonly initializer: Initializer;
  /** The layer it belongs to, by identity: parameters of one layer are numbered together. */
  readonly owner?: object;
  /** True for running statistics: kept, hashed and saved with the parameters, but no optimizer changes them. */
  readonly isStatistic?: true;
}

/** Numbers known when the model is written. */
export interface ConstantLeaf {
  readonly kind: "constant";
  readonly value: NdArray;
}

/**
 * First values of a parameter. `draw(i)` gives the i-th of as many independent uniform numbers in [0, 1) as asked for:
 * they depend on the seed, the parameter's name and i alone.
 */
export interface Initializer {
  readonly name: string;
  fill(values: Float32Array, shape: readonly number[], draw: (index: number) => number): void;
}

/** A number stands for a constant scalar wherever a tensor is expected. */
export type TensorLike = Tensor | number;

const leafOp = (name: string): Op =>
  Object.freeze({
    name,
    infer: () =>
      fail(name, { expected: "no call", got: "a leaf inferred", fix: "leaves carry their own shape" }),
    onnx: name,
    samples: [],
  });
const inputOp = leafOp("input");
const parameterOp = leafOp("parameter");
const constantOp = leafOp("constant");

function leaf(op: Op, shape: Shape, dtype: DType, what: Leaf): Tensor {
  return Object.freeze({
    op,
    inputs: Object.freeze([]),
    attributes: Object.freeze({}),
    shape: Object.freeze([...shape]),
    dtype,
    leaf: Object.freeze(what),
  });
}

/** A placeholder whose numbers are fed at every run. */
export function input(name: string, shape: Shape, dtype: DType = "float32"): Tensor {
  return leaf(inputOp, shape, dtype, { kind: "input", name });
}

/** Numbers that training changes: float32, of a fixed shape. */
export function parameter(
  shape: readonly number[],
  initializer: Initializer,
  label = "parameter",
  owner?: object,
): Tensor {
  return held(shape, { kind: "parameter", label, initializer, ...(owner && { owner }) });
}

/** Numbers that a layer observes while the rest is trained, such as a running mean: float32, of a fixed shape, no gradient. */
export function statistic(
  shape: readonly number[],
  initializer: Initializer,
  label = "statistic",
  owner?: object,
): Tensor {
  return held(shape, { kind: "parameter", label, initializer, ...(owner && { owner }), isStatistic: true });
}

function held(shape: readonly number[], what: ParameterLeaf): Tensor {
  const wrong = shape.find((dim) => !Number.isInteger(dim) || dim < 1);
  if (wrong !== undefined) {
    fail("parameter", {
      expected: "dimensions that are whole numbers from 1 on",
      got: formatShape(shape),
      fix: `replace ${wrong} by a positive whole number`,
    });
  }
  return leaf(parameterOp, shape, "float32", what);
}

/** Fixed numbers inside the graph. A plain number becomes a float32 scalar. */
export function constant(value: NdArray | number): Tensor {
  const array: NdArray =
    typeof value === "number" ? { dtype: "float32", shape: [], data: Float32Array.of(value) } : value;
  return leaf(constantOp, array.shape, array.dtype, { kind: "constant", value: array });
}

/** The tensor itself, or the constant a number stands for. Throws for a number that the integer dtype cannot hold. */
export function asTensor(value: TensorLike, dtype: NumericDType = "float32"): Tensor {
  if (typeof value !== "number") return value;
  requireHeld(value, dtype);
  return constant({ dtype, shape: [], data: typedArrayOf(dtype, [value]) });
}

function requireHeld(value: number, dtype: NumericDType): void {
  const range = wholeNumbers[dtype];
  if (range === undefined) return;
  const [least, most] = range;
  if (Number.isInteger(value) && least <= value && value <= most) return;
  fail("constant", {
    expected: `a whole number from ${least} to ${most}, as an ${dtype} tensor is on the other side`,
    got: String(value),
    fix: `cast the tensor first: cast(x, "float32")`,
  });
}

/** The numbers that integer dtypes hold (for int64: those that a JavaScript number holds exactly). */
const wholeNumbers: Readonly<Partial<Record<DType, readonly [number, number]>>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  uint8: [0, 255],
};

/** True for anything the ops of this package made. */
export function isTensor(value: unknown): value is Tensor {
  return (
    typeof value === "object" && value !== null && "op" in value && "inputs" in value && "shape" in value
  );
}

/** Applies an op: infers the shape and freezes the node. Op functions call this; users call op functions. */
export function apply<A extends Attributes>(op: Op<A>, inputs: readonly Tensor[], attributes: A): Tensor {
  inputs.forEach((value, index) => {
    if (!isTensor(value)) {
      fail(op.name, {
        expected: `a tensor as argument ${index + 1}`,
        got: value === null ? "null" : typeof value,
        fix: "pass a tensor, or a plain number for a constant",
      });
    }
  });
  const { shape, dtype } = op.infer(inputs, attributes);
  return Object.freeze({
    // An Op<A> is only called with attributes its own function made, so widening A is sound.
    op: op as unknown as Op,
    inputs: Object.freeze([...inputs]),
    attributes: Object.freeze(attributes),
    shape: Object.freeze([...shape]) as readonly Dim[],
    dtype,
  });
}
