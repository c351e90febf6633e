/** k-fold cross-validation: every sample is validated on once. */
import { fail, kindOf } from "../errors.ts";
import type { ColumnSpecs, Dataset } from "./dataset.ts";
import { divide, type PartInterval } from "./division.ts";
import { drawsOf, type Names, requireNewDraws } from "./identity.ts";
import { samplesOfParts } from "./shares.ts";
import { subset } from "./split.ts";
import { divideGroups, groupNames } from "./split-by-group.ts";

/** Options of `folds`. */
export interface FoldOptions {
  /** Another seed gives another division. Default 0. */
  readonly seed?: number;
  /** A column that tells samples apart, such as an id; see `split`. Default: the index. */
  readonly identity?: string;
  /** A column of groups, none of which comes into two folds; see `splitByGroup`. Default: none. */
  readonly group?: string;
}

/** What one of several models is trained and validated on. */
export interface Fold<Part> {
  readonly training: Part;
  readonly validation: Part;
}

/** What else decides the fold of samples: one name per sample, of itself or of its group. */
export interface FoldNames {
  readonly identities?: Names;
  readonly groups?: Names;
}

/**
 * The dataset's samples in `count` folds: each sample is in the validation part of one of them, and in the training parts
 * of all others.
 *
 *   for (const { training, validation } of await folds(houses, 5, { seed: 7 })) …
 *
 * A sample's fold depends on the seed and its index alone, or its value in the column `identity`, or its group's; so folds
 * are of nearly the same size, and adding samples (at the end, without such a column) moves no old one, with the exception
 * of `split`: no fold is empty. The order stays.
 * Throws for fewer than 2 or more than 255 folds, for fewer samples or groups than folds, and for columns as `split` and
 * `splitByGroup` do.
 */
export async function folds<Columns extends ColumnSpecs>(
  dataset: Dataset<Columns>,
  count: number,
  options: FoldOptions = {},
): Promise<Fold<Dataset<Columns>>[]> {
  const { seed = 0, identity, group } = options;
  if (identity !== undefined && group !== undefined) {
    fail(`folds of ${dataset.name}`, {
      expected: "identity or group",
      got: "both",
      fix: "leave identity out: the samples of a group go where its name says",
    });
  }
  const column = group ?? identity;
  const names = column === undefined ? undefined : await groupNames("folds", dataset, column);
  const by = names === undefined ? {} : group === undefined ? { identities: names } : { groups: names };
  return foldSamples(dataset.size, count, seed, by).map(({ training, validation }, fold) => {
    const part = (samples: Uint32Array, name: string) =>
      subset(dataset, samples, `${name} part of fold ${fold} of ${dataset.name}`);
    return { training: part(training, "training"), validation: part(validation, "validation") };
  });
}

/** The same folds as indices, each part ascending. */
export function foldSamples(
  size: number,
  count: number,
  seed = 0,
  by: FoldNames = {},
): Fold<Uint32Array<ArrayBuffer>>[] {
  requireCount(size, count);
  const parts = Array.from({ length: count }, (_, fold) => ({ from: fold / count, to: (fold + 1) / count }));
  const chosen =
    by.groups === undefined
      ? divideSamples(drawsOf(size, seed, "folds", by.identities), parts, by.identities !== undefined)
      : divideGroups("folds", by.groups, { seed, use: "folds", parts });
  return samplesOfParts(chosen, count).map((validation, fold) => {
    const training = new Uint32Array(size - validation.length);
    let filled = 0;
    for (let sample = 0; sample < size; sample++) if (chosen[sample] !== fold) training[filled++] = sample;
    return { training, validation };
  });
}

function divideSamples(draws: Float64Array, parts: readonly PartInterval[], areNamed: boolean): Uint8Array {
  if (areNamed) requireNewDraws("folds", draws, parts);
  return divide({ draws, parts });
}

function requireCount(size: number, count: number): void {
  const most = Math.min(255, size);
  if (Number.isInteger(count) && count >= 2 && count <= most) return;
  fail("folds", {
    expected: most < 2 ? "at least two samples" : `a whole number of folds from 2 to ${most}`,
    got: most < 2 ? String(size) : kindOf(count),
    fix: most < 2 ? "train without validation" : `for example folds(data, ${Math.min(5, most)})`,
  });
}
