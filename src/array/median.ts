/** The median of at least one number; of an even count the larger of the two in the middle, which was measured too. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
