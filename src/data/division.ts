/**
 * The division of samples, or groups of them, into parts: by one draw each, and so that no part lacks what it
 * must have.
 */

/** A part gets the samples whose draw lies in [from, to). The intervals of all parts make up [0, 1). */
export interface PartInterval {
  readonly from: number;
  readonly to: number;
}

/** What to divide, and how. */
export interface DivisionOptions {
  /** One number in [0, 1) per sample. */
  readonly draws: Float64Array;
  readonly parts: readonly PartInterval[];
  /** The number of the part that must never lack a class. Default: there is none. */
  readonly training?: number;
  /** One number per sample. */
  readonly classes?: ArrayLike<number>;
  /** Where each sample goes at first. Default: where its draw falls. */
  readonly first?: Uint8Array;
}

/**
 * The number of each sample's part. A sample goes where its draw falls, or `first` says. Then a class that
 * the training part lacks gives it a sample, a class with at least as many samples as there are parts gives
 * every part one, and so does the whole.
 */
export function divide({ draws, parts, training, classes, first }: DivisionOptions): Uint8Array {
  const size = draws.length;
  const chosen = first?.slice() ?? whereDrawn(draws, parts);
  const all = parts.map((_, part) => part);
  if (classes !== undefined) {
    for (const members of lackingClasses(chosen, classes, parts.length)) {
      const wanted = members.length >= parts.length ? all : training === undefined ? [] : [training];
      fill(members, wanted, { draws, chosen, parts });
    }
  }
  const everyone = { length: size, at: (index: number) => index };
  const kept = training !== undefined && classes !== undefined && { kept: { part: training, classes } };
  fill(everyone, all, { draws, chosen, parts, ...kept });
  return chosen;
}

function whereDrawn(draws: Float64Array, parts: readonly PartInterval[]): Uint8Array {
  const chosen = new Uint8Array(draws.length);
  for (let sample = 0; sample < chosen.length; sample++) {
    const drawn = draws[sample]!;
    chosen[sample] = parts.findIndex(({ from, to }) => drawn >= from && drawn < to);
  }
  return chosen;
}

/** The samples of each class that some part lacks. */
function lackingClasses(chosen: Uint8Array, classes: ArrayLike<number>, parts: number): number[][] {
  const seen = new Map<number, Set<number>>(); // the parts that have the class
  for (let sample = 0; sample < chosen.length; sample++) {
    const found = classes[sample]!;
    const known = seen.get(found);
    if (known === undefined) seen.set(found, new Set([chosen[sample]!]));
    else known.add(chosen[sample]!);
  }
  const members = new Map<number, number[]>();
  for (const [found, having] of seen) if (having.size < parts) members.set(found, []);
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

/** A part, and the classes of all samples. */
interface Kept {
  readonly part: number;
  readonly classes: ArrayLike<number>;
}

/** A division under way. */
interface Division {
  readonly draws: Float64Array;
  readonly chosen: Uint8Array;
  readonly parts: readonly PartInterval[];
  /** The part that should lose no class. */
  readonly kept?: Kept;
}

/**
 * Moves a sample to every wanted part that has none of the members: the one that was drawn nearest to it, the
 * earlier of equally near ones. What must have a member keeps one.
 */
function fill(members: Members, wanted: readonly number[], division: Division): void {
  const { chosen, parts, kept } = division;
  for (const part of wanted) {
    const counts = parts.map(() => 0);
    for (let index = 0; index < members.length; index++) counts[chosen[members.at(index)!]!]!++;
    if (counts[part]! > 0) continue;
    const mayGive = (sample: number) => counts[chosen[sample]!]! > (wanted.includes(chosen[sample]!) ? 1 : 0);
    const isAlone = kept === undefined ? () => false : lonely(chosen, kept);
    const nearest =
      nearestTo(part, members, division, (sample) => mayGive(sample) && !isAlone(sample)) ??
      nearestTo(part, members, division, mayGive);
    if (nearest !== undefined) chosen[nearest] = part;
  }
}

/** Says of a sample whether it is the only one of its class in the part. */
function lonely(chosen: Uint8Array, { part, classes }: Kept): (sample: number) => boolean {
  const counts = new Map<number, number>();
  for (let sample = 0; sample < chosen.length; sample++) {
    if (chosen[sample] === part) counts.set(classes[sample]!, (counts.get(classes[sample]!) ?? 0) + 1);
  }
  return (sample) => chosen[sample] === part && counts.get(classes[sample]!) === 1;
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
