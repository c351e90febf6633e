/** Numbers as features: filled, scaled and limited by what the training samples say. */
import { float32 } from "../../array/array.ts";
import type { NumberStatistics, TableStatistics } from "../../array/schema.ts";
import { fail } from "../../errors.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import { abs, add, div, log, maximum, minimum, mul, sign, sub } from "../../ops/arithmetic.ts";
import { concat } from "../../ops/movement.ts";
import { isNan, where } from "../../ops/selection.ts";
import type { Layer } from "../layer.ts";
import { standardize } from "../standardize.ts";
import { type EncoderInput, numberIn } from "./columns.ts";
import { checkOptions, type EncoderOptions, scaleOf } from "./options.ts";

/** A number, or its logarithm, or a rank, that becomes (value − mean) / deviation. */
export interface ScaledColumn {
  readonly name: string;
  /** Whether the value is sign(x) · ln(1 + |x|). */
  readonly isLogarithm?: boolean;
  readonly mean: number;
  readonly deviation: number;
  /** The value of what is missing. */
  readonly fill: number;
  /** The farthest it may lie from 0 once it is scaled. */
  readonly limit?: number;
}

/** The columns of numbers that differ in the training samples, and how they are scaled. */
export function scaledNumbers(
  { features, samples }: TableStatistics,
  options: EncoderOptions,
): ScaledColumn[] {
  return features
    .filter((feature) => feature.kind === "number")
    .flatMap((column) => {
      if (column.deviation > 0) return [scaled(column, options)];
      return isToldByFill(column, samples) ? [scaledByFill(column, options)] : [];
    });
}

/** Whether nothing but what is filled in tells samples apart: all numbers are the same, and no indicator tells. */
function isToldByFill({ mean, fill, missing, whenMissing }: NumberStatistics, samples: number): boolean {
  return whenMissing?.indicator === false && missing > 0 && missing < samples && fill !== mean;
}

/** 0 where there is a number, 1 or −1 where it is filled in; as they are, where that was asked for. */
function scaledByFill({ name, mean, fill }: NumberStatistics, options: EncoderOptions): ScaledColumn {
  const scale = scaleOf(options, name);
  if (scale === "none") return { name, mean: 0, deviation: 1, fill };
  if (scale !== "log") return { name, mean, deviation: Math.abs(fill - mean), fill };
  const [from, to] = [logarithmOf(mean), logarithmOf(fill)];
  return { name, isLogarithm: true, mean: from, deviation: Math.abs(to - from), fill: to };
}

/** As `signedLogarithm`, of one number in float64. */
const logarithmOf = (value: number) => Math.sign(value) * Math.log1p(Math.abs(value));

/**
 * The limits that an encoder of these options sets to numbers, in their own units, where training samples lie beyond them.
 * How many do, `countBeyond(training, limits)` tells. Throws as `encoder` does.
 */
export function clipLimits(
  statistics: TableStatistics,
  options: EncoderOptions,
): Readonly<Record<string, { readonly from: number; readonly to: number }>> {
  checkOptions(statistics, options);
  const extremes = new Map(
    statistics.features
      .filter((feature) => feature.kind === "number")
      .map(({ name, minimum, maximum }) => [name, { minimum, maximum }]),
  );
  return Object.fromEntries(
    scaledNumbers(statistics, options).flatMap(({ name, isLogarithm, mean, deviation, limit }) => {
      if (limit === undefined) return [];
      const raw = (value: number) => (isLogarithm ? Math.sign(value) * Math.expm1(Math.abs(value)) : value);
      const [from, to] = [raw(mean - limit * deviation), raw(mean + limit * deviation)];
      const { minimum, maximum } = extremes.get(name)!;
      return minimum < from || maximum > to ? [[name, { from, to }]] : [];
    }),
  );
}

function scaled(column: NumberStatistics, options: EncoderOptions): ScaledColumn {
  const { name, mean, deviation, fill, minimum, maximum, quartiles, logarithm } = column;
  const isSaid = column.whenMissing !== undefined;
  const limit = options.clip === undefined ? {} : { limit: options.clip };
  switch (scaleOf(options, name)) {
    case "standardize":
      return { name, mean, deviation, fill, ...limit };
    case "minMax":
      return { name, mean: minimum, deviation: maximum - minimum, fill };
    case "robust": {
      const [lower, median, upper] = quartiles ?? unknown(name);
      return {
        name,
        mean: median,
        deviation: upper - lower || deviation,
        fill: isSaid ? fill : median,
        ...limit,
      };
    }
    case "log": {
      const fitted = logarithm ?? unknown(name);
      return { name, isLogarithm: true, ...fitted, fill: isSaid ? logarithmOf(fill) : fitted.mean, ...limit };
    }
    case "none":
      return { name, mean: 0, deviation: 1, fill };
  }
}

function unknown(name: string): never {
  return fail(`encoder, column "${name}"`, {
    expected: "statistics with quartiles and logarithms",
    got: "those of an earlier version",
    fix: "fit them again with statistics(training)",
  });
}

/** The numbers, or their logarithms, in order: neighbours of one kind together. A few tensors [batch, …]. */
export function numbersIn(row: EncoderInput, columns: readonly ScaledColumn[]): Tensor[] {
  const parts: Tensor[] = [];
  for (let start = 0; start < columns.length; ) {
    const isLogarithm = columns[start]!.isLogarithm ?? false;
    let end = start + 1;
    while (end < columns.length && (columns[end]!.isLogarithm ?? false) === isLogarithm) end++;
    const run = columns.slice(start, end).map(({ name }) => numberIn(row, name));
    if (isLogarithm) parts.push(signedLogarithm(concat(run)));
    else parts.push(...run);
    start = end;
  }
  return parts;
}

/**
 * sign(x) · ln(1 + |x|). 1 + |x| loses the digits of a small x; what it lost, divided by it, puts them back.
 * Source: the log1p of the GNU Scientific Library.
 */
function signedLogarithm(x: Tensor): Tensor {
  const size = minimum(abs(x), largest); // an infinite one would become ∞ − ∞
  const rounded = add(size, 1);
  const lost = sub(size, sub(rounded, 1));
  return mul(sign(x), add(log(rounded), div(lost, rounded)));
}
const largest = 3.4028234663852886e38; // float32's

/** Values [batch, columns], NaN where missing → scaled, filled and limited. */
export function scaler(columns: readonly ScaledColumn[]): Layer {
  const fills = constant(float32(columns.map(({ fill }) => fill)));
  const [mean, deviation] = [columns.map((column) => column.mean), columns.map((column) => column.deviation)];
  const scale = standardize({ mean, deviation });
  const limit = limiter(columns.map((column) => column.limit ?? Number.POSITIVE_INFINITY));
  return (values) => limit(scale(where(isNan(values), fills, values)));
}

function limiter(limits: readonly number[]): Layer {
  if (limits.every((limit) => limit === Number.POSITIVE_INFINITY)) return (x) => x;
  const [lowest, highest] = [constant(float32(limits.map((limit) => -limit))), constant(float32(limits))];
  return (x) => maximum(minimum(x, highest), lowest);
}
