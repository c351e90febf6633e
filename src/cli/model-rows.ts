/** A table's raw rows as a saved model takes them. */
import type { AnyArray } from "../array/array.ts";
import { expectedDate, isDate } from "../array/date.ts";
import { outputNames, sourceOf } from "../array/schema.ts";
import type { RawPiece } from "../data/table/raw-rows.ts";
import { fail } from "../errors.ts";
import type { RawColumns, SavedModel } from "../train/saved-model.ts";

/** What a saved model puts out for the rows of a piece. */
export type Outputs = Readonly<Record<string, AnyArray>>;

/** The columns a model reads, and which of them are numbers: what `rawRows` is asked for. */
export interface TableInputs {
  readonly columns: readonly string[];
  readonly numbers: readonly string[];
  /** Those that must be dates. */
  readonly dates: readonly string[];
}

/** Throws for a model whose inputs are more than one value per row: no column of a table holds those. */
export function tableInputs(
  file: string,
  { summary: { inputs }, schema }: Pick<SavedModel, "summary" | "schema">,
): TableInputs {
  for (const { name, shape, dtype } of inputs) {
    const size = shape.slice(1).reduce<number>((count, dim) => count * Number(dim), 1);
    if (size === 1) continue;
    fail(`${file}, input "${name}"`, {
      expected: "one value per row, as a column of a table has",
      got: `[${shape.join(", ")}]`,
      fix:
        dtype === "uint8" && shape.length === 4
          ? "name a folder of images"
          : "predict from TypeScript: (await loadModel(path)).predict({ … })",
    });
  }
  return {
    columns: inputs.map(({ name }) => name),
    numbers: inputs.filter(({ dtype }) => dtype !== "string").map(({ name }) => name),
    dates: inputs
      .map(({ name }) => name)
      .filter((name) => schema?.features.some((one) => one.ofDate !== undefined && sourceOf(one) === name)),
  };
}

/** Numbers as numbers, texts as texts. Throws at the first text that is no date where a date must be. */
export async function modelRows(
  { columns, numbers, dates }: TableInputs,
  piece: RawPiece,
): Promise<RawColumns> {
  for (const name of dates) {
    const values = piece.columns[name]!;
    const wrong = values.findIndex((value) => value !== null && !isDate(value));
    if (wrong < 0) continue;
    fail(`${await piece.placeOf(wrong)}, column "${name}"`, {
      expected: expectedDate,
      got: JSON.stringify(values[wrong]),
      fix: "correct the value, or leave it empty if it is missing",
    });
  }
  return Object.fromEntries(
    columns.map((name) => [name, numbers.includes(name) ? piece.numbers[name]! : piece.columns[name]!]),
  );
}

/** Throws where a class would silently get the probability of another one: in a damaged file, or by a plan's serve. */
export function requireClasses(
  file: string,
  { schema, summary }: Pick<SavedModel, "schema" | "summary">,
): void {
  for (const target of schema?.targets ?? []) {
    if (schema === undefined || target.task === "regression") continue;
    const name = outputNames(schema, target.name).probabilities;
    const shape = summary.outputs.find((output) => output.name === name)?.shape;
    if (shape === undefined || (shape.length === 2 && shape[1] === target.categories.length)) continue;
    fail(`${file}, output "${name}"`, {
      expected: `a number for each of the ${target.categories.length} classes that its metadata names`,
      got: `[${shape.join(", ")}]`,
      fix: "save the model again; a plan's serve gives one probability per class, in the order of the classes",
    });
  }
}
