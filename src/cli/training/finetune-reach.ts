/** Which weights of an ONNX file can be trained, and what blocks the others. */
import { type DType, isFloat } from "../../array/dtype.ts";
import type { Shape } from "../../array/shape.ts";
import { MicrobatchError } from "../../errors.ts";
import { input, type Tensor } from "../../graph/tensor.ts";
import { sorted } from "../../graph/walk.ts";
import { type OnnxFunction, type OnnxFunctionOptions, onnxFunction } from "../../models/onnx-function.ts";
import { operators } from "../../models/operators.ts";
import { weightsOf } from "../../models/weights.ts";
import type { OnnxValue } from "../../onnx/decode.ts";
import { type ExternalData, nodeName, type OnnxGraph, type OnnxNode } from "../../onnx/graph.ts";

/** A weight, as people are told of it. */
export interface ToldWeight {
  readonly name: string;
  readonly shape: readonly number[];
}

/** What blocks some weights. */
export interface Blocked {
  readonly reason: string;
  readonly weights: readonly ToldWeight[];
}

/** The weights of a file by what can become of them. */
export interface Reach {
  readonly trainable: readonly ToldWeight[];
  readonly blocked: readonly Blocked[];
  /** The sizes that were taken where the file leaves those of an input open, by its name. */
  readonly taken: Readonly<Record<string, Shape>>;
}

/** A file as it is read here. */
export interface ReadModel {
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly external: ExternalData;
  readonly graph: OnnxGraph;
  /** The tensors that its run trained, where this package has saved it: other numbers in it are means, deviations and the like. */
  readonly trained?: ReadonlySet<string> | undefined;
}

/** Operators that are not known, one node of each. */
export const unknownNodes = (nodes: readonly OnnxNode[]): readonly OnnxNode[] =>
  nodes.filter(({ operator }) => !Object.hasOwn(operators, operator));

/** The outputs that are numbers and need no operator that is not known: those that can be trained for. */
export function readableOutputs({ graph }: ReadModel): readonly string[] {
  const isUnknown = new Set(unknownNodes(graph.nodes));
  const spoilt = new Set<string>(); // graph.nodes is in an order in which they can be computed
  for (const node of graph.nodes) {
    if (!isUnknown.has(node) && !node.inputs.some((name) => spoilt.has(name))) continue;
    for (const name of node.outputs) spoilt.add(name);
  }
  const written = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  return graph.outputs
    .filter(({ name, dtype }) => written.has(name) && !spoilt.has(name) && isNumeric(dtype))
    .map(({ name }) => name);
}

const isNumeric = (dtype: string) => dtype === "unknown" || /^b?float/.test(dtype);

/** Says of every weight of a file whether a gradient reaches it from the outputs that can be read. Runs nothing. */
export function reachOf(model: ReadModel): Reach {
  const { graph, file } = model;
  const weights = ownWeights(model, weightsOf(graph, false, file));
  const whole = othersThanFloats(graph);
  const all = (reason: string): Reach => ({
    trainable: [],
    blocked: [...grouped(weights.map((one) => [one, reason])), ...whole],
    taken: {},
  });
  const outputs = readableOutputs(model);
  if (outputs.length === 0) return all(noOutput(graph));
  const opened = openedWith(model, { outputs });
  if (opened instanceof MicrobatchError) return all(`the file cannot be read: ${opened.message}`);
  const reasons = blockingReasons(opened, file);
  const known = new Set(opened.read.weights.map(({ name }) => name));
  const behind = behindUnknown(graph);
  const told = weights.map((one) => [one, known.has(one.name) ? reasons.get(one.name) : behind] as const);
  const blocked = told.flatMap(([one, reason]) => (reason === undefined ? [] : [[one, reason] as const]));
  const trainable = told.flatMap(([one, reason]) => (reason === undefined ? [one] : []));
  return { trainable, blocked: [...grouped(blocked), ...whole], taken: opened.taken };
}

