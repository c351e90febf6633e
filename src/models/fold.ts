/** Arithmetic on known elements: what exporters write to compute sizes. Where a rule gives up, tensors are computed instead. */
import type { NumericDType } from "../array/dtype.ts";
import { batchDim, type Dim, factorOf, isBatchDim } from "../array/shape.ts";
import { heldDType } from "../onnx/stored-tensor.ts";
import { type Known, mostKnown } from "./known.ts";
import type { NodeReader } from "./operator.ts";

/** The outcome of a node whose inputs are all known, or undefined where it cannot be told. */
export function fold(node: NodeReader): Known | undefined {
  const rule = Object.hasOwn(rules, node.node.operator) ? rules[node.node.operator] : undefined;
  // Up to set 6 a second input may lie on other axes than the last ones: the operator's entry knows.
  if (rule === undefined || (node.opset < 7 && node.flag("broadcast"))) return undefined;
  const inputs = Array.from({ length: node.count }, (_, index) => node.known(index));
  if (inputs.length === 0 || inputs.some((one, index) => one === undefined && node.has(index)))
    return undefined;
  // Inputs that are left out stay undefined; the rules below read what their operators demand.
  return rule(inputs as readonly Known[], node);
}

type Rule = (inputs: readonly Known[], node: NodeReader) => Known | undefined;

/** Applies a function of elements, with broadcasting. */
function elementwise(compute: (...elements: Dim[]) => Dim | undefined, dtype?: NumericDType): Rule {
  return (inputs) => {
    const rank = Math.max(...inputs.map(({ shape }) => shape.length));
    const shape = Array.from({ length: rank }, (_, axis) => {
      const sizes = inputs.map((one) => one.shape[axis - rank + one.shape.length] ?? 1);
      return sizes.find((size) => size !== 1) ?? 1;
    });
    const count = shape.reduce((product, size) => product * size, 1);
    if (count > mostKnown) return undefined;
    const elements: Dim[] = [];
    for (let index = 0; index < count; index++) {
      const element = compute(...inputs.map((one) => one.elements[offset(one.shape, shape, index)]!));
      if (element === undefined || (typeof element === "number" && Number.isNaN(element))) return undefined;
      elements.push(element);
    }
    return { dtype: dtype ?? inputs.at(-1)!.dtype, shape, elements };
  };
}

/** Where element `index` of the broadcast shape lies in an array. */
function offset(own: readonly number[], shape: readonly number[], index: number): number {
  let rest = index;
  let result = 0;
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const place = rest % shape[axis]!;
    rest = Math.floor(rest / shape[axis]!);
    const at = axis - shape.length + own.length;
    if (at < 0) continue;
    if (own[at] !== 1) result += place * stride;
    stride *= own[at]!;
  }
  return result;
}

/** A multiple of the microbatch, where it is one: positive and whole. */
function multiple(factor: number): Dim | undefined {
  return Number.isInteger(factor) && factor >= 1 ? batchDim(factor) : undefined;
}

function times(a: Dim, b: Dim): Dim | undefined {
  if (isBatchDim(a) && isBatchDim(b)) return undefined;
  const product = factorOf(a) * factorOf(b);
  return isBatchDim(a) || isBatchDim(b) ? multiple(product) : product;
}

function plus(a: Dim, b: Dim): Dim | undefined {
  if (isBatchDim(a) !== isBatchDim(b)) return a === 0 ? b : b === 0 ? a : undefined;
  const total = factorOf(a) + factorOf(b);
  return isBatchDim(a) ? multiple(total) : total;
}

function minus(a: Dim, b: Dim): Dim | undefined {
  if (b === 0) return a;
  if (isBatchDim(a) !== isBatchDim(b)) return undefined;
  const rest = factorOf(a) - factorOf(b);
  return isBatchDim(a) && rest !== 0 ? multiple(rest) : rest;
}

const divided =
  (isWhole: boolean) =>
  (a: Dim, b: Dim): Dim | undefined => {
    if (isBatchDim(a))
      return isBatchDim(b) ? wholeOnly(factorOf(a) / factorOf(b)) : multiple(factorOf(a) / b);
    if (isBatchDim(b) || b === 0) return undefined;
    return isWhole ? Math.trunc(a / b) : a / b;
  };
const wholeOnly = (value: number) => (Number.isInteger(value) ? value : undefined);

/** Equal multiples of the microbatch are equal; one and a number are not, but for what no microbatch can be. */
function same(a: Dim, b: Dim): Dim | undefined {
  if (isBatchDim(a) === isBatchDim(b)) return a === b ? 1 : 0;
  const number = typeof a === "number" ? a : (b as number); // one of the two is a number
  return number <= 0 ? 0 : undefined;
}

const onNumbers =
  (compute: (...numbers: number[]) => number) =>
  (...elements: Dim[]): Dim | undefined =>
    elements.some(isBatchDim) ? undefined : compute(...(elements as number[])); // all are numbers

