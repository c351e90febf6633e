/**
 * LoRA: weights that keep their first values and learn a change of low rank, W + (alpha / rank) · B · A. The traced graph is
 * rewritten for training only; what is evaluated and saved has plain weights (merge.ts).
 * Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", arXiv:2106.09685.
 */
import { elementCount } from "../array/shape.ts";
import { substitute } from "../graph/substitute.ts";
import { parameter, type Tensor } from "../graph/tensor.ts";
import { sorted } from "../graph/walk.ts";
import { uniform, zeros } from "../nn/initializer.ts";
import { gemm, mul, reshape } from "../ops/index.ts";
import type { SettledGroup } from "./groups.ts";

/** The low-rank change of one weight, by names. */
export interface Adapter {
  readonly weight: string;
  /** "linear1.weight.lora.a" [rank, in]. */
  readonly a: string;
  /** "linear1.weight.lora.b" [out, rank]. */
  readonly b: string;
  /** alpha / rank. */
  readonly scale: number;
  /** Whether the weight is [in, out], as files store what x is multiplied with as it stands; else [out, in, …]. */
  readonly isTransposed: boolean;
}

/** The same with its tensors. */
export interface TracedAdapter extends Adapter {
  readonly leaves: { readonly weight: Tensor; readonly a: Tensor; readonly b: Tensor };
}

/**
 * An adapter for each weight that a group adapts, in the model's order; `named`: the model's parameters; no name is one of
 * `taken`. Source of the first values: PEFT, kaiming_uniform_ with a = √5 for A, which is uniform ±1/√in, and zeros for B, so that
 * the model begins as it was.
 */
export function adaptersOf(
  groups: readonly SettledGroup[],
  named: ReadonlyMap<Tensor, string>,
  loss: Tensor,
  taken: Iterable<string>,
): readonly TracedAdapter[] {
  const loras = new Map(
    groups.flatMap(({ lora }) => lora?.weights.map((name) => [name, lora] as const) ?? []),
  );
  const used = new Set(taken);
  const unique = (stem: string) => {
    let name = stem;
    for (let count = 2; used.has(name); count++) name = `${stem}_${count}`;
    used.add(name);
    return name;
  };
  return [...named].flatMap(([weight, name]): TracedAdapter[] => {
    const lora = loras.get(name);
    if (lora === undefined) return [];
    const { rank, alpha } = lora;
    const isTransposed = isReadAsItStands(weight, loss);
    const [rows, columns] = matrixShape(weight);
    const [outputs, inputs] = isTransposed ? [columns, rows] : [rows, columns];
    const [a, b] = [unique(`${name}.lora.a`), unique(`${name}.lora.b`)];
    const leaves = {
      weight,
      a: parameter([rank, inputs], uniform(1 / Math.sqrt(inputs)), a),
      b: parameter([outputs, rank], zeros, b),
    };
    return [{ weight: name, a, b, scale: alpha / rank, isTransposed, leaves }];
  });
}

/** A weight as a matrix: kernels count as inputs, [out, in · kernel], as in PEFT. */
export function matrixShape({ shape }: Pick<Tensor, "shape">): readonly [rows: number, columns: number] {
  const [rows, ...rest] = shape as readonly number[]; // parameter() takes only numbers
  return [rows!, elementCount(rest)];
}

/** Whether x · W is computed, and not x · Wᵀ: by the first product in the graph. */
function isReadAsItStands(weight: Tensor, loss: Tensor): boolean {
  const product = sorted([loss]).find((tensor) => isProductWith(tensor, weight));
  return product !== undefined && product.attributes.transposeB === false;
}

const isProductWith = ({ op, inputs }: Tensor, weight: Tensor | undefined) =>
  op.name === "gemm" && inputs[1] === weight;

/**
 * What each tensor becomes where adapters change weights. In a product the change is computed beside it, x · Wᵀ + scale · (x · Aᵀ) · Bᵀ,
 * so that no gradient of the weight's size is computed; elsewhere (in convolutions, recurrent layers, tables of
 * embeddings) it is added to the weight.
 */
export function adapt(
  outputs: readonly Tensor[],
  adapters: readonly TracedAdapter[],
): (tensor: Tensor) => Tensor {
  const byWeight = new Map(adapters.map((adapter) => [adapter.leaves.weight, adapter]));
  const replaced = substitute(outputs, (tensor, inputs) => {
    const own = byWeight.get(tensor);
    if (own !== undefined) return changed(own);
    const read = byWeight.get(tensor.inputs[1]!);
    return read !== undefined && isProductWith(tensor, read.leaves.weight)
      ? product(tensor, inputs, read)
      : undefined;
  });
  return (tensor) => replaced.get(tensor) ?? tensor;
}

/** The weight plus its change. */
function changed({ leaves: { weight, a, b }, scale, isTransposed }: TracedAdapter): Tensor {
  const summand = reshape(weight, matrixShape(weight));
  const scaled = times(b, scale);
  const sum = isTransposed
    ? gemm(a, scaled, { transposeA: true, transposeB: true, summand })
    : gemm(scaled, a, { summand });
  return reshape(sum, weight.shape);
}

/** A product with the weight plus that with its change, which is never put together. */
function product(tensor: Tensor, inputs: readonly Tensor[], adapter: TracedAdapter): Tensor {
  const { scale, isTransposed, leaves } = adapter;
  const { transposeA, transposeB } = tensor.attributes as { transposeA: boolean; transposeB: boolean }; // a gemm's
  const [x, , bias] = inputs as readonly [Tensor, Tensor, Tensor?]; // as above
  const summand = gemm(x, leaves.weight, { transposeA, transposeB, summand: bias });
  const isForward = transposeB !== isTransposed; // a weight may be shared with a layer that reads it the other way round
  const [first, second] = isForward ? [leaves.a, leaves.b] : [leaves.b, leaves.a];
  const narrow = gemm(x, first, { transposeA, transposeB: isForward }); // [samples, rank]
  return gemm(times(narrow, scale), second, { transposeB: isForward, summand });
}

const times = (tensor: Tensor, scale: number) => (scale === 1 ? tensor : mul(tensor, scale));

/** The groups by the names of what is trained: of a group with LoRA its adapters. */
export function trainedGroups(
  groups: readonly SettledGroup[],
  adapters: readonly Adapter[],
): readonly SettledGroup[] {
  return groups.map((group) => {
    const { lora } = group;
    if (lora === undefined) return group;
    const own = adapters.filter(({ weight }) => lora.weights.includes(weight));
    return { ...group, parameters: own.flatMap(({ a, b }) => [a, b]) };
  });
}
