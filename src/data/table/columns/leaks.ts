/** Features that are the target under another name: a model of them looks perfect and is worth nothing. */
import { type FeatureColumn, sourceOf, type TableSchema, type TargetColumn } from "../../../array/schema.ts";
import { fail } from "../../../errors.ts";
import type { ColumnArray, MemoryColumn } from "../../memory.ts";
import { parseNumber } from "../../numbers.ts";

/** Numbers of a table's columns by name: of all samples, or of some. */
type Numbers = Readonly<Record<string, ColumnArray>>;

/** Throws for a feature that has the target's value in every sample, as a number or as a text. */
export function refuseLeaks(
  path: string,
  schema: TableSchema,
  columns: Readonly<Record<string, MemoryColumn>>,
): void {
  const watch = new LeakWatch(path, schema);
  const data = Object.fromEntries(Object.entries(columns).map(([name, { data }]) => [name, data]));
  watch.see(data, Object.values(data)[0]?.length ?? 0);
  watch.refuse();
}

/** Looks at a table's samples, some at a time. */
export class LeakWatch {
  readonly #path: string;
  /** Pairs that have not differed yet: nearly always none after the first samples. */
  #suspects: readonly (readonly [TargetColumn, FeatureColumn])[];

  constructor(path: string, { features, targets }: TableSchema) {
    this.#path = path;
    this.#suspects = targets.flatMap((target) => features.map((feature) => [target, feature] as const));
  }

  see(columns: Numbers, samples: number): void {
    if (this.#suspects.length === 0) return;
    this.#suspects = this.#suspects.filter(([target, feature]) => isSame(target, feature, columns, samples));
  }

  /** Once all were seen. */
  refuse(): void {
    const [leak] = this.#suspects;
    if (leak === undefined) return;
    const [target, feature] = leak;
    fail(`${this.#path}, column "${feature.name}"`, {
      expected: `a feature that differs from the target "${target.name}" in some sample`,
      got: "the target's value in every sample",
      fix: `ignore: [${JSON.stringify(sourceOf(feature))}]`,
    });
  }
}

/** Nearly always decided by the first sample or two. */
function isSame(target: TargetColumn, feature: FeatureColumn, columns: Numbers, samples: number): boolean {
  const wantedValue = readerOf(target, columns[target.name]!);
  const givenValue = readerOf(feature, columns[feature.name]!);
  for (let sample = 0; sample < samples; sample++) {
    if (wantedValue(sample) !== givenValue(sample)) return false;
  }
  return true;
}

/**
 * A sample's value: the number, the text of its code (as a number where it is one), or undefined where it is
 * missing.
 */
function readerOf(
  column: FeatureColumn | TargetColumn,
  data: ColumnArray,
): (sample: number) => number | string | undefined {
  if (!("categories" in column)) return (sample) => data[sample];
  const values = column.categories.map((category) => {
    const number = parseNumber(category);
    return number === undefined ? category : Math.fround(number);
  });
  return (sample) => values[data[sample]!];
}
