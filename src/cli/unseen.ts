/**
 * Categories of a table that the model's training table did not have. A model takes all of them for the same
 * unknown one, which is right for a new word and wrong for an old one in another spelling (3.0 for 3), so
 * people are told.
 */
import type { TableSchema } from "../array/schema.ts";
import type { RawPiece } from "../data/table/raw-rows.ts";

/** Counts the rows of pieces. */
export class UnseenCategories {
  readonly #known: readonly (readonly [string, ReadonlySet<string>])[];
  readonly #found = new Map<string, { rows: number; readonly example: string }>();
  #rows = 0;

  constructor(schema: TableSchema | undefined) {
    this.#known = (schema?.features ?? []).flatMap((feature) =>
      feature.kind === "category" && feature.ofDate === undefined
        ? [[feature.name, new Set(feature.categories)] as const]
        : [],
    );
  }

  add({ columns, rows }: RawPiece): void {
    this.#rows += rows;
    for (const [name, known] of this.#known) {
      for (const value of Object.hasOwn(columns, name) ? columns[name]! : []) {
        if (value === null || known.has(value)) continue;
        const found = this.#found.get(name);
        if (found === undefined) this.#found.set(name, { rows: 1, example: value });
        else found.rows++;
      }
    }
  }

  /** How many rows, by column, where there are any. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#found].map(([name, { rows }]) => [name, rows]));
  }

  /** One line per column that has some. */
  lines(path: string): string[] {
    const count = (value: number) => value.toLocaleString("en-US");
    return [...this.#found].map(
      ([name, { rows, example }]) =>
        `beware: ${path}, column "${name}": ${count(rows)} of ${count(this.#rows)} rows have a category that the training table did not have, such as ${JSON.stringify(example)}`,
    );
  }
}
