/** A dataset's columns from its first sample to its last, some thousand samples at a time: it may be larger than memory. */
import type { Dataset } from "../dataset.ts";
import { withWeight } from "../samples.ts";

/** The part of a dataset that a sweep reads. */
export type Swept = Pick<Dataset, "size" | "columns" | "read" | "weight">;

/** Samples that are read at once: 64 KiB of each column. */
const samplesAtOnce = 2 ** 14;

/** What is shown of a column at once: its values, and the samples' weights where there are any. Both are overwritten later. */
export type Show = (values: Float32Array | Int32Array, weights: Float32Array | undefined) => void;

/**
 * Shows all columns of some samples before the next samples: a sample on a disk is read once per sweep. Samples of weight 0
 * are left out. Gives how many samples have been shown.
 */
export async function sweep(data: Swept, columns: ReadonlyMap<string, Show>): Promise<number> {
  const floats = new Float32Array(samplesAtOnce);
  const codes = new Int32Array(samplesAtOnce);
  let shown = 0;
  for (let first = 0; first < data.size; first += samplesAtOnce) {
    const length = Math.min(samplesAtOnce, data.size - first);
    const samples = await withWeight(
      data,
      Uint32Array.from({ length }, (_, at) => first + at),
    );
    const weights = data.weight === undefined ? undefined : new Float32Array(samples.length);
    if (data.weight !== undefined && weights !== undefined) await data.read(data.weight, samples, weights);
    for (const [name, show] of columns) {
      const into = data.columns[name]?.dtype === "float32" ? floats : codes;
      await data.read(name, samples, into);
      show(into.subarray(0, samples.length), weights);
    }
    shown += samples.length;
  }
  return shown;
}
