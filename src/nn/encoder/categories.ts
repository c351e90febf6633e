/** Categories as features: columns of zeros and ones, ranks, or trained vectors. */
import { float32, int32 } from "../../array/array.ts";
import { type CategoryStatistics, categoryLimit } from "../../array/schema.ts";
import { fail } from "../../errors.ts";
import { constant, parameter, type Tensor } from "../../graph/tensor.ts";
import { gather } from "../../ops/gather.ts";
import { concat, reshape } from "../../ops/movement.ts";
import { cast, less, where } from "../../ops/selection.ts";
import { uniform } from "../initializer.ts";
import { codesIn, type EncoderInput } from "./columns.ts";
import type { ScaledColumn } from "./numbers.ts";
import { type EncoderOptions, namedForm } from "./options.ts";

/** codes[k] gets the column that means meanings[k]; −1 is the code of a missing value. */
export interface OneHotColumn {
  readonly name: string;
  readonly codes: readonly number[];
  readonly meanings: readonly string[];
}

export function oneHotColumn(
  { name, categories, codes }: CategoryStatistics,
  hasMissing: boolean,
): OneHotColumn {
  const meanings = categories.map((category) => `${name} = ${category}`);
  return hasMissing
    ? { name, codes: [...codes, -1], meanings: [...meanings, `${name} is missing`] }
    : { name, codes, meanings };
}

/** An ordered category column: ranks 0 … size − 1. */
export interface RankColumn extends ScaledColumn {
  readonly size: number;
}

/** Mean and population deviation of the ranks in the training samples. */
export function rankColumn({ name, categories, codes, counts }: CategoryStatistics): RankColumn {
  const size = categories.length;
  if (codes.length !== size || codes.some((code, rank) => code !== rank)) {
    fail(`encoder, column "${name}"`, {
      expected: `codes from 0 to ${size - 1} for the ${size} categories of an ordered column`,
      got: codes.join(", "),
      fix: "fit them with statistics(training), which keeps all categories of an ordered column",
    });
  }
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return { name, size, mean: 0, deviation: 0, fill: 0 };
  const mean = counts.reduce((sum, count, rank) => sum + rank * count, 0) / total;
  const squares = counts.reduce((sum, count, rank) => sum + count * (rank - mean) ** 2, 0);
  return { name, size, mean, deviation: Math.sqrt(squares / total), fill: mean };
}

/** Ranks as numbers, [batch, columns] at once; NaN for a code that is none, so that they are filled as numbers are. */
export function ranksIn(row: EncoderInput, columns: readonly RankColumn[]): Tensor[] {
  if (columns.length === 0) return [];
  const codes = cast(concat(columns.map(({ name }) => codesIn(row, name))), "float32");
  const sizes = constant(float32(columns.map(({ size }) => size)));
  const known = where(less(codes, sizes), codes, Number.NaN);
  return [where(less(codes, 0), Number.NaN, known)]; // [batch, columns]
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
  };
}

/** Source: fastai's emb_sz_rule, min(600, round(1.6 · n^0.56)), with the limit of its predecessor, which keeps tables small. */
const embeddingSize = (categories: number) => Math.min(50, Math.max(1, Math.ceil(1.6 * categories ** 0.56)));

function countsByCode({ name, codes, counts, other, frequencies }: CategoryStatistics): readonly number[] {
  if (frequencies !== undefined) return frequencies;
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
export function embedding({ name, rowOfCode, rows, size }: EmbeddedColumn): (row: EncoderInput) => Tensor {
  const table = parameter([rows, size], uniform(0.05), `${name}.embedding`, {});
  const places = constant(int32(rowOfCode));
  const unseen = rowOfCode.length - 2;
  return (row) => {
    const codes = reshape(codesIn(row, name), ["batch"]);
    const known = where(less(codes, unseen), codes, unseen);
    return gather(table, gather(places, where(less(codes, 0), unseen + 1, known))); // [batch, size]
  };
}
