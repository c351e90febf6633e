/** Categories as features: columns of zeros and ones, ranks, or trained vectors. */
import { float32, int32, ndarray } from "../../array/array.ts";
import { type CategoryStatistics, categoryLimit } from "../../array/schema.ts";
import { fail } from "../../errors.ts";
import { constant, parameter, type Tensor } from "../../graph/tensor.ts";
import { gather } from "../../ops/gather.ts";
import { reshape } from "../../ops/movement.ts";
import { cast, less, where } from "../../ops/selection.ts";
import { uniform } from "../initializer.ts";
import { type EncoderInput, filledCodesIn } from "./columns.ts";
import type { ScaledColumn } from "./numbers.ts";
import { type EncoderOptions, namedForm } from "./options.ts";

/** codes[k] gets the column that means meanings[k]; −1 is the code of a missing value. */
export interface OneHotColumn {
  readonly name: string;
  readonly codes: readonly number[];
  readonly meanings: readonly string[];
  /** The code of what stands in for missing values; −1 where nothing does. */
  readonly fillCode: number;
}

/** Missing values are a category of their own, unless another stands in for them. Categories that never come have no column. */
export function oneHotColumn(column: CategoryStatistics, hasMissing: boolean): OneHotColumn {
  const { name, fill } = column;
  const counts = filledCounts(column);
  const places = [...column.codes.keys()].filter((place) => fill === undefined || counts[place]! > 0);
  const codes = places.map((place) => column.codes[place]!);
  const meanings = places.map((place) => `${name} = ${column.categories[place]!}`);
  const fillCode = fillCodeOf(column);
  return hasMissing && fill === undefined
    ? { name, codes: [...codes, -1], meanings: [...meanings, `${name} is missing`], fillCode }
    : { name, codes, meanings, fillCode };
}

/** The code that stands in for missing values; −1 where none does. */
export function fillCodeOf({ categories, codes, fill }: CategoryStatistics): number {
  return fill === undefined ? -1 : codes[categories.indexOf(fill)]!;
}

/** How many samples have each of the listed categories, once missing ones have what stands in for them. */
function filledCounts({ categories, counts, missing, fill }: CategoryStatistics): readonly number[] {
  return counts.map((count, at) => (categories[at] === fill ? count + missing : count));
}

/**
 * Whether a filled column has a feature that tells what was missing: not where that is what stands in for it and no sample
 * has by itself.
 */
export function hasIndicator({ categories, counts, fill, whenMissing }: CategoryStatistics): boolean {
  return fill !== undefined && whenMissing?.indicator !== false && counts[categories.indexOf(fill)]! > 0;
}

/** An ordered category column: ranks 0 … size − 1. */
export interface RankColumn extends ScaledColumn {
  readonly size: number;
  /** The rank of what stands in for missing values; −1 where the mean rank does. */
  readonly fillCode: number;
}

/** Mean and population deviation of the ranks in the training samples. */
export function rankColumn(column: CategoryStatistics): RankColumn {
  const { name, categories, codes } = column;
  const counts = filledCounts(column);
  const fillCode = fillCodeOf(column);
  const size = categories.length;
  if (codes.length !== size || codes.some((code, rank) => code !== rank)) {
    fail(`encoder, column "${name}"`, {
      expected: `codes from 0 to ${size - 1} for the ${size} categories of an ordered column`,
      got: codes.join(", "),
      fix: "fit them with statistics(training), which keeps all categories of an ordered column",
    });
  }
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return { name, size, mean: 0, deviation: 0, fill: 0, fillCode };
  const mean = counts.reduce((sum, count, rank) => sum + rank * count, 0) / total;
  const squares = counts.reduce((sum, count, rank) => sum + count * (rank - mean) ** 2, 0);
  return { name, size, mean, deviation: Math.sqrt(squares / total), fill: mean, fillCode };
}

/** Ranks as numbers, [batch, columns] at once; NaN for a code that is none, so that they are filled as numbers are. */
export function ranksIn(row: EncoderInput, columns: readonly RankColumn[]): Tensor[] {
  if (columns.length === 0) return [];
  const codes = cast(filledCodesIn(row, columns), "float32");
  const sizes = constant(float32(columns.map(({ size }) => size)));
  const known = where(less(codes, sizes), codes, Number.NaN);
  return [where(less(codes, 0), Number.NaN, known)]; // [batch, columns]
}

/** A column whose categories go round. */
export interface CyclicColumn {
  readonly name: string;
  readonly size: number;
  /** The code of what stands in for missing values; −1 where nothing does. */
  readonly fillCode: number;
}

