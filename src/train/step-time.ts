/** How long a step takes: from the time of one microbatch alone, on a crew of so many threads. */

/** What a step is made of, whatever the microbatch size. */
export interface StepParts {
  readonly batchSize: number;
  readonly lanes: number;
  readonly workers: number;
  /** Of adding one sum of gradients to another. */
  readonly mergeSeconds: number;
}

/** A microbatch's size, and how long it took on one thread. */
export interface TimedSize {
  readonly size: number;
  readonly seconds: number;
}

/** What several threads spend on one another in a step, measured: they are woken, and told of what has been finished. */
const handoverSeconds = 30e-6;

/**
 * What all threads spend on the total and update of a batch that only one of them has summed, as a part of what adding a sum
 * takes: nothing is added, but what one has written the others read. Measured.
 */
const oneSumForAll = 2 / 3;

/**
 * Seconds of a step's sum of gradients. Threads take whole lanes, so the one that is busiest has ⌈lanes / threads⌉ of them; every
 * microbatch but a thread's first is followed by a pass over the sums, be it into its lane's sum or of two lanes into one; where
 * there are several threads, so is the last. The update is left out: it is the same for all sizes.
 */
export function stepSeconds(
  { batchSize, lanes, workers, mergeSeconds }: StepParts,
  timed: TimedSize,
): number {
  const microbatches = Math.ceil(batchSize / timed.size);
  const busy = Math.min(lanes, microbatches);
  const threads = Math.min(workers, busy);
  const inTurn = Math.ceil(busy / threads) * Math.ceil(microbatches / busy);
  const total = workers === 1 ? 0 : busy > 1 ? 1 : oneSumForAll;
  const merges = inTurn - 1 + total;
  return inTurn * timed.seconds + merges * mergeSeconds + (workers > 1 ? handoverSeconds : 0);
}

/**
 * How long a microbatch takes of a size that lies among timed ones (two or three, smallest first): the seconds per sample, as a
 * parabola over the logarithm of the size, or a line through two. Time per sample falls and rises smoothly with it.
 */
export function secondsBetween(timed: readonly TimedSize[], size: number): number {
  const at = Math.log(size);
  const perSample = timed.reduce((sum, one) => {
    const weight = timed.reduce((product, other) => {
      if (other === one) return product;
      return (product * (at - Math.log(other.size))) / (Math.log(one.size) - Math.log(other.size));
    }, 1);
    return sum + (weight * one.seconds) / one.size;
  }, 0);
  return size * perSample;
}
