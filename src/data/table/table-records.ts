/** A table's samples piece by piece, for a table that is larger than memory. What reading finds is known at the end. */

import { bug } from "../../errors.ts";
import type { ColumnSpecs } from "../dataset.ts";
import type { ColumnArray } from "../memory.ts";
import type { Piece } from "../source.ts";
import type { PieceColumn } from "./cells/database.ts";
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

  /** watchLeaks: whether a feature that is the target shall be refused when all samples were seen. */
  async *pieces(watchLeaks: boolean): AsyncGenerator<Piece, void> {
    const { cells, schema } = this.#decided;
    const watch = watchLeaks ? new LeakWatch(cells.path, schema) : undefined;
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
  report(): TableReport {
    return { ...this.#decided.report, ...truncatedOf(this.#values), unlisted: this.#found() };
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

/** As they come, where they are what the column holds: the database gives a copy of its own. */
function columnOf(column: ValueColumn, values: PieceColumn): ColumnArray {
  const { dtype, shape } = column.spec;
  if (shape.length <= 1 && dtype === "float32" && values instanceof Float32Array) return values;
  if (shape.length === 0 && dtype === "int32" && values instanceof Int32Array) return values;
  const array = allocateValues(column, values.length);
  store(column, values, array, 0);
  return array;
}
