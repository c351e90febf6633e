/** The inputs of a saved table model: one raw row, texts included, as the columns a model function was written for. */
import { dateParts, firstOfPart } from "../array/date.ts";
import { type FeatureColumn, missingMarkers, type TableSchema } from "../array/schema.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { sub } from "../ops/arithmetic.ts";
import { categoryCodes } from "../ops/category.ts";
import { datePartsOf } from "../ops/date.ts";
import { reshape, slice } from "../ops/movement.ts";
import { cast, isNan, where } from "../ops/selection.ts";
import { wordCodes } from "../ops/words.ts";

/**
 * One input per column that the features are made from, under its name: numbers float32 [batch, 1], NaN where missing;
 * categories string [batch], mapped to the codes training used (missing −1, unseen the number of categories). Missing are "" and
 * the other markers that a table knows (`missingMarkers`: NA, null, ?, …) as they are written there, in lower case and in upper
 * case, unless a category is called that. Dates string [batch], cut into their parts; what is no date (see `datePartsOf`) is
 * missing.
 */
export function rawRow(schema: TableSchema): Readonly<Record<string, Tensor>> {
  const dates = new Map<string, Tensor>();
  for (const { ofDate } of schema.features) {
    if (ofDate !== undefined && !dates.has(ofDate.column))
      dates.set(ofDate.column, datePartsOf(input(ofDate.column, ["batch"], "string")));
  }
  return Object.fromEntries(
    schema.features.map((feature) => [
      feature.name,
      feature.ofDate === undefined ? cellIn(feature) : partIn(feature, dates.get(feature.ofDate.column)!),
    ]),
  );
}

/** A column of texts that was trained on as the codes of its words: string [batch] → int32 [batch, length]. */
export function rawText(name: string, words: readonly string[], length: number): Tensor {
  return wordCodes(input(name, ["batch"], "string"), words, { length, missingTexts });
}

function cellIn(feature: FeatureColumn): Tensor {
  if (feature.kind === "number") return input(feature.name, ["batch", 1]);
  return categoryCodes(input(feature.name, ["batch"], "string"), feature.categories, { missingTexts });
}

/** The feature's column of [batch, parts]. */
function partIn({ kind, ofDate }: FeatureColumn, parts: Tensor): Tensor {
  const { part } = ofDate!; // the caller has asked
  const at = dateParts.indexOf(part);
  const value = slice(parts, { start: at, end: at + 1 }); // [batch, 1]
  if (kind === "number") return value;
  const codes = cast(where(isNan(value), -1, sub(value, firstOfPart(part))), "int32");
  return reshape(codes, ["batch"]);
}

/** A file's keys are texts, letter by letter: these are the ways people write the markers. */
const missingTexts = missingMarkers.flatMap((marker) => [marker, marker.toLowerCase(), marker.toUpperCase()]);
