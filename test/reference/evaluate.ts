/** Runs expressions in float64 with the reference rules: the judge of ops, gradients, layers and losses. */
import { concrete, formatShape, isBatchDim } from "../../src/array/shape.ts";
import type { Tensor } from "../../src/graph/tensor.ts";
import { sorted } from "../../src/graph/walk.ts";
import { convolution } from "./convolution.ts";
import { activation, arithmetic, selection } from "./elementwise.ts";
import { elements, logic, product, rounding, trigonometric } from "./functions.ts";
import { category, classes, date, gather, words } from "./indexed.ts";
import { language } from "./language.ts";
import { movement } from "./movement.ts";
import { batchNormalization } from "./normalized.ts";
import { pooling } from "./pooling.ts";
import type { Rules } from "./rule.ts";
import { matmul, reduction } from "./sums.ts";
import { countOf, type Value } from "./value.ts";
import { normalization } from "./within-samples.ts";

/** What every op computes, by name. An op without an entry fails the contract suite. */
export const reference: Rules = {
  ...activation,
  ...arithmetic,
  ...batchNormalization,
  ...category,
  ...classes,
  ...convolution,
  ...date,
  ...words,
  ...elements,
  ...gather,
  ...language,
  ...logic,
  ...matmul,
  ...movement,
  ...normalization,
  ...pooling,
  ...reduction,
  ...product,
  ...rounding,
  ...selection,
  ...trigonometric,
};

/** Numbers for a leaf: an NdArray will do, and so will a plain list with a shape. */
export interface Feed {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number | bigint | string>;
}

/**
 * The values of tensors in float64, for numbers fed to every input and parameter leaf they depend on.
 * Throws when a leaf has no numbers or numbers of another shape, when an op has no reference, and when the reference gives
 * another shape than the op's shape rule promised.
 */
export function evaluate(
  tensors: readonly Tensor[],
  feeds: ReadonlyMap<Tensor, Feed>,
  rules: Rules = reference,
): Value[] {
  const batch = batchOf(feeds);
  const values = new Map<Tensor, Value>();
  for (const tensor of sorted(tensors)) {
    const value = tensor.leaf === undefined ? computed(tensor, values, batch, rules) : fed(tensor, feeds);
    const promised = concrete(tensor.shape, batch);
    if (formatShape(value.shape) !== formatShape(promised)) {
      const got = formatShape(value.shape);
      throw new Error(`${nameOf(tensor)}: the shape is ${got}, but ${formatShape(promised)} was promised`);
    }
    values.set(tensor, value);
  }
  return tensors.map((tensor) => values.get(tensor)!);
}

function computed(tensor: Tensor, values: ReadonlyMap<Tensor, Value>, batch: number, rules: Rules): Value {
  const compute = rules[tensor.op.name];
  if (compute === undefined) {
    throw new Error(`the op "${tensor.op.name}" has no float64 reference: add one in test/reference/`);
  }
  const inputs = tensor.inputs.map((input) => values.get(input)!);
  return compute(inputs, tensor.attributes, batch);
}

function fed(tensor: Tensor, feeds: ReadonlyMap<Tensor, Feed>): Value {
  const feed = tensor.leaf?.kind === "constant" ? tensor.leaf.value : feeds.get(tensor);
  if (feed === undefined) throw new Error(`${nameOf(tensor)}: no numbers were fed`);
  return toValue(feed);
}

/** A feed as the reference holds it. */
function toValue(feed: Feed): Value {
  const elements = Array.from(feed.data);
  if (elements.length !== countOf(feed.shape)) {
    throw new Error(`${elements.length} elements do not have the shape ${formatShape(feed.shape)}`);
  }
  if (typeof elements[0] === "string") {
    return { shape: feed.shape, data: new Float64Array(0), text: elements.map(String) };
  }
  return { shape: feed.shape, data: Float64Array.from(elements, Number) };
}

/** How many samples are fed; 1 where nothing depends on it. */
function batchOf(feeds: ReadonlyMap<Tensor, Feed>): number {
  for (const [tensor, { shape }] of feeds) {
    const axis = tensor.shape.findIndex((dim) => isBatchDim(dim));
    if (axis >= 0) return shape[axis]! / concrete([tensor.shape[axis]!], 1)[0]!;
  }
  return 1;
}

function nameOf({ leaf, op }: Tensor): string {
  if (leaf?.kind === "input") return `input "${leaf.name}"`;
  return leaf?.kind === "parameter" ? `parameter "${leaf.label}"` : op.name;
}
