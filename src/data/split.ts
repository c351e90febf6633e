/** Parts of a dataset: chosen samples, and the division into training, validation and test. */
import { sha256OfParts } from "../array/sha256.ts";
import { fail, kindOf } from "../errors.ts";
import { columnInMemory } from "./column.ts";
import type { ColumnSpecs, Dataset } from "./dataset.ts";
import { divide } from "./division.ts";
import { exactParts } from "./exact-shares.ts";
import { columnNames, drawsOf, type Names, requireNewDraws } from "./identity.ts";
import { type ColumnArray, noSuchSample } from "./memory.ts";
import { namedParts, partIntervals, type ShareOptions, type Split, samplesOfParts } from "./shares.ts";

export type { ShareOptions, Split } from "./shares.ts";

/** Options of `split`. */
export interface SplitOptions extends ShareOptions {
  /** A column of classes or categories, so that even rare ones come into every part. Default: none. */
  readonly stratify?: string;
  /**
   * Whether the shares of each class of `stratify`, or of all samples without it, are met to less than a
   * sample for validation and less than two for test, instead of in the mean. A sample's part then depends on
   * the samples before it too, which those that are added at the end do not change; it goes without
   * `identity`. Default false.
   */
  readonly exact?: boolean;
  /**
   * A column that tells samples apart, such as an id: where a sample goes then depends on the seed and its
   * text (or number) there, so that another order of the samples moves none of them. Default: the index.
   */
  readonly identity?: string;
}

/** What else decides where samples go: one value per sample. */
export interface SplitValues {
  /** Classes to stratify by. */
  readonly classes?: ArrayLike<number>;
  /** What tells samples apart. Default: the index. */
  readonly identities?: Names;
}

/**
 * The given samples of a dataset, in the given order, as a dataset; nothing is copied. A sample may come twice.
 * Throws when a sample is not in the dataset, or when there is none.
 */
export function subset<Columns extends ColumnSpecs>(
  dataset: Dataset<Columns>,
  samples: Uint32Array | readonly number[],
  name = `part of ${dataset.name}`,
): Dataset<Columns> {
  if (samples.length === 0) {
    fail("subset", {
      expected: `samples of ${dataset.name}, from 0 to ${dataset.size - 1}`,
      got: "none",
      fix: "pass at least one sample",
    });
  }
  const chosen = new Uint32Array(samples.length);
  for (let position = 0; position < chosen.length; position++) {
    const sample = samples[position]!;
    const isSample = Number.isInteger(sample) && sample >= 0 && sample < dataset.size;
    if (!isSample) noSuchSample(`subset, position ${position}`, sample, dataset.size);
    chosen[position] = sample;
  }
  const { columns, weight, schema } = dataset;
  return Object.freeze({
    name,
    size: chosen.length,
    columns,
    ...(weight !== undefined && { weight }),
    ...(schema !== undefined && { schema }),
    read: (column, positions, into) =>
      dataset.read(
        column,
        positions.map((position) => chosen[position] ?? noSuchSample(name, position, chosen.length)),
        into,
      ),
    ...(dataset.isInMemory && { isInMemory: true }),
    ...(dataset.samplesPerBlock !== undefined && { samplesPerBlock: dataset.samplesPerBlock }),
    ...(dataset.prefetch !== undefined && {
      prefetch: (positions: Uint32Array) =>
        dataset.prefetch?.(positions.map((position) => chosen[position]!)),
    }),
    fingerprint: async () => sha256OfParts([await dataset.fingerprint(), chosen]),
  } satisfies Dataset<Columns>);
}

