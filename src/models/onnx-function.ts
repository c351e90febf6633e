/** An ONNX file as a function of tensors: its weights are constants or parameters, its operators our ops. */
import type { NdArray } from "../array/array.ts";
import type { DType } from "../array/dtype.ts";
import { formatShape, isBatchDim, type Shape } from "../array/shape.ts";
import { fail, MicrobatchError } from "../errors.ts";
import { constant, input, isTensor, type Tensor } from "../graph/tensor.ts";
import type { OnnxValue } from "../onnx/decode.ts";
import { decodeOnnx, type ExternalData, nodeName, type OnnxGraph } from "../onnx/graph.ts";
import { cutAt } from "./cut.ts";
import { fold } from "./fold.ts";
import { knownOf } from "./known.ts";
import { type Answer, asValue, NodeReader, type Operator, type Value } from "./operator.ts";
import { operators } from "./operators.ts";
import { requireGradients } from "./reach.ts";
import { type OnnxWeight, type Trainable, weightsOf } from "./weights.ts";

/** How a file becomes a function. */
export interface OnnxFunctionOptions {
  /**
   * Which weights are trained: all, none (the default), or those whose names match: a name, in which * stands for anything, a
   * regular expression, or a list of them. Matches float32 tensors of at least one axis, stored or in Constant nodes.
   */
  readonly trainable?: Trainable;
  /**
   * Which tensors it gives, by their names in the file: inner ones too, so that a new head goes on a model's features. What lies
   * behind them is left out, operators that are not known included, and so are inputs that they do not need. `tensors` of the
   * function lists the names. Default: the file's outputs.
   */
  readonly outputs?: readonly string[];
  /** Frees a leading 1 of the inputs to be the microbatch, where the graph allows it. Default true. */
  readonly freeBatch?: boolean;
  /** Inputs that get fixed values instead of being fed, by name: an axis, a target shape. */
  readonly values?: Readonly<Record<string, NdArray>>;
  /** Shapes of inputs whose file leaves sizes open, by name: { image: ["batch", 3, 48, 192] }. */
  readonly shapes?: Readonly<Record<string, Shape>>;
  /** Bytes of files beside the model, by the location it names. loadOnnx reads them. */
  readonly external?: ExternalData;
}

/** A model read from a file: call it with a tensor per input, by name, for a tensor per output. */
export interface OnnxFunction {
  (inputs: Readonly<Record<string, Tensor>>): Readonly<Record<string, Tensor>>;
  /** What it takes: the leading size is "batch" where it was freed; "?" or a name where the file leaves a size open. */
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /**
   * Every tensor that it computes on the way, in the order of computing: what `outputs` of the options can name. No shapes
   * where the file leaves sizes of its inputs open.
   */
  readonly tensors: readonly OnnxValue[];
  /** Every weight of the file, trained or not. */
  readonly weights: readonly OnnxWeight[];
  /** The weights that are trained. */
  readonly parameters: readonly Tensor[];
  /** Why the batch stayed as the file has it, where it could not be freed. */
  readonly fixedBatch?: string;
}

/**
 * Reads an ONNX file as a function of tensors. `source` is what errors call it.
 * Float16 weights are widened to float32. Control flow, and operators that are not known, are refused with the names of their
 * nodes. Throws too for operator sets outside of 7 to 26 (older ones are read but for Dropout, Upsample, recurrent
 * layers and what sets 2 to 6 defined anew), damaged files, patterns that match no weight, and weights to be
 * trained that no gradient reaches.
 */
export function onnxFunction(
  bytes: Uint8Array,
  options: OnnxFunctionOptions = {},
  source = "model",
): OnnxFunction {
  const whole = decodeOnnx(bytes, source, options.external);
  const graph = options.outputs === undefined ? whole : cutAt(whole, options.outputs, source);
  requireKnown(graph, source);
  const weights = weightsOf(graph, options.trainable ?? false, source);
  const stored = storedValues(graph, weights, options.values ?? {});
  const trace = (inputs: ReadonlyMap<string, Tensor>) => run(graph, stored, inputs, source);
  const fed = graph.inputs.filter(({ name }) => options.values?.[name] === undefined);
  const { inputs, outputs, tensors, fixedBatch } = placed(graph, fed, options, trace, source, weights);
  const call = (given: Readonly<Record<string, Tensor>>) => {
    const made = outputsOf(graph, trace(checked(source, inputs, given)));
    requireGradients(source, [...made.values()], weights);
    return Object.freeze(Object.fromEntries(made));
  };
  const parameters = weights.filter(({ isTrainable }) => isTrainable).map(({ tensor }) => tensor);
  return Object.freeze(
    Object.assign(call, { inputs, outputs, tensors, weights, parameters, ...(fixedBatch && { fixedBatch }) }),
  );
}

