/** A table's samples piece by piece, for a table that is larger than memory. What reading finds is known at the end. */

import { bug } from "../../errors.ts";
import type { ColumnSpecs } from "../dataset.ts";
import type { ColumnArray } from "../memory.ts";
import type { Piece } from "../source.ts";
import type { PieceColumn } from "./database.ts";
import { LeakWatch } from "./leaks.ts";
import { type DecidedTable, requireKnownClasses, type TableReport } from "./table.ts";
import { allocateValues, countUnlisted, store, type ValueColumn } from "./values.ts";

/** Reads a decided table once, from its first sample to its last. */
export class TableRecords {
  readonly columns: ColumnSpecs;
  readonly #decided: DecidedTable;
  readonly #values: readonly ValueColumn[];
  readonly #precision: readonly Precision[];
  readonly #unlisted: number[];

  constructor(decided: DecidedTable) {
    const { targets, weights, features } = decided;
    this.#decided = decided;
    this.#values = [...targets, ...weights, ...features];
    this.columns = Object.fromEntries(this.#values.map(({ name, spec }) => [name, spec]));
    this.#precision = this.#values.map(() => new Precision());
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
    await requireKnownClasses(this.#decided, this.#found().unlisted);
  }

  /** What reading has found; complete once all pieces were taken. */
  report(): TableReport {
    return { ...this.#decided.report, ...this.#found() };
  }

  #convert(index: number, values: PieceColumn): ColumnArray {
    const column = this.#values[index]!;
    const array = allocateValues(column, values.length);
    const error = store(column, values, array, 0);
    this.#precision[index]!.see(array, error);
    this.#unlisted[index]! += countUnlisted(array, column.spec.categories?.length);
    return array;
  }

  #found(): Pick<TableReport, "unlisted" | "imprecise"> {
    const names = this.#values.map(({ name }) => name);
    const counts = names.map(
      (name, index) => [name, this.#unlisted[index] ?? bug("a column without a count")] as const,
    );
    return {
      unlisted: Object.fromEntries(counts.filter(([, count]) => count > 0)),
      imprecise: names.filter((_, index) => this.#precision[index]!.isLost),
    };
  }
}

/** Whether a column loses more than a thousandth of its deviation in float32. */
class Precision {
  #error = 0;
  #count = 0;
  #first = 0;
  #sum = 0;
  #squares = 0;

  see(values: ColumnArray, error: number): void {
    this.#error = Math.max(this.#error, error);
    for (const value of values) {
      if (Number.isNaN(value)) continue;
      if (this.#count++ === 0) this.#first = value;
      // From the first value, so that squares of large numbers that differ little do not cancel.
      const distance = value - this.#first;
      this.#sum += distance;
      this.#squares += distance * distance;
    }
  }

  get isLost(): boolean {
    const mean = this.#sum / this.#count;
    const deviation = Math.sqrt(Math.max(0, this.#squares / this.#count - mean * mean));
    return this.#error > 0 && 1000 * this.#error > deviation;
  }
}
