/** What options of commands have in common: how their texts become values, and what the help says. */
import { InvalidArgumentError } from "commander";

/** Turns a text into a whole number of at least `smallest`. */
export function wholeNumber(smallest: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isSafeInteger(value) && value >= smallest) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${smallest} on.`);
  };
}

/** Turns a text into a number between the limits. */
export function number(limits: {
  readonly above: number;
  readonly below?: number;
}): (text: string) => number {
  const { above, below = Number.POSITIVE_INFINITY } = limits;
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && value > above && value < below) return value;
    throw new InvalidArgumentError(
      `Expected a number above ${above}${below === Number.POSITIVE_INFINITY ? "" : ` and below ${below}`}.`,
    );
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
