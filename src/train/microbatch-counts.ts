/** How a batch is cut: in counts of equal microbatches that leave no thread without work while another has some. */

/**
 * The count after another: powers of two below the lanes, so that 2, 4 and 8 threads get equally many; then the lanes, twice as
 * many, and so on, so that lanes get equally many. (3 microbatches take as long on 2 threads as 4 of that size.)
 */
const nextCount = (count: number, lanes: number) => (count < lanes ? Math.min(2 * count, lanes) : 2 * count);

/** The samples of each of so many equal parts. */
const equalPart = (batchSize: number, count: number) => Math.ceil(batchSize / count);

/** The largest equal parts of at most so many samples, in such a count. */
export function evenPart(batchSize: number, most: number, lanes: number): number {
  let count = 1;
  while (equalPart(batchSize, count) > most) count = nextCount(count, lanes);
  return equalPart(batchSize, count);
}

/** All of them, smallest first; but none of one sample, which would be computed as two, unless the batch has no more. */
export function evenParts(batchSize: number, lanes: number): readonly number[] {
  const sizes = [batchSize];
  for (let count = nextCount(1, lanes); sizes[0]! > 2; count = nextCount(count, lanes)) {
    const size = equalPart(batchSize, count);
    if (size < sizes[0]!) sizes.unshift(size);
  }
  return sizes;
}