/** The same of the weights that a part of a file reads: what stands behind it is not asked for. */
export function reachIn(model: ReadModel, traced: Traced): Reach {
  const reasons = blockingReasons(traced, model.file);
  const weights = ownWeights(model, traced.read.weights);
  const trainable = weights.filter(({ name }) => !reasons.has(name));
  const blocked = weights.flatMap((one) =>
    reasons.has(one.name) ? [[one, reasons.get(one.name)!] as const] : [],
  );
  return { trainable, blocked: grouped(blocked), taken: {} };
}

/** Those that a run has trained, where the file says. */
const ownWeights = ({ trained }: ReadModel, weights: readonly ToldWeight[]): readonly ToldWeight[] =>
  weights
    .filter(({ name }) => trained === undefined || trained.has(name))
    .map(({ name, shape }) => ({ name, shape }));

function noOutput(graph: OnnxGraph): string {
  const unknown = unknownNodes(graph.nodes);
  return unknown.length === 0 ? "no output is a number" : behindUnknown(graph);
}

/** "no gradient through If, com.other.Magic: not known". */
function behindUnknown({ nodes }: OnnxGraph): string {
  const kinds = [...new Set(unknownNodes(nodes).map(({ operator }) => operator))];
  if (kinds.length === 0) return unread;
  const first = unknownNodes(nodes)[0]!;
  const control = kinds.some((kind) => /^(If|Loop|Scan)$/.test(kind)) ? " (control flow)" : "";
  const shown = `${kinds.slice(0, 4).join(", ")}${kinds.length > 4 ? ` and ${kinds.length - 4} more` : ""}`;
  return `beside ${shown}, not known here${control}, at ${nodeName(first)}`;
}

/** A file, or a part of it, as tensors. */
export interface Traced {
  readonly read: OnnxFunction;
  readonly made: readonly Tensor[];
  readonly taken: Readonly<Record<string, Shape>>;
  /** The same with some weights as parameters. */
  again(weights: readonly ToldWeight[]): Traced | MicrobatchError;
}

/** Sizes that are tried for those which a file leaves open: of images, then of texts and what needs none. */
const triedSizes = [224, 64, 32, 16, 8, 1, 640];

/** The file as tensors, its open sizes taken as the first that it can be computed with; the error where there are none. */
export function openedWith(model: ReadModel, options: OnnxFunctionOptions): Traced | MicrobatchError {
  const load = (more: OnnxFunctionOptions) =>
    onnxFunction(model.bytes, { external: model.external, ...options, ...more }, model.file);
  const attempt = (
    sizes: Readonly<Record<string, Shape>>,
    weights: readonly ToldWeight[] = [],
  ): Traced | MicrobatchError => {
    try {
      const trainable = weights.length === 0 ? false : exactly(weights);
      const read = load({ shapes: { ...options.shapes, ...sizes }, trainable });
      const fed = read.inputs.map((value) => [value.name, placeholderOf(value)] as const);
      return {
        read,
        made: Object.values(read(Object.fromEntries(fed))),
        taken: sizes,
        again: (some) => attempt(sizes, some),
      };
    } catch (error) {
      if (error instanceof MicrobatchError) return error;
      throw error;
    }
  };
  const open = model.graph.inputs.filter(
    ({ name, shape }) =>
      options.shapes?.[name] === undefined && shape.slice(1).some((size) => typeof size !== "number"),
  );
  if (open.length === 0) return attempt({});
  let first: MicrobatchError | undefined;
  for (const size of triedSizes) {
    const sizes = open.map(
      ({ name, shape }) => [name, shape.map((dim, axis) => sizeOf(dim, axis, size))] as const,
    );
    const result = attempt(Object.fromEntries(sizes));
    if (!(result instanceof MicrobatchError)) return result;
    first ??= result;
  }
  return first!; // there is at least one size
}

const sizeOf = (dim: number | string, axis: number, size: number) =>
  axis === 0 ? ("batch" as const) : typeof dim === "number" ? dim : size;

