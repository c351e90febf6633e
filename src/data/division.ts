/** The division of samples, or groups of them, into parts: by one draw each, and so that no part lacks what it must have. */

/** A part gets the samples whose draw lies in [from, to). The intervals of all parts make up [0, 1). */
export interface PartInterval {
  readonly from: number;
  readonly to: number;
}

/** What to divide, and how. */
export interface DivisionOptions {
  /** One number in [0, 1) per sample. */
  readonly draws: Float64Array;
  /** The first part is the one that must never lack a class: training. */
  readonly parts: readonly PartInterval[];
  /** One number per sample. */
  readonly classes?: ArrayLike<number>;
}

/**
 * The number of each sample's part. A sample goes where its draw falls. Then a class that the first part lacks gives it a
 * sample, a class with at least as many samples as there are parts gives every part one, and so does the whole.
 */
export function divide({ draws, parts, classes }: DivisionOptions): Uint8Array {
  const size = draws.length;
  const chosen = new Uint8Array(size);
  for (let sample = 0; sample < size; sample++) {
    const drawn = draws[sample]!;
    chosen[sample] = parts.findIndex(({ from, to }) => drawn >= from && drawn < to);
  }
  const all = parts.map((_, part) => part);
  if (classes !== undefined) {
    for (const members of lackingClasses(chosen, classes, parts.length)) {
      fill(members, members.length < parts.length ? [0] : all, { draws, chosen, parts });
    }
  }
  const everyone = { length: size, at: (index: number) => index };
  fill(everyone, all, { draws, chosen, parts, ...(classes !== undefined && { classes }) });
  return chosen;
}

/** The samples of each class that some part lacks. */
function lackingClasses(chosen: Uint8Array, classes: ArrayLike<number>, parts: number): number[][] {
  const seen = new Map<number, number>(); // the parts that have the class, as bits
  for (let sample = 0; sample < chosen.length; sample++) {
    const found = classes[sample]!;
    seen.set(found, (seen.get(found) ?? 0) | (1 << chosen[sample]!));
  }
  const members = new Map<number, number[]>();
  for (const [found, bits] of seen) if (bits !== (1 << parts) - 1) members.set(found, []);
  if (members.size > 0) {
    for (let sample = 0; sample < chosen.length; sample++) members.get(classes[sample]!)?.push(sample);
  }
  return [...members.values()];
}

/** Samples by position. */
interface Members {
  readonly length: number;
  at(index: number): number | undefined;
}

/** A division under way. */
interface Division {
  readonly draws: Float64Array;
  readonly chosen: Uint8Array;
  readonly parts: readonly PartInterval[];
  /** Classes that the first part should not lose. */
  readonly classes?: ArrayLike<number>;
}

/**
 * Moves a sample to every wanted part that has none of the members: the one that was drawn nearest to it, the earlier of
 * equally near ones. What must have a member keeps one.
 */
function fill(members: Members, wanted: readonly number[], division: Division): void {
  const { chosen, parts, classes } = division;
  for (const part of wanted) {
    const counts = parts.map(() => 0);
    for (let index = 0; index < members.length; index++) counts[chosen[members.at(index)!]!]!++;
    if (counts[part]! > 0) continue;
    const mayGive = (sample: number) => counts[chosen[sample]!]! > (wanted.includes(chosen[sample]!) ? 1 : 0);
    const isAlone = classes === undefined ? () => false : lonely(chosen, classes);
    const nearest =
      nearestTo(part, members, division, (sample) => mayGive(sample) && !isAlone(sample)) ??
      nearestTo(part, members, division, mayGive);
    if (nearest !== undefined) chosen[nearest] = part;
  }
}

/** Says of a sample whether it is the only one of its class in the first part. */
function lonely(chosen: Uint8Array, classes: ArrayLike<number>): (sample: number) => boolean {
  const counts = new Map<number, number>();
  for (let sample = 0; sample < chosen.length; sample++) {
    if (chosen[sample] === 0) counts.set(classes[sample]!, (counts.get(classes[sample]!) ?? 0) + 1);
  }
  return (sample) => chosen[sample] === 0 && counts.get(classes[sample]!) === 1;
}

function nearestTo(
  part: number,
  members: Members,
  { draws, parts }: Division,
  mayGive: (sample: number) => boolean,
): number | undefined {
  const { from, to } = parts[part]!;
  let nearest: number | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (let index = 0; index < members.length; index++) {
    const sample = members.at(index)!;
    const drawn = draws[sample]!;
    const distance = drawn < from ? from - drawn : drawn - to;
    if (distance >= least || !mayGive(sample)) continue;
    nearest = sample;
    least = distance;
  }
  return nearest;
}
