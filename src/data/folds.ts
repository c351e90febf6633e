/** k-fold cross-validation: every sample is validated on once. */
import { fail, kindOf } from "../errors.ts";
import { readColumn } from "./column.ts";
import type { ColumnSpecs, Dataset } from "./dataset.ts";
import { divide, type PartInterval } from "./division.ts";
import { exactParts } from "./exact-shares.ts";
import { drawsOf, type Names, requireNewDraws } from "./identity.ts";
import type { ColumnArray } from "./memory.ts";
import { samplesOfParts } from "./shares.ts";
import { requireOneWay, subset } from "./split.ts";
import { divideGroups, groupNames } from "./split-by-group.ts";

/** Options of `folds`. */
export interface FoldOptions {
  /** Another seed gives another division. Default 0. */
  readonly seed?: number;
  /** A column that tells samples apart, such as an id; see `split`. Default: the index. */
  readonly identity?: string;
  /** A column of classes or categories, so that even rare ones come into every fold; see `split`. Default: none. */
  readonly stratify?: string;
  /**
   * Whether every fold has 1/count of each class of `stratify`, or of all samples without it, to less than a
   * sample; see `split`. Default false.
   */
  readonly exact?: boolean;
  /** A column of groups, none of which comes into two folds; see `splitByGroup`. Default: none. */
  readonly group?: string;
}

/** What one of several models is trained and validated on. */
export interface Fold<Part> {
  readonly training: Part;
  readonly validation: Part;
}

/** What else decides the fold of samples: one name per sample, of itself or of its group, or one class. */
export interface FoldNames {
  readonly identities?: Names;
  readonly groups?: Names;
  readonly classes?: ArrayLike<number>;
  readonly exact?: boolean;
}

/**
 * The dataset's samples in `count` folds: each sample is in the validation part of one of them, and in the
 * training parts of all others.
 *
 *   for (const { training, validation } of await folds(houses, 5, { seed: 7 })) …
 *
 * A sample's fold depends on the seed and its index alone, or its value in the column `identity`, or its
 * group's; so folds are of nearly the same size, and adding samples (at the end, without such a column) moves
 * no old one, with the exception of `split`: no fold is empty, nor without a class of `stratify` that has as
 * many samples as there are folds. The order stays. Folds of exactly equal sizes, and so many samples of each
 * class, come with `exact`.
 * Throws for fewer than 2 or more than 255 folds, for fewer samples or groups than folds, for columns as `split` and
 * `splitByGroup` do, and for a group beside what divides single samples.
 */
export async function folds<Columns extends ColumnSpecs>(
  dataset: Dataset<Columns>,
  count: number,
  options: FoldOptions = {},
): Promise<Fold<Dataset<Columns>>[]> {
  const { seed = 0, identity, group, stratify, exact } = options;
  const where = `folds of ${dataset.name}`;
  if (group !== undefined) requireGroupAlone(where, { identity, stratify, exact });
  requireOneWay(where, { identity, exact });
  const by: FoldNames = {
    ...(group !== undefined && { groups: await groupNames("folds", dataset, group) }),
    ...(identity !== undefined && { identities: await groupNames("folds", dataset, identity) }),
    ...(stratify !== undefined && { classes: await classesOf(where, dataset, stratify) }),
    ...(exact !== undefined && { exact }),
  };
  return foldSamples(dataset.size, count, seed, by).map(({ training, validation }, fold) => {
    const part = (samples: Uint32Array, name: string) =>
      subset(dataset, samples, `${name} part of fold ${fold} of ${dataset.name}`);
    return { training: part(training, "training"), validation: part(validation, "validation") };
  });
}

function requireGroupAlone(where: string, others: Readonly<Record<string, unknown>>): void {
  const [name] = Object.keys(others).filter((one) => others[one] !== undefined && others[one] !== false);
  if (name === undefined) return;
  fail(where, {
    expected: `${name} or group`,
    got: "both",
    fix: `leave ${name} out: the samples of a group go where its name says`,
  });
}

function classesOf(where: string, data: Dataset, column: string): Promise<ColumnArray> {
  const request = { data, column, wanted: "classes", otherwise: "leave stratify out" } as const;
  return readColumn({ where: `${where}, stratify`, ...request });
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
      ? divideSamples(size, seed, parts, by)
      : divideGroups("folds", by.groups, { seed, use: "folds", parts });
  return samplesOfParts(chosen, count).map((validation, fold) => {
    const training = new Uint32Array(size - validation.length);
    let filled = 0;
    for (let sample = 0; sample < size; sample++) if (chosen[sample] !== fold) training[filled++] = sample;
    return { training, validation };
  });
}

function divideSamples(
  size: number,
  seed: number,
  parts: readonly PartInterval[],
  { identities, classes, exact }: FoldNames,
): Uint8Array {
  requireOneWay("folds", { identity: identities, exact });
  const draws = drawsOf(size, seed, "folds", identities);
  if (identities !== undefined) requireNewDraws("folds", draws, parts);
  const byClass = classes !== undefined && { classes };
  const first = exact === true && { first: exactParts(size, parts, { seed, use: "folds", ...byClass }) };
  return divide({ draws, parts, ...byClass, ...first });
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
