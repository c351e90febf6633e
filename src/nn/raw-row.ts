/** The inputs of a saved table model: one raw row, texts included, as the columns a model function was written for. */
import { missingMarkers, type TableSchema } from "../array/schema.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { categoryCodes } from "../ops/category.ts";

/**
 * One input per feature of the schema, under the column's name: numbers float32 [batch, 1], NaN where missing; categories
 * string [batch], mapped to the codes training used (missing −1, unseen the number of categories). Missing are "" and the
 * other markers that a table knows (`missingMarkers`: NA, null, ?, …) as they are written there, in lower case and in upper
 * case, unless a category is called that.
 */
export function rawRow(schema: TableSchema): Readonly<Record<string, Tensor>> {
  return Object.fromEntries(
    schema.features.map((feature) => [
      feature.name,
      feature.kind === "number"
        ? input(feature.name, ["batch", 1])
        : categoryCodes(input(feature.name, ["batch"], "string"), feature.categories, { missingTexts }),
    ]),
  );
}

/** A file's keys are texts, letter by letter: these are the ways people write the markers. */
const missingTexts = missingMarkers.flatMap((marker) => [marker, marker.toLowerCase(), marker.toUpperCase()]);
