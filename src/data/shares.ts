/** Shares: how much of the samples goes into which part, and the parts as samples. */
import { fail } from "../errors.ts";
import type { PartInterval } from "./division.ts";

/** Which part of the samples goes where. */
export interface ShareOptions {
  /** The probability of each sample to be in the validation part, in (0, 1). Default 0.2: one sample in five. */
  readonly validation?: number;
  /** The probability to be in the test part, in (0, 1). Default: there is none. Both together are below 1. */
  readonly test?: number;
  /** Another seed gives another division. Default 0. */
  readonly seed?: number;
}

/** What a split gives: the test part where it is asked for. */
export interface Split<Part> {
  readonly training: Part;
  readonly validation: Part;
  readonly test?: Part;
}

/** In the order training, validation, test. A draw below the share of validation is validation's, whatever else there is. */
export function partIntervals(
  where: string,
  { validation = 0.2, test }: Pick<ShareOptions, "validation" | "test">,
  size: number,
): PartInterval[] {
  requireShare(where, "validation", validation, size);
  if (test === undefined)
    return [
      { from: validation, to: 1 },
      { from: 0, to: validation },
    ];
  requireShare(where, "test", test, size);
  const judged = validation + test;
  if (!(judged < 1)) {
    fail(where, {
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

function requireShare(where: string, name: "validation" | "test", share: number, size: number): void {
  if (share > 0 && share < 1) return;
  const asShare = share > 1 && share < size ? Number((share / size).toPrecision(3)) : 0.2;
  fail(where, {
    expected: `${name} as a share between 0 and 1, both excluded`,
    got: String(share),
    fix: share > 1 && share < size ? `${name}: ${asShare}` : `for example ${name}: ${asShare}`,
  });
}

/** The samples of each of `parts` parts, ascending. chosen: the number of each sample's part. */
export function samplesOfParts(chosen: Uint8Array, parts: number): Uint32Array<ArrayBuffer>[] {
  const counts = new Uint32Array(parts);
  for (const part of chosen) counts[part]!++;
  const samples = Array.from(counts, (count) => new Uint32Array(count));
  const filled = new Uint32Array(parts);
  chosen.forEach((part, sample) => {
    samples[part]![filled[part]!++] = sample;
  });
  return samples;
}

/** The parts under their names. made: as many as there are, in the order training, validation, test. */
export function namedParts<Part>(made: readonly Part[]): Split<Part> {
  const [training, validation, test] = made;
  return { training: training!, validation: validation!, ...(test !== undefined && { test }) };
}
