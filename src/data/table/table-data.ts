/** The samples of a table as a dataset: what its columns mean, how it is divided, and what reading it found. */
import type { TableSchema } from "../../array/schema.ts";
import { bug } from "../../errors.ts";
import type { Dataset } from "../dataset.ts";
import { type Fold, type FoldOptions, folds } from "../folds.ts";
import type { ShareOptions, Split } from "../shares.ts";
import { type SplitOptions, split } from "../split.ts";
import { splitByGroup } from "../split-by-group.ts";
import { splitByTime, type TimeShares } from "../split-by-time.ts";
import type { CleaningReport } from "./clean/clean-cells.ts";
import type { IgnoredColumn } from "./columns/roles.ts";

/** Samples of a table: a dataset that knows what its columns mean. */
export interface TableData extends Dataset {
  readonly schema: TableSchema;
  /** Divides the samples in two or three; see `split`. */
  split(options?: SplitOptions): Split<TableData>;
  /** Divides the samples so that none of a column's values is in two parts; see `splitByGroup`. */
  splitByGroup(column: string, options?: ShareOptions): Promise<Split<TableData>>;
  /** Divides the samples so that the latest by a column are judged on; see `splitByTime`. */
  splitByTime(column: string, shares?: TimeShares): Promise<Split<TableData>>;
  /** Parts to train and validate several models on, each sample being validated on once; see `folds`. */
  folds(count: number, options?: FoldOptions): Promise<Fold<TableData>[]>;
}

/** A whole table. */
export interface Table extends TableData {
  readonly report: TableReport;
}

/** What reading found, for people to see. */
export interface TableReport extends CleaningReport {
  /** Records in the file, below the header. */
  readonly records: number;
  /** Records left out because a target is missing. */
  readonly withoutTarget: number;
  /** How many samples have no value, by column, where there are any. */
  readonly missing: Readonly<Record<string, number>>;
  /**
   * How many samples have a category that its column does not list, where there are any: beyond the 1000 most
   * frequent, or, with `like`, one that the first table has not seen.
   */
  readonly unlisted: Readonly<Record<string, number>>;
  /** Columns that are no features, and why. */
  readonly ignored: readonly IgnoredColumn[];
  /** How many texts of a column of `texts` were cut to its length, where there are any. */
  readonly truncated?: Readonly<Record<string, number>>;
  /** Columns whose numbers lose more than a thousandth of their deviation in float32: subtract a constant first. */
  readonly imprecise: readonly string[];
}

/** A dataset with the schema of a table, and what reading it found. */
export function tableOf(dataset: Dataset, report: TableReport): Table {
  return Object.freeze({ ...tableData(dataset), report });
}

function tableData(dataset: Dataset): TableData {
  const schema = dataset.schema ?? bug(`${dataset.name} lost its schema`);
  return Object.freeze({
    ...dataset,
    schema,
    split: (options?: SplitOptions) => tableParts(split(dataset, options)),
    splitByGroup: async (column: string, options?: ShareOptions) =>
      tableParts(await splitByGroup(dataset, column, options)),
    splitByTime: async (column: string, shares?: TimeShares) =>
      tableParts(await splitByTime(dataset, column, shares)),
    folds: async (count: number, options?: FoldOptions) =>
      (await folds(dataset, count, options)).map(({ training, validation }) => ({
        training: tableData(training),
        validation: tableData(validation),
      })),
  });
}

function tableParts({ training, validation, test }: Split<Dataset>): Split<TableData> {
  return {
    training: tableData(training),
    validation: tableData(validation),
    ...(test !== undefined && { test: tableData(test) }),
  };
}
