/** Samples by class: one list of all samples, in which those of a class lie together. */

/** The classes that occur, in ascending order of their codes, and their samples. */
export interface ClassMembers {
  /** How many samples each class has; never 0. */
  readonly counts: Uint32Array;
  /** Where the samples of each class begin in `samples`. */
  readonly starts: Uint32Array;
  /** All samples, class after class, ascending inside a class. */
  readonly samples: Uint32Array;
}

/** Groups samples by class. classes: one whole number per sample. Takes 4 bytes per sample. */
export function classMembers(classes: ArrayLike<number>): ClassMembers {
  const size = classes.length;
  const found = new Map<number, number>();
  for (let sample = 0; sample < size; sample++) {
    const code = classes[sample]!;
    found.set(code, (found.get(code) ?? 0) + 1);
  }
  const codes = [...found.keys()].sort((a, b) => a - b);
  const counts = Uint32Array.from(codes, (code) => found.get(code)!);
  const starts = new Uint32Array(codes.length);
  for (let index = 1; index < codes.length; index++) starts[index] = starts[index - 1]! + counts[index - 1]!;
  const next = new Map(codes.map((code, index) => [code, starts[index]!]));
  const samples = new Uint32Array(size);
  for (let sample = 0; sample < size; sample++) {
    const code = classes[sample]!;
    const place = next.get(code)!;
    samples[place] = sample;
    next.set(code, place + 1);
  }
  return { counts, starts, samples };
}
