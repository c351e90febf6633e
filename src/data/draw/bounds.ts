/** What no order takes: positions outside of its epoch, and samples that are not those it was made from. */
import { fail } from "../../errors.ts";

/** Throws for a position that is not in an epoch of `length`. */
export function requirePosition(position: number, length: number): void {
  if (!(Number.isInteger(position) && position >= 0 && position < length)) outsideEpoch(position, length);
}

/** Throws. */
export function outsideEpoch(position: number, length: number): never {
  return fail("epoch order", {
    expected: `positions from 0 to ${length - 1}`,
    got: String(position),
    fix: "start the next epoch there",
  });
}

/** Throws where a sampler that was made from the classes or weights of some samples is to draw from other ones. */
export function requireSize(where: string, made: number, size: number): void {
  if (made === size) return;
  fail(where, {
    expected: `to draw from the ${made} samples it was made from`,
    got: `${size} samples`,
    fix: "make it from the dataset that the plan trains on",
  });
}
