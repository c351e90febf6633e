/** Parts of a dataset: chosen samples, and the division into training, validation and test. */
import { sha256OfParts } from "../array/sha256.ts";
import { fail } from "../errors.ts";
import type { ColumnSpecs, Dataset } from "./dataset.ts";
import { divide, type PartInterval } from "./division.ts";
import { noSuchSample } from "./memory.ts";
import { allSamples } from "./samples.ts";

/** Which part of the samples goes where. */
export interface ShareOptions {
  /** The probability of each sample to be in the validation part, in (0, 1). Default 0.2: one sample in five. */
  readonly validation?: number;
  /** The probability to be in the test part, in (0, 1). Default: there is none. Both together are below 1. */
  readonly test?: number;
  /** Another seed gives another division. Default 0. */
  readonly seed?: number;
}

/** Options of `split`. */
export interface SplitOptions extends ShareOptions {
  /** A column of classes or categories, so that even rare ones come into every part. Default: none. */
  readonly stratify?: string;
}

/** What a split gives: the test part where it is asked for. */
export interface Split<Part> {
  readonly training: Part;
  readonly validation: Part;
  readonly test?: Part;
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
    ...(dataset.prefetch !== undefined && {
      prefetch: (positions: Uint32Array) =>
        dataset.prefetch?.(positions.map((position) => chosen[position]!)),
    }),
    fingerprint: async () => sha256OfParts([await dataset.fingerprint(), chosen]),
  } satisfies Dataset<Columns>);
}

/**
 * The dataset's samples divided in two, or in three with `test`. Where a sample goes depends on the seed and its index
 * alone, so the parts' sizes are near, not exactly at, the asked shares, and adding samples at the end moves no old one,
 * with this exception: every part has at least one sample, so where one would be empty, the sample that was drawn nearest to
 * it is moved there. With `stratify` the same holds for every class: training has at least one sample of each, the other
 * parts have one of each class with at least as many samples as there are parts. The order stays.
 * Throws for fewer samples than parts, for a share outside (0, 1), for shares that leave nothing to train on, and for a
 * column to stratify by that is none of classes or is not in memory.
 */
export function split<Columns extends ColumnSpecs>(
  dataset: Dataset<Columns>,
  options: SplitOptions = {},
): Split<Dataset<Columns>> {
  const { stratify, ...shares } = options;
  const classes = stratify === undefined ? undefined : classesOf(dataset, stratify);
  const { training, validation, test } = splitSamples(dataset.size, shares, classes);
  const part = (samples: Uint32Array, name: string) =>
    subset(dataset, samples, `${name} part of ${dataset.name}`);
  return {
    training: part(training, "training"),
    validation: part(validation, "validation"),
    ...(test !== undefined && { test: part(test, "test") }),
  };
}

/** The same division as indices, each part ascending. classes: one number per sample, to stratify by. */
export function splitSamples(
  size: number,
  options: ShareOptions = {},
  classes?: ArrayLike<number>,
): Split<Uint32Array<ArrayBuffer>> {
  const parts = partsOf(options, size);
  requireSamples(size, parts.length);
  const { seed = 0 } = options;
  const chosen = divide({ size, seed, parts, ...(classes !== undefined && { classes }) });
  const counts = parts.map(() => 0);
  for (const part of chosen) counts[part]!++;
  const samples = counts.map((count) => new Uint32Array(count));
  const filled = parts.map(() => 0);
  for (let sample = 0; sample < size; sample++) {
    const part = chosen[sample]!;
    samples[part]![filled[part]!++] = sample;
  }
  const [training, validation, test] = samples;
  return { training: training!, validation: validation!, ...(test !== undefined && { test }) };
}

/** In the order training, validation, test. A draw below the share of validation is validation's, whatever else there is. */
function partsOf({ validation = 0.2, test }: ShareOptions, size: number): PartInterval[] {
  requireShare("validation", validation, size);
  if (test === undefined)
    return [
      { from: validation, to: 1 },
      { from: 0, to: validation },
    ];
  requireShare("test", test, size);
  const judged = validation + test;
  if (!(judged < 1)) {
    fail("split", {
      expected: "validation and test together below 1",
      got: `${validation} + ${test}`,
      fix: "for example validation: 0.2, test: 0.2",
    });
  }
  return [
    { from: judged, to: 1 },
    { from: 0, to: validation },
    { from: validation, to: judged },
  ];
}

function requireShare(name: "validation" | "test", share: number, size: number): void {
  if (share > 0 && share < 1) return;
  const asShare = share > 1 && share < size ? Number((share / size).toPrecision(3)) : 0.2;
  fail("split", {
    expected: `${name} as a share between 0 and 1, both excluded`,
    got: String(share),
    fix: share > 1 && share < size ? `${name}: ${asShare}` : `for example ${name}: ${asShare}`,
  });
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
function classesOf(dataset: Dataset, name: string): Int32Array {
  const spec = Object.hasOwn(dataset.columns, name) ? dataset.columns[name] : undefined;
  const where = `split of ${dataset.name}, stratify`;
  if (spec?.dtype !== "int32" || spec.shape.length > 0) {
    const suited = Object.keys(dataset.columns).filter(
      (column) => dataset.columns[column]!.dtype === "int32" && dataset.columns[column]!.shape.length === 0,
    );
    fail(where, {
      expected: "the name of a column of classes or categories",
      got: spec === undefined ? `no such column, "${name}"` : `"${name}", a column of numbers`,
      fix: suited.length === 0 ? "leave stratify out" : `one of ${suited.join(", ")}`,
    });
  }
  const classes = new Int32Array(dataset.size);
  const reading = dataset.read(name, allSamples(dataset), classes);
  if (reading === undefined) return classes;
  reading.catch(() => {}); // what it would say is not what is wrong
  return fail(where, {
    expected: "a column in memory",
    got: "one that is read from elsewhere",
    fix: "use splitSamples with its codes, and subset",
  });
}
