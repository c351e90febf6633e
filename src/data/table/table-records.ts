/** A table's samples piece by piece, as they are read once. What reading finds is known at the end. */
import { bug } from "../../errors.ts";
import type { Made } from "../cache/manifest.ts";
import { writeRecords } from "../cache/record-file.ts";
import type { ColumnSpecs } from "../dataset.ts";
import type { ColumnArray } from "../memory.ts";
import type { Piece } from "../source.ts";
import type { PieceColumn } from "./cells/vectors.ts";
import { LeakWatch } from "./columns/leaks.ts";
import { truncatedOf } from "./columns/texts.ts";
import { allocateValues, countUnlisted, store, type ValueColumn } from "./columns/values.ts";
import { type DecidedTable, requireKnownClasses } from "./decided-table.ts";
import type { TableReport } from "./table-data.ts";

/** Reads a decided table once, from its first sample to its last. */
export class TableRecords {
  readonly columns: ColumnSpecs;
  readonly #decided: DecidedTable;
  readonly #values: readonly ValueColumn[];
  readonly #unlisted: number[];

  constructor(decided: DecidedTable) {
    const { targets, weights, features } = decided;
    this.#decided = decided;
    this.#values = [...targets, ...weights, ...features];
    this.columns = Object.fromEntries(this.#values.map(({ name, spec }) => [name, spec]));
    this.#unlisted = this.#values.map(() => 0);
  }

  /** A feature that is the target is refused when all samples were seen, unless another table's schema has it so. */
  async *pieces(): AsyncGenerator<Piece, void> {
    const { cells, schema, isLike } = this.#decided;
    const watch = isLike ? undefined : new LeakWatch(cells.path, schema);
    // All columns in one query: a record is written as a whole.
    const query = `select ${this.#values.map(({ sql }) => sql).join(", ")} from ${cells.kept}`;
    for await (const { rows, columns } of cells.database.pieces(query)) {
      const numbers = Object.fromEntries(
        this.#values.map(({ name }, index) => [name, this.#convert(index, columns[index]!)]),
      );
      watch?.see(numbers, rows);
      yield { samples: rows, columns: numbers };
    }
    watch?.refuse();
    await requireKnownClasses(this.#decided, this.#found());
  }

  /** What reading has found; complete once all pieces were taken. */
  async report(): Promise<TableReport> {
    const { report } = this.#decided;
    const missing = { ...report.missing, ...(await this.#missingLists()) };
    return { ...report, ...truncatedOf(this.#values), missing, unlisted: this.#found() };
  }

  /** Lists are no cells, so that deciding has not counted those that are missing. */
  async #missingLists(): Promise<Record<string, number>> {
    const { database, kept, lists = [] } = this.#decided.cells;
    const missing: Record<string, number> = {};
    for (const { name, sql } of lists) {
      const [row] = await database.rows(`select count(*)::double from ${kept} and ${sql} is null`);
      if (Number(row![0]) > 0) missing[name] = Number(row![0]);
    }
    return missing;
  }

  #convert(index: number, values: PieceColumn): ColumnArray {
    const column = this.#values[index]!;
    const array = columnOf(column, values);
    this.#unlisted[index]! += countUnlisted(array, column.spec);
    return array;
  }

  #found(): TableReport["unlisted"] {
    const counts = this.#values.map(
      ({ name }, index) => [name, this.#unlisted[index] ?? bug("a column without a count")] as const,
    );
    return Object.fromEntries(counts.filter(([, count]) => count > 0));
  }
}

/** Writes all samples to a new file, for a cache. */
export async function writeTable(path: string, decided: DecidedTable): Promise<Made> {
  const records = new TableRecords(decided);
  const { columns } = records;
  const written = await writeRecords(path, columns, records.pieces());
  const [weight] = decided.weights.map(({ name }) => ({ weight: name }));
  return { ...written, columns, schema: decided.schema, ...weight, extra: await records.report() };
}

/** As they come, where they are what the column holds: the database gives a copy of its own. */
function columnOf(column: ValueColumn, values: PieceColumn): ColumnArray {
  const { dtype, shape } = column.spec;
  if (shape.length <= 1 && dtype === "float32" && values instanceof Float32Array) return values;
  if (shape.length === 0 && dtype === "int32" && values instanceof Int32Array) return values;
  const array = allocateValues(column, values.length);
  store(column, values, array, 0);
  return array;
}
