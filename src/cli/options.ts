/** What options of commands have in common: how their texts become values, and what the help says. */
import { InvalidArgumentError } from "commander";

/** Turns a text into a whole number of at least `smallest` and at most `largest`. */
export function wholeNumber(smallest: number, largest = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    const isWhole = text.trim() !== "" && Number.isSafeInteger(value);
    if (isWhole && value >= smallest && value <= largest) return value;
    const range = largest < Number.MAX_SAFE_INTEGER ? `to ${largest}` : "on";
    throw new InvalidArgumentError(`Expected a whole number from ${smallest} ${range}.`);
  };
}

/** Turns a text into a number between the limits: `from` may be reached, `above` and `below` may not. */
export function number(limits: {
  readonly from?: number;
  readonly above?: number;
  readonly below?: number;
}): (text: string) => number {
  const { from, above, below } = limits;
  return (text) => {
    const value = Number(text);
    const isInside =
      value >= (from ?? Number.NEGATIVE_INFINITY) &&
      value > (above ?? Number.NEGATIVE_INFINITY) &&
      value < (below ?? Number.POSITIVE_INFINITY);
    if (text.trim() !== "" && isInside) return value;
    const parts = [
      from === undefined ? "" : `from ${from} on`,
      above === undefined ? "" : `above ${above}`,
      below === undefined ? "" : `below ${below}`,
    ];
    throw new InvalidArgumentError(`Expected a number ${parts.filter((part) => part !== "").join(" and ")}.`);
  };
}

/** Turns "64,64" into sizes and "none" into none. */
export function sizes(text: string): number[] {
  if (text === "none") return [];
  const values = text.split(",").map(Number);
  if (values.every((value) => Number.isSafeInteger(value) && value >= 1)) return values;
  throw new InvalidArgumentError("Expected sizes such as 64,64, or none for a linear model.");
}

/** Exit codes, as the help states them. */
export const exitCodes = { done: 0, runFailed: 1, badInput: 2 } as const;