const ours: readonly string[] = ["float32", "float64", "int32", "int64", "uint8", "bool", "string"];

function placeholderOf({ name, shape, dtype }: OnnxValue): Tensor {
  // Every size is a number or the batch by now; dtypes that are not ours are widened floats, as onnxFunction takes them.
  return input(name, shape as Shape, ours.includes(dtype) ? (dtype as DType) : "float32");
}

/** A pattern of these names alone: names in a file may hold anything, * included. */
export function exactly(weights: readonly ToldWeight[]): RegExp {
  const escaped = weights.map(({ name }) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^(?:${escaped.join("|")})$`);
}

/** Why no gradient reaches a weight, by its name; nothing for those that one reaches. */
function blockingReasons(traced: Traced, file: string): ReadonlyMap<string, string> {
  const { weights } = traced.read;
  const reasons = reasonsOf(traced);
  const folded = weights.filter(({ name }) => reasons.get(name) === unread);
  // What is made of small weights alone is computed while a file is read; as parameters they are seen.
  const seen = folded.length === 0 ? folded : reachable(traced, folded, file);
  return new Map([...reasons].filter(([name]) => !seen.some((one) => one.name === name)));
}

const unread = "no output depends on it";
/** Files whose weights are read as something else than numbers have few of them. */
const mostRefused = 20;

/** Those of some weights that a gradient reaches once they are parameters. */
function reachable(traced: Traced, weights: readonly ToldWeight[], file: string): readonly ToldWeight[] {
  let left = weights;
  for (let refused = 0; refused < mostRefused && left.length > 0; refused++) {
    const again = traced.again(left);
    if (!(again instanceof MicrobatchError)) return left;
    const without = left.filter(({ name }) => again.where !== `${file}, trainable "${name}"`);
    if (without.length === left.length) return []; // it is no weight that is refused
    left = without;
  }
  return [];
}

function reasonsOf({ made, read }: Pick<Traced, "made" | "read">): Map<string, string> {
  const reached = new Set<Tensor>(made.filter(({ dtype }) => isFloat(dtype)));
  const reasons = new Map<Tensor, string>();
  for (const tensor of sorted(made).toReversed()) {
    const isOpen = reached.has(tensor) && tensor.op.gradient !== undefined;
    const own = `behind ${operatorName(tensor)}, which has no gradient`;
    for (const one of tensor.inputs) {
      if (isOpen && isFloat(one.dtype)) reached.add(one);
      else if (!reasons.has(one)) {
        const passedOn = tensor.op.gradient && reasons.get(tensor);
        reasons.set(one, isOpen ? "behind whole numbers" : (passedOn ?? own));
      }
    }
  }
  return new Map(
    read.weights.flatMap(({ name, tensor }) =>
      reached.has(tensor) ? [] : [[name, reasons.get(tensor) ?? unread] as const],
    ),
  );
}

const operatorName = ({ op }: Tensor) => (typeof op.onnx === "string" ? op.onnx : op.name);

/** Weights that are no float32: quantized ones, and float64. */
function othersThanFloats(graph: OnnxGraph): readonly Blocked[] {
  const others = [...graph.initializers].filter(
    ([, { dtype, data }]) => data.length > 1 && /^(uint8|int8|float64)$/.test(dtype),
  );
  return grouped(
    others.map(([name, { dtype, shape }]) => [
      { name, shape },
      dtype === "float64"
        ? "stored as float64: float32 is trained"
        : `whole numbers (${dtype}) have no gradient`,
    ]),
  );
}

function grouped(told: readonly (readonly [ToldWeight, string])[]): readonly Blocked[] {
  const groups = new Map<string, ToldWeight[]>();
  for (const [{ name, shape }, reason] of told) {
    const group = groups.get(reason) ?? [];
    group.push({ name, shape });
    groups.set(reason, group);
  }
  return [...groups].map(([reason, weights]) => ({ reason, weights }));
}