/** Elements along one axis, chosen by position. */
function chosen(input: Known, axis: number, positions: readonly number[]): Known {
  const outer = input.shape.slice(0, axis).reduce((product, size) => product * size, 1);
  const inner = input.shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  const size = input.shape[axis]!;
  const elements: Dim[] = [];
  for (let block = 0; block < outer; block++) {
    for (const position of positions) {
      const start = (block * size + position) * inner;
      elements.push(...input.elements.slice(start, start + inner));
    }
  }
  return { ...input, shape: input.shape.with(axis, positions.length), elements };
}

const gather: Rule = ([data, indices], node) => {
  const axis = node.axis(node.int("axis", 0));
  const size = data!.shape[axis]!;
  const positions = indices!.elements.map((index) =>
    isBatchDim(index) ? Number.NaN : index < 0 ? index + size : index,
  );
  if (!positions.every((index) => Number.isInteger(index) && index >= 0 && index < size)) return undefined;
  if (positions.length * (data!.elements.length / Math.max(size, 1)) > mostKnown) return undefined;
  const picked = chosen(data!, axis, positions);
  return { ...picked, shape: data!.shape.toSpliced(axis, 1, ...indices!.shape) };
};

const concat: Rule = (inputs, node) => {
  const axis = node.axis(node.int("axis", 0));
  if (inputs.some(({ shape }) => shape.length !== 1) || axis !== 0) return undefined;
  const elements = inputs.flatMap((one) => one.elements);
  if (elements.length > mostKnown) return undefined;
  return { dtype: inputs[0]!.dtype, shape: [elements.length], elements };
};

const cast: Rule = ([data], node) => {
  const dtype = heldDType(node.int("to", 0));
  if (dtype === undefined) return undefined;
  const convert = (value: number) =>
    dtype === "bool" ? Number(value !== 0) : /float/.test(dtype) ? value : Math.trunc(value);
  const isHeld = data!.elements.every((one) => !isBatchDim(one) || dtype !== "bool");
  if (!isHeld || data!.elements.some((one) => typeof one === "number" && !Number.isFinite(one)))
    return undefined;
  return { ...data!, dtype, elements: data!.elements.map((one) => (isBatchDim(one) ? one : convert(one))) };
};

const where: Rule = ([condition, a, b]) => {
  const chosenOf = elementwise((bit, x, y) => (bit === 0 ? y : x));
  return chosenOf([condition!, a!, b!], undefined as never); // elementwise rules do not read the node
};

const range: Rule = ([start, limit, delta], node) => {
  const [from, to, step] = [start, limit, delta].map((one) => one!.elements[0]!);
  if (typeof from !== "number" || typeof to !== "number" || typeof step !== "number" || step === 0)
    return undefined;
  const count = Math.max(Math.ceil((to - from) / step), 0);
  node.bounded(count, "a range");
  if (count > mostKnown) return undefined;
  return {
    dtype: start!.dtype,
    shape: [count],
    elements: Array.from({ length: count }, (_, i) => from + i * step),
  };
};

const product: Rule = ([data], node) => {
  if (data!.shape.length !== 1) return undefined;
  let total: Dim | undefined = 1;
  for (const one of data!.elements) total = total === undefined ? undefined : times(total, one);
  if (total === undefined) return undefined;
  return { dtype: data!.dtype, shape: node.flag("keepdims", true) ? [1] : [], elements: [total] };
};

/** Rules for whole numbers and floats alike, but for Div, which is whole for whole numbers. */
const rules: Readonly<Record<string, Rule>> = {
  Identity: ([data]) => data,
  Cast: cast,
  Add: elementwise(plus),
  Sub: elementwise(minus),
  Mul: elementwise(times),
  Div: (inputs, node) => elementwise(divided(!/float/.test(inputs[0]!.dtype)))(inputs, node),
  Neg: elementwise(onNumbers((x) => -x)),
  Abs: elementwise(onNumbers(Math.abs)),
  Floor: elementwise((x) => (isBatchDim(x) ? x : Math.floor(x))),
  Ceil: elementwise((x) => (isBatchDim(x) ? x : Math.ceil(x))),
  Sqrt: elementwise(onNumbers(Math.sqrt)),
  Min: elementwise(onNumbers(Math.min)),
  Max: elementwise(onNumbers(Math.max)),
  Mod: elementwise(onNumbers((a, b) => (b > 0 && a >= 0 ? a % b : Number.NaN))),
  Equal: elementwise(same, "bool"),
  Less: elementwise(
    onNumbers((a, b) => Number(a < b)),
    "bool",
  ),
  Greater: elementwise(
    onNumbers((a, b) => Number(a > b)),
    "bool",
  ),
  Not: elementwise(onNumbers((a) => Number(a === 0))),
  And: elementwise(onNumbers((a, b) => Number(a !== 0 && b !== 0))),
  Or: elementwise(onNumbers((a, b) => Number(a !== 0 || b !== 0))),
  Where: where,
  Gather: gather,
  Concat: concat,
  Range: range,
  ReduceProd: product,
};

/** Elements of a known input along one axis, for Slice. */
export { chosen as chosenElements };
