/** Parts of a dataset: chosen samples, and the division into training and validation. */
import { randomSequence } from "../array/random.ts";
import { sha256OfParts } from "../array/sha256.ts";
import { fail } from "../errors.ts";
import type { ColumnSpecs, Dataset } from "./dataset.ts";
import { noSuchSample } from "./memory.ts";

/** Options of `split`. */
export interface SplitOptions {
  /** The probability of each sample to be in the validation part, in (0, 1). Default 0.2: one sample in five. */
  readonly validation?: number;
  /** Another seed gives another division. Default 0. */
  readonly seed?: number;
}

/** What a split gives. */
export interface Split<Part> {
  readonly training: Part;
  readonly validation: Part;
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
    fingerprint: async () => sha256OfParts([await dataset.fingerprint(), chosen]),
  } satisfies Dataset<Columns>);
}

/**
 * The dataset's samples divided in two. Whether a sample goes to validation depends on the seed and its index alone, so
 * adding samples at the end moves no old one, and the parts' sizes are near, not exactly at, the asked share. The order
 * stays. With two samples or more, both parts have at least one: the sample nearest to the other side is moved.
 * Throws for a single sample, and for a share outside (0, 1).
 */
export function split<Columns extends ColumnSpecs>(
  dataset: Dataset<Columns>,
  options: SplitOptions = {},
): Split<Dataset<Columns>> {
  const { training, validation } = splitSamples(dataset.size, options);
  return {
    training: subset(dataset, training, `training part of ${dataset.name}`),
    validation: subset(dataset, validation, `validation part of ${dataset.name}`),
  };
}

/** The same division as indices, both ascending. */
export function splitSamples(size: number, options: SplitOptions = {}): Split<Uint32Array<ArrayBuffer>> {
  const { validation: share = 0.2, seed = 0 } = options;
  if (!(share > 0 && share < 1)) {
    fail("split", {
      expected: "validation as a share between 0 and 1, both excluded",
      got: String(share),
      fix:
        share > 1 && share < size
          ? `validation: ${Number((share / size).toPrecision(3))}`
          : "for example validation: 0.2",
    });
  }
  if (size < 2) {
    fail("split", { expected: "at least two samples", got: String(size), fix: "train without validation" });
  }
  const draw = randomSequence(seed, "split");
  const draws = Float64Array.from({ length: size }, (_, sample) => draw(sample));
  let [lowest, highest, count] = [0, 0, 0];
  for (let sample = 0; sample < size; sample++) {
    if (draws[sample]! < draws[lowest]!) lowest = sample;
    if (draws[sample]! > draws[highest]!) highest = sample;
    if (draws[sample]! < share) count++;
  }
  const moved = count === 0 ? lowest : count === size ? highest : undefined; // so that no side stays empty
  if (moved !== undefined) count += count === 0 ? 1 : -1;
  const training = new Uint32Array(size - count);
  const validation = new Uint32Array(count);
  let [trained, validated] = [0, 0];
  for (let sample = 0; sample < size; sample++) {
    const isValidation = draws[sample]! < share !== (sample === moved);
    if (isValidation) validation[validated++] = sample;
    else training[trained++] = sample;
  }
  return { training, validation };
}
