/** Rows that cannot be read: left out and counted, up to a limit. */
import { fail, type Proof } from "../../../errors.ts";
import type { BadRows } from "./cleaning.ts";

/** What was left out because it cannot be read. */
export interface SkippedRows {
  readonly count: number;
  /** How many lines they have, where one may have several. */
  readonly lines?: number;
  /** The first ten. */
  readonly first: readonly SkippedRow[];
}

/** One of them, with what was expected there and what came. */
export interface SkippedRow {
  /** The file, where the table has several. */
  readonly path?: string;
  readonly line: number;
  readonly column?: string;
  readonly reason: string;
}

/** How many are told. */
export const toldRows = 10;

/** Counts the bad rows of a table. */
export class BadRowCount {
  readonly #path: string;
  readonly #skip: number;
  readonly #first: SkippedRow[] = [];
  #count = 0;
  #lines = 0;

  constructor(path: string, { skip }: Exclude<BadRows, "error">) {
    this.#path = path;
    this.#skip = skip;
  }

  /**
   * A row of so many lines. column: what is wrong there, where that is known. path: the file, where the table
   * has several.
   * Throws where that is more than the limit, unless the limit is a share.
   */
  add(
    line: number,
    proof: Proof,
    lines: number,
    { column, path }: Pick<SkippedRow, "column" | "path"> = {},
  ): void {
    this.tell({
      ...(path !== undefined && { path }),
      line,
      ...(column !== undefined && { column }),
      reason: reasonOf(proof),
    });
    this.addUntold(1, lines);
    if (this.#skip >= 1 || this.#skip === 0) this.#requireAtMost(this.#skip);
  }

  /** More rows, of so many lines together. */
  addUntold(rows: number, lines: number): void {
    this.#count += rows;
    this.#lines += lines;
  }

  tell(row: SkippedRow): void {
    this.#first.push(row);
    this.#first.sort((a, b) =>
      a.path === b.path ? a.line - b.line : (a.path ?? "") < (b.path ?? "") ? -1 : 1,
    );
    this.#first.splice(toldRows);
  }

  /** Throws where more were left out than may be. rows: how many the file has, these among them. */
  require(rows: number): void {
    this.#requireAtMost(this.#skip < 1 ? Math.floor(this.#skip * rows) : this.#skip);
  }

  get skipped(): SkippedRows {
    return { count: this.#count, lines: this.#lines, first: [...this.#first] };
  }

  #requireAtMost(limit: number): void {
    if (this.#lines <= limit) return;
    const [first] = this.#first;
    const place = first === undefined ? this.#path : `${first.path ?? this.#path}, line ${first.line}`;
    const column = first?.column === undefined ? "" : ` in column "${first.column}"`;
    fail(place, {
      expected: `at most ${limit} lines that cannot be read`,
      got: `${this.#lines}${first === undefined ? "" : `, the first here: ${first.reason}${column}`}`,
      fix: "correct them, or skip more: badRows: { skip: … }",
    });
  }
}

export const reasonOf = ({ expected, got }: Pick<Proof, "expected" | "got">) =>
  `expected ${expected}, got ${got}`;
