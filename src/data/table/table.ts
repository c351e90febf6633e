/** The door to tables: files of CSV or Parquet and queries as a dataset of typed, cleaned and profiled columns. */
import type { ColumnSpecs } from "../dataset.ts";
import { memoryDataset } from "../memory.ts";
import { refuseLeaks } from "./columns/leaks.ts";
import { truncatedOf } from "./columns/texts.ts";
import { readValues } from "./columns/values.ts";
import { requireKnownClasses, withDecided } from "./decided-table.ts";
import { inputName, type TableInput } from "./formats/input.ts";
import type { TableOptions } from "./options.ts";
import { type Table, tableOf } from "./table-data.ts";

export type { CleaningReport, DroppedRows } from "./clean/clean-cells.ts";
export type {
  BadRows,
  Cleaning,
  Filling,
  LikeCleaning,
  MissingPolicy,
  OutlierLimits,
} from "./clean/cleaning.ts";
export type { OutlierCount } from "./clean/outliers.ts";
export type { SkippedRow, SkippedRows } from "./clean/skipped-rows.ts";
export type { IgnoredColumn } from "./columns/roles.ts";
export type { EncodedText, EncodedTexts } from "./columns/texts.ts";
export type { Dialect } from "./csv/csv-dialect.ts";
export type { TableInput } from "./formats/input.ts";
export { type Query, sql } from "./formats/query.ts";
export type { ColumnType, LikeOptions, TableOptions, TargetOptions } from "./options.ts";
export type { Table, TableData, TableReport } from "./table-data.ts";

/**
 * Reads a table from a file of CSV, packed with gzip or not, or of Parquet; from several with the same
 * columns, by a pattern or a list of paths; or from a query over such files (see `sql`).
 *
 *   const houses = await table("houses.csv", { target: "price" });
 *   const { training, validation } = houses.split({ validation: 0.2, seed: 7 });
 *   const trips = await table("trips/2024-*.parquet", { target: "tip" });
 *
 * Of CSV the delimiter (comma, tab, semicolon or bar) is found by the header line, and quotes are as in RFC
 * 4180; `dialect` says what is otherwise. Several files come one behind the other, those of a pattern in the
 * order of their code points. Parquet's NaN is missing; its booleans are the categories "false" and "true";
 * its times are texts, in UTC where they know their zone.
 *
 * Columns of the dataset: a number is float32 [1], NaN where missing; a category is an int32 code [], −1
 * where missing, its categories in the order of their code points; a target is float32 [1] or an int32 class
 * []; the weight is float32 []; columns of `keep` are there and are no features. Missing is an empty field or
 * NA, N/A, NaN, null, None or ?, in any case; blanks around a value are dropped.
 * (The file of a saved model takes trimmed text, and "" alone for missing.) A feature is a number when all
 * its values are; a target is a class when it is text or has at most 10 different whole numbers. What tells
 * nothing (constants, names of samples, columns without a value or a name, what is identical to an earlier
 * column) is left out. `report` says what was found.
 *
 * A column "sold" of dates as ISO 8601 writes them (2024-03-05, 2024-03-05 14:30, 2024-03-05T14:30:00Z)
 * becomes its parts: "sold year", "sold day" and "sold elapsed" (days since 1970) are numbers, "sold month"
 * and "sold weekday" codes, and so are "sold hour" and "sold minute" where there are times.
 * splitByTime("sold elapsed") divides by them. types: { sold: "category" } makes one category of each text
 * instead.
 *
 * Where categories stand in an order, say it, and a model reads their ranks:
 * types: { cut: ["Fair", "Good", "Very Good"] }. Of more than 1000 categories the most frequent are listed, unless
 * types says "category"; the code of others is the number of those listed.
 *
 * A column of texts becomes codes of one length, which is no feature either: a model reads it by its name.
 *
 *   const mails = await table("mails.csv", { target: "label", texts: { body: { tokens: "bytes", length: 200 } } });
 *
 * body is then int32 [200], filled up with a code of its own (256 of bytes; `EncodedText`), and the saved
 * model takes such codes. With tokens: "words" it is the codes of the first words, and the saved model takes
 * the texts themselves.
 *
 * A second table for validation, test or evaluation is read by the schema of the first:
 *
 *   const test = await table("test.csv", { like: houses.schema });
 *
 * It then has the same columns, codes and classes. Other columns are not read; a category that the first table has not
 * seen has the number of categories as its code, as in a saved model.
 *
 * `clean` says what shall be left out instead of ending the reading, or of training on it (see `Cleaning`):
 *
 *   clean: { badRows: { skip: 20 }, missing: { age: "drop" }, outliers: { price: { deviations: 5 } }, duplicates: "drop" }
 *
 * Throws, naming file, line and column, when the file is missing, empty, damaged or no text; when an option
 * names no column; when numbers and text are mixed; when there is nothing to predict or nothing to predict
 * from; for classes with a single sample and for more than 1000; and for a feature that is the target under
 * another name. With `like`: when a column is missing, for text where the first table has numbers, and for
 * classes that it does not have.
 * The whole table is held in memory: 4 bytes per value.
 */
export async function table(input: TableInput, options: TableOptions): Promise<Table> {
  const path = inputName(input);
  return withDecided(input, options, {}, async (decided) => {
    const { cells, schema, targets, weights, features } = decided;
    const { columns, unlisted } = await readValues(cells, [...targets, ...weights, ...features]);
    await requireKnownClasses(decided, unlisted);
    if (!decided.isLike) refuseLeaks(path, schema, columns);
    const weight = options.weight === undefined ? {} : { weight: options.weight };
    const dataset = memoryDataset<ColumnSpecs>({
      name: path,
      size: cells.samples,
      columns,
      schema,
      ...weight,
    });
    return tableOf(dataset, { ...decided.report, ...truncatedOf(features), unlisted });
  });
}
