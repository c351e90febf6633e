/**
 * CONTRACT of an operation. An op is one entry in one file of ops/: its ONNX form, shape rule, gradient
 * and test cases side by side. Nothing else in the package knows an op by name.
 */
import type { DType } from "../array/dtype.ts";
import type { Dim, Shape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { Tensor } from "./tensor.ts";

/** Values that steer an op and are no tensors. Frozen plain data, so that equal nodes can be merged. */
export type Attributes = Readonly<Record<string, AttributeValue>>;
export type AttributeValue =
  | number
  | string
  | boolean
  | undefined
  | readonly AttributeValue[]
  | { readonly [key: string]: AttributeValue };

/** What a gradient rule sees. */
export interface GradientContext<A extends Attributes = Attributes> {
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  readonly attributes: A;
  /** The gradient that arrived at the output, in the output's shape. */
  readonly dy: Tensor;
  /** True where the walk wants the gradient of input `index`; what is not needed may be left undefined. */
  needs(index: number): boolean;
}

/** ONNX attributes: integers, floats, strings and lists of them. Floats are marked, since 1 is an integer in JSON. */
export type OnnxAttribute =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly strings: readonly string[] };

/** What an emission rule sees: names of values, and a pen that writes ONNX nodes. */
export interface EmitContext<A extends Attributes = Attributes> {
  /** The input tensors, for their shapes and dtypes. */
  readonly tensors: readonly Tensor[];
  readonly inputs: readonly string[];
  readonly outputTensor: Tensor;
  /** The name the last node must write. */
  readonly output: string;
  readonly attributes: A;
  /**
   * Writes a node; without `output` a fresh name is made. Returns the name written. Inputs may be "" (absent). unread: how many
   * outputs follow the first, because ONNX demands them, or for another op to read: see `further`.
   */
  node(
    type: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, OnnxAttribute>>,
    output?: string,
    domain?: string,
    unread?: number,
  ): string;
  /** The outputs that follow the first of the node which wrote `value`, for an op that reads what another computes anyway. */
  further(value: string): readonly string[];
  /**
   * How many channels the blocked convolutions of the runtime take at a time. Absent in files, and where it has none: what
   * is written then is plain ONNX.
   */
  readonly channelBlock?: number;
  /** A shared constant: an int64 list (or scalar with shape []). */
  ints(values: readonly number[], shape?: readonly number[]): string;
  /** An int64 list of length 1 holding the size of a dimension, known only at run time if it grows with the microbatch. */
  size(dim: Dim): string;
  /** An int64 list holding a whole shape. */
  shape(shape: Shape): string;
  /** A shared constant of the given dtype (default float32), a scalar unless a shape is given. */
  constant(values: readonly number[], shape?: readonly number[], dtype?: DType): string;
}

/** A check the trainer makes on an index input before it runs: every element in [0, below). */
export interface IndexBound {
  /** Which input holds indices. */
  readonly input: number;
  /** The first value that is out of range. ONNX Runtime takes −1 for the last class in silence, so we check. */
  readonly below: number;
  /** What the indices mean, for the error: "class label", "category code". */
  readonly meaning: string;
}

/** One test case: `build` makes the tensor from leaf tensors of the given shapes. Tested by being registered. */
export interface OpSample {
  /** Shapes of the float32 leaf tensors, or full leaf descriptions. "batch" is run as 3. */
  readonly inputs: readonly (Shape | SampleInput)[];
  /** Calls the public function of the op. */
  build(...inputs: Tensor[]): Tensor;
}
/** A leaf of a test case: its values are drawn uniformly from `range`, avoiding `kinks` by 0.05. */
export interface SampleInput {
  readonly shape: Shape;
  readonly dtype?: DType;
  /** Default [-2, 2]. For integer dtypes the upper end is excluded. */
  readonly range?: readonly [number, number];
  /** Points where the derivative jumps. */
  readonly kinks?: readonly number[];
  /** What texts are drawn from, instead of categories. */
  readonly words?: readonly string[];
}

/** An operation. */
export interface Op<A extends Attributes = Attributes> {
  readonly name: string;
  /** Shape and dtype of the output. Throws a MicrobatchError when the inputs do not fit. */
  infer(inputs: readonly Tensor[], attributes: A): { readonly shape: Shape; readonly dtype: DType };
  /**
   * One gradient per input, in the OUTPUT's broadcast shape or the input's own: the walk sums broadcast axes away.
   * An op without this rule stops gradients (comparisons, for example).
   */
  gradient?(context: GradientContext<A>): readonly (Tensor | undefined)[];
  /** The ONNX operator, where one node with the same inputs and no attributes is all there is; or a rule. */
  readonly onnx: string | ((context: EmitContext<A>) => void);
  /** Index inputs to check before running. */
  indices?(inputs: readonly Tensor[], attributes: A): readonly IndexBound[];
  readonly samples: readonly OpSample[];
}

const registry = new Map<string, Op>();

/** Registers an op, which makes the contract suite test it, and returns it. Throws for a name that is taken. */
export function defineOp<A extends Attributes = Attributes>(op: Op<A>): Op<A> {
  if (registry.has(op.name)) {
    fail(`defineOp("${op.name}")`, {
      expected: "a name that no other op has",
      got: "that of a registered op",
      fix: "rename it: equal nodes are merged by the names of their ops",
    });
  }
  // An Op<A> is only ever called with the attributes its own function made, so widening A is sound.
  registry.set(op.name, op as unknown as Op);
  return Object.freeze(op);
}

/** Every registered op, for the contract suite. */
export function registeredOps(): readonly Op[] {
  return [...registry.values()];
}
