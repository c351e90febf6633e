/** Training, validation and test parts that share no group. */
import { fail } from "../errors.ts";
import { readColumn } from "./column.ts";
import type { ColumnSpecs, Dataset } from "./dataset.ts";
import { divide, type PartInterval } from "./division.ts";
import { columnNames, drawsOf, groupsOf, type Names, requireNewDraws } from "./identity.ts";
import { namedParts, partIntervals, type ShareOptions, type Split, samplesOfParts } from "./shares.ts";
import { partsOf } from "./split.ts";

/**
 * The dataset's samples divided so that all samples of a group (a customer, a patient, a document) go into the same part:
 * a model is then judged on groups it has not seen.
 *
 *   const { training, validation } = await splitByGroup(visits, "patient", { validation: 0.2, seed: 7 });
 *
 * Where a group goes depends on the seed and its text (or number) in the column alone, so neither other samples nor
 * another order move it, with the exception of `split`: no part is empty. Shares are the probability of each group, so the
 * parts' sizes are near the asked shares where no group is large. The order stays. A number counts as its float32 digits,
 * so whole ones above 2²⁴ may fall together; together they stay on one side. To split a part again, take another seed.
 * Throws for a column without values, where a sample has none, for fewer groups than parts, for shares as `split` does, and
 * where the samples come from a split by the same seed and column.
 */
export async function splitByGroup<Columns extends ColumnSpecs>(
  dataset: Dataset<Columns>,
  column: keyof Columns & string,
  options: ShareOptions = {},
): Promise<Split<Dataset<Columns>>> {
  const names = await groupNames("splitByGroup", dataset, column);
  return partsOf(dataset, splitSamplesByGroup(names, options));
}

/** The same division as indices, each part ascending. groups: what each sample's group is called. */
export function splitSamplesByGroup(
  groups: Names,
  options: ShareOptions = {},
): Split<Uint32Array<ArrayBuffer>> {
  const parts = partIntervals("splitByGroup", options, groups.length);
  const chosen = divideGroups("splitByGroup", groups, { seed: options.seed ?? 0, use: "split", parts });
  return namedParts(samplesOfParts(chosen, parts.length));
}

/** The names in a column of groups. */
export async function groupNames(where: string, data: Dataset, column: string): Promise<Names> {
  const place = `${where} of ${data.name}, "${column}"`;
  const request = { where: place, data, column, wanted: "values", otherwise: "use split" } as const;
  return columnNames(place, data, column, await readColumn(request));
}

/** The number of each sample's part: that of its group. */
export function divideGroups(
  where: string,
  names: Names,
  how: { readonly seed: number; readonly use: string; readonly parts: readonly PartInterval[] },
): Uint8Array {
  const { seed, use, parts } = how;
  const groups = groupsOf(names);
  if (groups.names.length < parts.length) {
    fail(where, {
      expected: `at least ${parts.length} groups`,
      got: String(groups.names.length),
      fix: "ask for fewer parts, or divide by another column",
    });
  }
  const draws = drawsOf(groups.names.length, seed, use, groups.names);
  requireNewDraws(where, draws, parts);
  const ofGroup = divide({ draws, parts });
  const chosen = new Uint8Array(names.length);
  for (let sample = 0; sample < chosen.length; sample++) chosen[sample] = ofGroup[groups.ofSample[sample]!]!;
  return chosen;
}