/**
 * The dataset's samples divided in two, or in three with `test`. Where a sample goes depends on the seed and
 * its index alone, or its value in the column `identity`; so the parts' sizes are near, not exactly at, the
 * asked shares, and adding samples (at the end, without `identity`) moves no old one, with this exception:
 * every part has at least one sample, so where one would be empty, the sample that was drawn nearest to it is
 * moved there. With `stratify` the same holds for every class: training has at least one sample of each, the
 * other parts have one of each class with at least as many samples as there are parts. The order stays. To
 * split a part again by the same `identity`, take another seed.
 *
 * A part of share p has p·n of n samples (or of a class's n samples) in the mean, and 95 times in 100 no more
 * than 2·√(n·p·(1−p)) more or fewer: 20 ± 8 of 100, 2000 ± 80 of 10 000. That is the least that is possible
 * where a sample's own identity decides alone. With `exact` what is before it decides too, and the deviation
 * is less than a sample.
 *
 * Throws for fewer samples than parts, for a share outside (0, 1), for shares that leave nothing to train on,
 * for a column that is not of the kind, not in memory, or lacks values, and where samples come from a split
 * by the same seed.
 */
export function split<Columns extends ColumnSpecs>(
  dataset: Dataset<Columns>,
  options: SplitOptions = {},
): Split<Dataset<Columns>> {
  const { stratify, identity, ...shares } = options;
  requireOneWay(`split of ${dataset.name}`, { identity, exact: options.exact });
  const values = {
    ...(stratify !== undefined && { classes: classesOf(dataset, stratify) }),
    ...(identity !== undefined && { identities: identitiesOf(dataset, identity) }),
  };
  return partsOf(dataset, splitSamples(dataset.size, shares, values));
}

/** By its identity a sample's part is its own; exact shares go by what is before it. */
export function requireOneWay(
  where: string,
  { identity, exact }: { readonly identity: unknown; readonly exact: boolean | undefined },
): void {
  if (exact === undefined || exact === false) return;
  if (exact !== true) {
    fail(`${where}, exact`, { expected: "true or false", got: kindOf(exact), fix: "exact: true" });
  }
  if (identity === undefined) return;
  fail(where, {
    expected: "identity or exact",
    got: "both",
    fix: "leave exact out: by an identity, a sample's part depends on no other sample",
  });
}

/** The parts of a dataset, named after it. */
export function partsOf<Columns extends ColumnSpecs>(
  dataset: Dataset<Columns>,
  { training, validation, test }: Split<Uint32Array>,
): Split<Dataset<Columns>> {
  const part = (samples: Uint32Array, name: string) =>
    subset(dataset, samples, `${name} part of ${dataset.name}`);
  return {
    training: part(training, "training"),
    validation: part(validation, "validation"),
    ...(test !== undefined && { test: part(test, "test") }),
  };
}

/** The same division as indices, each part ascending. */
export function splitSamples(
  size: number,
  options: Omit<SplitOptions, "stratify" | "identity"> = {},
  { classes, identities }: SplitValues = {},
): Split<Uint32Array<ArrayBuffer>> {
  const parts = partIntervals("split", options, size);
  requireSamples(size, parts.length);
  const { seed = 0, exact } = options;
  requireOneWay("split", { identity: identities, exact });
  const draws = drawsOf(size, seed, "split", identities);
  if (identities !== undefined) requireNewDraws("split", draws, parts);
  const byClass = classes !== undefined && { classes };
  const first = exact === true && { first: exactParts(size, parts, { seed, use: "split", ...byClass }) };
  const chosen = divide({ draws, parts, training: 0, ...byClass, ...first });
  return namedParts(samplesOfParts(chosen, parts.length));
}

function requireSamples(size: number, parts: number): void {
  if (size >= parts) return;
  fail("split", {
    expected: `at least ${parts === 2 ? "two" : "three"} samples`,
    got: String(size),
    fix: parts === 2 ? "train without validation" : "leave test out",
  });
}

/** The codes of a column, which must be in memory: a division is made at once. */
function classesOf(data: Dataset, column: string): ColumnArray {
  const where = `split of ${data.name}, stratify`;
  return columnInMemory(
    { where, data, column, wanted: "classes", otherwise: "leave stratify out" },
    "use splitSamples with its codes, and subset",
  );
}

function identitiesOf(data: Dataset, column: string): Names {
  const where = `split of ${data.name}, identity`;
  const values = columnInMemory(
    { where, data, column, wanted: "values", otherwise: "leave identity out" },
    "use splitSamples with its values, and subset",
  );
  return columnNames(where, data, column, values);
}