export function cyclicColumn(column: CategoryStatistics): CyclicColumn {
  return { name: column.name, size: column.categories.length, fillCode: fillCodeOf(column) };
}

/** Whether training samples differ in it. */
export const hasSeveral = (column: CategoryStatistics): boolean =>
  filledCounts(column).filter((count) => count > 0).length > 1;

/** The sine and cosine of 2π · code / size, [batch, 2]; what is missing, or no category, lies in the middle of the circle. */
export function circle(column: CyclicColumn): (row: EncoderInput) => Tensor {
  const { size } = column;
  const angles = Array.from({ length: size }, (_, code) => (2 * Math.PI * code) / size);
  const points = [...angles.flatMap((angle) => [Math.sin(angle), Math.cos(angle)]), 0, 0];
  const table = constant(ndarray("float32", [size + 1, 2], Float32Array.from(points)));
  return (row) => {
    const codes = reshape(filledCodesIn(row, [column]), ["batch"]);
    const known = where(less(codes, size), codes, size);
    return gather(table, where(less(codes, 0), size, known)); // [batch, 2]
  };
}

/** A column whose categories become vectors. */
export interface EmbeddedColumn {
  readonly name: string;
  /** The row of the trained table for each code; the last two are for codes beyond all others, and for missing values. */
  readonly rowOfCode: readonly number[];
  /** How many rows there are: a row each for the categories, one for rare and unseen ones, one for missing values. */
  readonly rows: number;
  /** The length of a vector. */
  readonly size: number;
  /** The code of what stands in for missing values; −1 where they have a vector of their own. */
  readonly fillCode: number;
}

/** Whether a category column becomes vectors. */
export function isEmbedded(column: CategoryStatistics, options: EncoderOptions): boolean {
  if (options.categories !== "embedding") return namedForm(options, column.name) === "embedding";
  return countsByCode(column).filter((count) => count > 0).length > categoryLimit;
}

/** Which categories get a row of their own, and how long the vectors are. */
export function embeddedColumn(column: CategoryStatistics, options: EncoderOptions): EmbeddedColumn {
  const { name } = column;
  const counts = countsByCode(column);
  const own = [...counts.keys()].filter((code) => counts[code]! >= 2);
  const rowOf = new Map(own.map((code, row) => [code, row]));
  const { embeddingSizes = {} } = options;
  const size = Object.hasOwn(embeddingSizes, name) ? embeddingSizes[name]! : embeddingSize(own.length);
  return {
    name,
    rowOfCode: [...counts.map((_, code) => rowOf.get(code) ?? own.length), own.length, own.length + 1],
    rows: own.length + 2,
    size,
    fillCode: fillCodeOf(column),
  };
}

/** Source: fastai's emb_sz_rule, min(600, round(1.6 · n^0.56)), with the limit of its predecessor, which keeps tables small. */
const embeddingSize = (categories: number) => Math.min(50, Math.max(1, Math.ceil(1.6 * categories ** 0.56)));

/** How many samples have each code, once missing ones have what stands in for them. */
function countsByCode(column: CategoryStatistics): readonly number[] {
  const { name, codes, other, missing, frequencies } = column;
  const counts = filledCounts(column);
  const fillCode = fillCodeOf(column);
  if (frequencies !== undefined)
    return frequencies.map((count, code) => (code === fillCode ? count + missing : count));
  if (other > 0) {
    fail(`encoder, column "${name}"`, {
      expected: `the frequencies of all its categories, which are more than ${categoryLimit}`,
      got: "statistics of an earlier version",
      fix: "fit them again with statistics(training)",
    });
  }
  const byCode = Array<number>(Math.max(-1, ...codes) + 1).fill(0);
  codes.forEach((code, at) => {
    byCode[code] = counts[at]!;
  });
  return byCode;
}

/** A trained table of the column's vectors. Row → [batch, size]; applying it again shares the table. */
export function embedding(column: EmbeddedColumn): (row: EncoderInput) => Tensor {
  const { name, rowOfCode, rows, size } = column;
  const table = parameter([rows, size], uniform(0.05), `${name}.embedding`, {});
  const places = constant(int32(rowOfCode));
  const unseen = rowOfCode.length - 2;
  return (row) => {
    const codes = reshape(filledCodesIn(row, [column]), ["batch"]);
    const known = where(less(codes, unseen), codes, unseen);
    return gather(table, gather(places, where(less(codes, 0), unseen + 1, known))); // [batch, size]
  };
}