const operatorOf = (name: string): Operator | undefined =>
  Object.hasOwn(operators, name) ? operators[name] : undefined;

/** Nodes that cannot be mapped, all at once. */
function requireKnown({ nodes }: OnnxGraph, source: string): void {
  const unknown = nodes.filter(({ operator }) => operatorOf(operator) === undefined);
  if (unknown.length === 0) return;
  const kinds = [...new Set(unknown.map(({ operator }) => operator))];
  const shown = unknown.slice(0, 20).map((node) => nodeName(node));
  fail(source, {
    expected: "operators that are known here",
    got: `${kinds.join(", ")}, in ${shown.join(", ")}${unknown.length > 20 ? ` and ${unknown.length - 20} more` : ""}`,
    fix: kinds.some((kind) => /^(If|Loop|Scan)$/.test(kind))
      ? "export the model without control flow, for fixed sizes"
      : "cut these nodes out before loading, or file an issue that names them",
  });
}

interface Placed {
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly tensors: readonly OnnxValue[];
  readonly fixedBatch?: string;
}

type Trace = (inputs: ReadonlyMap<string, Tensor>) => ReadonlyMap<string, Value>;

const outputsOf = ({ outputs }: OnnxGraph, values: ReadonlyMap<string, Value>) =>
  new Map(outputs.map(({ name }) => [name, values.get(name)!.tensor] as const));

/** What nodes write; a Constant node tells nothing that the weights do not. */
const computedBy = ({ nodes }: OnnxGraph): readonly string[] =>
  nodes
    .filter(({ operator }) => operator !== "Constant")
    .flatMap(({ outputs }) => outputs.filter((name) => name !== ""));

/** The shapes the function takes and gives: with the batch freed if the graph can be computed so. */
function placed(
  graph: OnnxGraph,
  fed: readonly OnnxValue[],
  options: OnnxFunctionOptions,
  trace: Trace,
  source: string,
  weights: readonly OnnxWeight[],
): Placed {
  const declared = fed.map((value) => ({ ...value, shape: options.shapes?.[value.name] ?? value.shape }));
  const named = declared.map((value) => ({ ...value, shape: value.shape.map(namedBatch) }));
  const freed = named.map((value) => ({ ...value, shape: value.shape.map(freedBatch) }));
  const isClosed = named.every(({ shape, dtype }) => shape.every(isSize) && dtype !== "unknown");
  if (!isClosed) {
    const tensors = computedBy(graph).map((name) => ({ name, dtype: "unknown", shape: [] }));
    return { inputs: options.freeBatch === false ? named : freed, outputs: graph.outputs, tensors };
  }
  const attempt = (inputs: readonly OnnxValue[]): Placed => {
    const values = trace(new Map(inputs.map((one) => [one.name, placeholder(one)])));
    const made = outputsOf(graph, values);
    requireGradients(source, [...made.values()], weights);
    const described = (name: string, { dtype, shape }: Tensor): OnnxValue => ({ name, dtype, shape });
    const outputs = [...made].map(([name, tensor]) => described(name, tensor));
    const tensors = computedBy(graph).map((name) => described(name, values.get(name)!.tensor));
    return { inputs, outputs, tensors };
  };
  const canBeFreed = freed.some(({ shape }, index) =>
    shape.some((dim, axis) => dim !== named[index]!.shape[axis]),
  );
  if (options.freeBatch === false || !canBeFreed) return attempt(named);
  try {
    return attempt(freed);
  } catch (error) {
    if (!(error instanceof MicrobatchError)) throw error;
    return { ...attempt(named), fixedBatch: error.message };
  }
}

const isSize = (dim: number | string) => typeof dim === "number" || /^batch(\*\d+)?$/.test(dim);
/** A leading size with a name is the number of samples. */
const namedBatch = (dim: number | string, axis: number) =>
  axis === 0 && typeof dim === "string" ? "batch" : dim;
const freedBatch = (dim: number | string, axis: number) => (axis === 0 && dim === 1 ? "batch" : dim);

function placeholder({ name, shape, dtype }: OnnxValue): Tensor {
  // isSize has seen every size, and requireDType below refuses dtypes that are not ours.
  return input(name, shape as Shape, requireDType(name, dtype));
}

const ours: readonly string[] = ["float32", "float64", "int32", "int64", "uint8", "bool", "string"];

