/** Features that are the target under another name: a model of them looks perfect and is worth nothing. */
import type { FeatureColumn, TableSchema, TargetColumn } from "../../array/schema.ts";
import { fail } from "../../errors.ts";
import type { ColumnArray, MemoryColumn } from "../memory.ts";
import { parseNumber } from "../numbers.ts";

/** Throws for a feature that has the target's value in every sample, as a number or as a text. */
export function refuseLeaks(
  path: string,
  { features, targets }: TableSchema,
  columns: Readonly<Record<string, MemoryColumn>>,
): void {
  for (const target of targets) {
    const leak = features.find((feature) => isSame(target, feature, columns));
    if (leak === undefined) continue;
    fail(`${path}, column "${leak.name}"`, {
      expected: `a feature that differs from the target "${target.name}" in some sample`,
      got: "the target's value in every sample",
      fix: `ignore: [${JSON.stringify(leak.name)}]`,
    });
  }
}

/** Nearly always decided by the first sample or two. */
function isSame(
  target: TargetColumn,
  feature: FeatureColumn,
  columns: Readonly<Record<string, MemoryColumn>>,
): boolean {
  const [wanted, given] = [columns[target.name]!.data, columns[feature.name]!.data];
  const wantedValue = readerOf(target, wanted);
  const givenValue = readerOf(feature, given);
  for (let sample = 0; sample < wanted.length; sample++) {
    if (wantedValue(sample) !== givenValue(sample)) return false;
  }
  return true;
}

/** A sample's value: the number, the text of its code (as a number where it is one), or undefined where it is missing. */
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
