/** A CSV or TSV file as a dataset: typed, cleaned and profiled columns. */

import type { FeatureColumn, TableSchema, TargetColumn } from "../array/schema.ts";
import { bug, fail } from "../errors.ts";
import { type Cells, withCells } from "./cells.ts";
import { decideFeature, decideTarget, decideWeight, profileColumns } from "./columns.ts";
import { requireRecords, scanCsvFile } from "./csv-file.ts";
import type { CsvScan } from "./csv-scan.ts";
import type { ColumnSpecs, Dataset } from "./dataset.ts";
import { memoryDataset } from "./memory.ts";
import { assignRoles, type IgnoredColumn, type Roles, type TableOptions } from "./roles.ts";
import { type Split, type SplitOptions, split } from "./split.ts";
import { featureValues, readValues, targetValues, type ValueColumn, weightValues } from "./values.ts";

export type { IgnoredColumn, TableOptions } from "./roles.ts";

/** Samples of a table: a dataset that knows what its columns mean. */
export interface TableData extends Dataset {
  readonly schema: TableSchema;
  /** Divides the samples in two; see `split`. */
  split(options?: SplitOptions): Split<TableData>;
}

/** A whole table. */
export interface Table extends TableData {
  readonly report: TableReport;
}

/** What reading found, for people to see. */
export interface TableReport {
  /** Records in the file, below the header. */
  readonly records: number;
  /** Records left out because a target is missing. */
  readonly withoutTarget: number;
  /** How many samples have no value, by column, where there are any. */
  readonly missing: Readonly<Record<string, number>>;
  /** Columns that are no features, and why. */
  readonly ignored: readonly IgnoredColumn[];
  /** Columns whose numbers lose more than a thousandth of their deviation in float32: subtract a constant first. */
  readonly imprecise: readonly string[];
}

/**
 * Reads a table from a CSV file (comma, tab, semicolon or bar; quotes as in RFC 4180; UTF-8; a header line), packed with
 * gzip or not.
 *
 *   const houses = await table("houses.csv", { target: "price" });
 *   const { training, validation } = houses.split({ validation: 0.2, seed: 7 });
 *
 * Columns of the dataset: a number is float32 [1], NaN where missing; a category is an int32 code [], −1 where missing,
 * its categories in the order of their code points; a target is float32 [1] or an int32 class []; the weight is
 * float32 []. Missing is an empty field or NA, N/A, NaN, null, None or ?, in any case; blanks around a value are dropped.
 * (A saved model takes trimmed text, and "" alone for missing.) A feature is a number when all its values are; a target is
 * a class when it is text or has at most 10 different whole numbers. What tells nothing (constants, names of samples,
 * columns without a name) is left out. `report` says what was found.
 *
 * Throws, naming file, line and column, when the file is missing, empty, damaged or no text; when an option names no
 * column; when numbers and text are mixed; and when there is nothing to predict or nothing to predict from.
 * The whole table is held in memory: 4 bytes per value.
 */
export async function table(path: string, options: TableOptions): Promise<Table> {
  const file = await scanCsvFile(path);
  const roles = assignRoles(path, file.header, options);
  requireRecords(file);
  const { targets, weights, features } = roles;
  return withCells(file, { columns: [...targets, ...weights, ...features], targets }, (cells) =>
    readTable(cells, roles, file.scan, options),
  );
}

async function readTable(cells: Cells, roles: Roles, scan: CsvScan, options: TableOptions): Promise<Table> {
  const { path } = cells;
  if (cells.samples === 0) {
    fail(`${path}, target ${roles.targets.map((name) => `"${name}"`).join(", ")}`, {
      expected: "a value in at least one line",
      got: `none in ${scan.records} lines`,
      fix: "name another target",
    });
  }
  const profiles = new Map(
    (await profileColumns(cells, [...roles.targets, ...roles.weights, ...roles.features])).map((profile) => [
      profile.name,
      profile,
    ]),
  );
  const columns: ValueColumn[] = [];
  const targets: TargetColumn[] = [];
  for (const name of roles.targets) {
    const target = await decideTarget(cells, profiles.get(name)!, options.task);
    targets.push(target);
    columns.push(targetValues(cells, target, profiles.get(name)!));
  }
  for (const name of roles.weights) {
    await decideWeight(cells, profiles.get(name)!);
    columns.push(weightValues(cells, name));
  }
  const features: FeatureColumn[] = [];
  const ignored = [...roles.ignored];
  for (const name of roles.features) {
    const feature = await decideFeature(cells, profiles.get(name)!, options.types?.[name]);
    if (typeof feature === "string") ignored.push({ column: name, reason: feature });
    else {
      features.push(feature);
      columns.push(featureValues(cells, feature));
    }
  }
  if (features.length === 0) noFeatures(path, ignored);
  const values = await readValues(cells, columns);
  const missing = [...profiles.values()].filter(({ present }) => present < cells.samples);
  const dataset = memoryDataset<ColumnSpecs>({
    name: path,
    size: cells.samples,
    columns: values.columns,
    schema: { features, targets },
    ...(options.weight !== undefined && { weight: options.weight }),
  });
  const report: TableReport = {
    records: scan.records,
    withoutTarget: scan.records - cells.samples,
    missing: Object.fromEntries(missing.map(({ name, present }) => [name, cells.samples - present])),
    ignored,
    imprecise: values.imprecise,
  };
  return Object.freeze({ ...tableData(dataset), report });
}

function tableData(dataset: Dataset): TableData {
  const schema = dataset.schema ?? bug(`${dataset.name} lost its schema`);
  return Object.freeze({
    ...dataset,
    schema,
    split(options?: SplitOptions) {
      const { training, validation } = split(dataset, options);
      return { training: tableData(training), validation: tableData(validation) };
    },
  });
}

function noFeatures(path: string, ignored: readonly IgnoredColumn[]): never {
  return fail(path, {
    expected: "at least one column to predict from",
    got:
      ignored.length === 0
        ? "none beside the target"
        : ignored.map(({ column, reason }) => `"${column}" (${reason})`).join(", "),
    fix:
      ignored.length === 0
        ? "add features"
        : 'add features, or say what one is: types: { column: "category" }',
  });
}