function requireDType(name: string, dtype: string): DType {
  if (ours.includes(dtype)) return dtype as DType; // it is in the list
  if (dtype === "float16" || dtype === "bfloat16") return "float32";
  return fail(`input "${name}"`, {
    expected: `one of ${ours.join(", ")}`,
    got: dtype,
    fix: "convert the model to float32 before loading it",
  });
}

/** The tensors a call gives, checked against what the file declares. */
function checked(
  source: string,
  inputs: readonly OnnxValue[],
  given: Readonly<Record<string, Tensor>>,
): ReadonlyMap<string, Tensor> {
  const names = inputs.map(({ name }) => name);
  const extra = Object.keys(given).find((name) => !names.includes(name));
  const missing = names.find((name) => !Object.hasOwn(given, name) || !isTensor(given[name]));
  if (extra !== undefined || missing !== undefined) {
    fail(source, {
      expected: `a tensor for each of ${names.join(", ") || "no inputs"}`,
      got: extra === undefined ? `none for "${missing}"` : `"${extra}" as well`,
      fix: `call it with { ${names.join(", ")} }`,
    });
  }
  for (const declared of inputs) requireFit(source, declared, given[declared.name]!);
  return new Map(names.map((name) => [name, given[name]!]));
}

function requireFit(source: string, { name, dtype, shape }: OnnxValue, tensor: Tensor): void {
  const isOpen = shape.length === 0; // a file may tell no shape
  const fits =
    isOpen ||
    (shape.length === tensor.shape.length &&
      shape.every(
        (dim, axis) =>
          dim === tensor.shape[axis] ||
          (typeof dim === "string" && (axis === 0 || !isBatchDim(tensor.shape[axis]!))),
      ));
  const wanted = requireDType(name, dtype === "unknown" ? tensor.dtype : dtype);
  if (fits && wanted === tensor.dtype) return;
  fail(`${source}, input "${name}"`, {
    expected: `${wanted} [${shape.join(", ")}]`,
    got: `${tensor.dtype} ${formatShape(tensor.shape)}`,
    fix: wanted === tensor.dtype ? "reshape it to what the model takes" : `cast it: cast(x, "${wanted}")`,
  });
}

/** What the file holds, made once, so that a model called twice in a program has its weights once. */
function storedValues(
  graph: OnnxGraph,
  weights: readonly OnnxWeight[],
  fixed: Readonly<Record<string, NdArray>>,
): ReadonlyMap<string, Value> {
  const values = new Map<string, Value>();
  for (const [name, array] of [...graph.initializers, ...Object.entries(fixed)]) {
    values.set(name, { tensor: constant(array), known: knownOf(array) });
  }
  for (const { name, tensor } of weights) {
    const { leaf } = tensor; // what is trained is not known
    values.set(name, { tensor, ...(leaf?.kind === "constant" && { known: knownOf(leaf.value) }) });
  }
  return values;
}

/** Computes the graph with tensors, node by node; gives everything there is. */
function run(
  graph: OnnxGraph,
  stored: ReadonlyMap<string, Value>,
  inputs: ReadonlyMap<string, Tensor>,
  source: string,
): ReadonlyMap<string, Value> {
  const values = new Map<string, Value>(stored);
  for (const [name, tensor] of inputs) values.set(name, { tensor });
  for (const node of graph.nodes) {
    if (node.outputs.some((name) => stored.has(name))) continue; // a Constant node
    const reader = new NodeReader(
      `${source}, ${nodeName(node)}`,
      graph.opset,
      node,
      node.inputs.map((name) => (name === "" ? undefined : values.get(name))),
    );
    const answers = answered(reader);
    node.outputs.forEach((name, index) => {
      if (name === "") return;
      const answer =
        answers[index] ?? reader.refuse(`${index + 1} outputs`, `a node of ${answers.length} here`);
      values.set(name, answer);
    });
  }
  return values;
}

/** What an entry answers; errors of ops get the node's name in front. */
function answered(reader: NodeReader): readonly Value[] {
  try {
    const answer: Answer = fold(reader) ?? operatorOf(reader.node.operator)!(reader);
    return (Array.isArray(answer) ? answer : [answer]).map(valueWithConstant);
  } catch (error) {
    if (!(error instanceof MicrobatchError) || error.where.startsWith(reader.where)) throw error;
    fail(`${reader.where}, ${error.where}`, error, { cause: error });
  }
}

/** A constant an entry makes is known, if it is small. */
function valueWithConstant(part: Parameters<typeof asValue>[0]): Value {
  const value = asValue(part);
  const { leaf } = value.tensor;
  return value.known === undefined && leaf?.kind === "constant"
    ? { ...value, known: knownOf(leaf.value) }
    : value;
}
