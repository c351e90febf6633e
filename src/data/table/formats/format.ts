/**
 * CONTRACT of a table's format: a table that has been looked at, so that its columns are known, and that a
 * database can be shown. A format is one file behind this: CSV, Parquet, a query. What the columns mean is
 * decided by who reads them.
 */
import type { TableDatabase } from "../cells/database.ts";
import type { BadRowCount } from "../clean/skipped-rows.ts";

/** A table that can be read. */
export interface OpenedTable {
  /** As it was given, for errors. */
  readonly name: string;
  /** The names of the columns in their order, trimmed; "" where one has none. */
  readonly columns: readonly string[];
  /** Records that are read: those that were left out because they cannot be are not among them. */
  readonly records: number;
  /** The latter, where such are left out. */
  readonly bad?: BadRowCount;
  /** What a record is called where it stands: a line of text, or a row. */
  readonly unit: Place["unit"];
  /** How the file is written, for people: "separated by commas". */
  readonly dialect: string;
  /** What its numbers have in front of their decimals, where that is no point. */
  readonly decimal?: ",";
  /** Where a record stands. They are counted from 0. */
  placeOf(record: number): Promise<Place>;
  /** Makes a table or view `cells` of columns, whose rowid is the record. Throws where values cannot be read. */
  load(store: TableDatabase, wanted: WantedColumns): Promise<LoadedColumns>;
  /**
   * SQL of all columns as they are written, verbatim, as texts c0, c1, …: null where nothing is. In the order
   * of the records.
   */
  texts(store: TableDatabase): Promise<string>;
}

/**
 * Where a record stands: for text files the line, counted from 1, as an editor shows it; else the record,
 * counted from 1.
 */
export interface Place {
  readonly path: string;
  readonly unit: "line" | "row";
  readonly line: number;
}

/** "houses.csv, line 3" */
export const placeText = ({ path, unit, line }: Place) => `${path}, ${unit} ${line}`;

/** What of a table is looked at. */
export interface WantedColumns {
  readonly columns: readonly string[];
  /** Those of them whose texts nobody asks for where all values are numbers. */
  readonly numbers: readonly string[];
}

/** What columns are called in SQL. Each value is missing (null) in all three or in none, but for what is no number. */
export interface LoadedColumns {
  /** The column as it lies in `cells`: for what is the same of texts and of numbers. */
  id(column: string): string;
  /** Its texts. */
  text(column: string): string;
  /** Its numbers, as doubles: null where a text is none, or where float32 cannot hold it. */
  number(column: string): string;
  /** True where it lies there as numbers, some of which float32 may not hold. */
  isNumbers(column: string): boolean;
  /**
   * Where the cells are made anew by every query: the column before what says that a value is missing is
   * taken out, NaN or "NA". Samples of a column that is known to be numbers, or to have certain categories,
   * are read faster from that.
   */
  raw?(column: string): string;
}
