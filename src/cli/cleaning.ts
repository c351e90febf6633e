/** The flags of train and profile that say what is left out of a table, and what is filled in. */
import { InvalidArgumentError, Option } from "commander";
import { cellOf } from "../data/numbers.ts";
import type { Cleaning, MissingPolicy, OutlierLimits } from "../data/table/table.ts";
import { fail } from "../errors.ts";
import { repeated, wholeNumber } from "./options.ts";

export interface CleaningFlags {
  readonly skipBadRows?: number;
  readonly dropMissing?: readonly string[];
  readonly fill?: Readonly<Record<string, string>>;
  readonly withoutIndicator?: readonly string[];
  readonly dropOutliers?: Readonly<Record<string, OutlierLimits>>;
  readonly dropDuplicates?: boolean;
  readonly rare?: number;
}

/** As they are typed. */
export const cleaningFlags: Readonly<Record<keyof CleaningFlags, string>> = {
  skipBadRows: "--skip-bad-rows",
  dropMissing: "--drop-missing",
  fill: "--fill",
  withoutIndicator: "--without-indicator",
  dropOutliers: "--drop-outliers",
  dropDuplicates: "--drop-duplicates",
  rare: "--rare",
};

/** In the order of the help. */
export function cleaningOptions(): Option[] {
  return [
    new Option(
      "--skip-bad-rows <n | share>",
      "leave out rows that cannot be read, at most so many lines or that share of them (default: stop at the first)",
    ).argParser(linesOrShare),
    new Option("--drop-missing <column>", "leave out rows without a value there; may be repeated").argParser(
      repeated,
    ),
    new Option(
      "--fill <column=value>",
      'what stands in for missing values, fitted in training and kept in the model: "age=median" (or mean, mode), "age=0", "city=mode", "city=unknown"; may be repeated',
    ).argParser(fills),
    new Option(
      "--without-indicator <column>",
      "leave out the feature that tells where --fill has filled a column; may be repeated",
    ).argParser(repeated),
    new Option(
      "--drop-outliers <column=limits>",
      'leave out rows far from the others: "price=4" deviations, "price=0.01..0.99" quantiles; may be repeated',
    ).argParser(outliers),
    new Option("--drop-duplicates", "leave out rows that are the same as an earlier one"),
    new Option("--rare <n>", "take categories of fewer rows for one (default: of none)").argParser(
      wholeNumber(1),
    ),
  ];
}

/** What the flags ask of a table, or nothing. */
export function cleaningOf(flags: CleaningFlags): { readonly clean?: Cleaning } {
  const { skipBadRows, dropOutliers, dropDuplicates, rare } = flags;
  const missing = missingOf(flags);
  const clean: Cleaning = {
    ...(skipBadRows !== undefined && { badRows: { skip: skipBadRows } }),
    ...(Object.keys(missing).length > 0 && { missing }),
    ...(dropOutliers !== undefined && { outliers: dropOutliers }),
    ...(dropDuplicates === true && { duplicates: "drop" }),
    ...(rare !== undefined && { rareCategories: { atLeast: rare } }),
  };
  return Object.keys(clean).length === 0 ? {} : { clean };
}

/** Throws where flags say two things of one column, or leave out a mark that there is none of. */
function missingOf({
  dropMissing = [],
  fill = {},
  withoutIndicator = [],
}: CleaningFlags): Readonly<Record<string, MissingPolicy>> {
  const twice = dropMissing.find((name) => Object.hasOwn(fill, name));
  if (twice !== undefined) {
    fail("--drop-missing", {
      expected: "columns that --fill does not fill",
      got: `"${twice}", filled with ${fill[twice]}`,
      fix: "keep one of both",
    });
  }
  const unfilled = withoutIndicator.find((name) => !Object.hasOwn(fill, name));
  if (unfilled !== undefined) {
    fail("--without-indicator", {
      expected: "columns that --fill fills",
      got: `"${unfilled}"`,
      fix: `add --fill "${unfilled}=mode", or leave it out`,
    });
  }
  return Object.fromEntries([
    ...dropMissing.map((name) => [name, "drop"] as const),
    ...Object.entries(fill).map(([name, value]) => {
      const isUnmarked = withoutIndicator.includes(name);
      return [name, { fill: value, ...(isUnmarked && { indicator: false }) }] as const;
    }),
  ]);
}

/** Of a file of its own to validate or test on: only what cannot be read is left out. */
export function cleaningOfSecond({ skipBadRows }: CleaningFlags): { readonly clean?: Cleaning } {
  return skipBadRows === undefined ? {} : cleaningOf({ skipBadRows });
}

function linesOrShare(text: string): number {
  const value = Number(text);
  const isShare = value > 0 && value < 1;
  if (text.trim() !== "" && (isShare || (Number.isSafeInteger(value) && value >= 1))) return value;
  throw new InvalidArgumentError(
    "Expected a whole number of lines from 1 on, or a share above 0 and below 1.",
  );
}

/** Collects "age=median" under its column. The library knows whether it is a number. */
function fills(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.lastIndexOf("=");
  const [column, value] = [text.slice(0, at), text.slice(at + 1)];
  if (at < 1 || cellOf(value) !== value) {
    throw new InvalidArgumentError(
      'Expected a column and what fills it: "age=median" (or mean, mode), "age=0", or "city=unknown".',
    );
  }
  if (Object.hasOwn(before, column)) throw new InvalidArgumentError(`"${column}" is filled already.`);
  return { ...before, [column]: value };
}

/** Collects "price=4" and "price=0.01..0.99" under their columns. */
function outliers(
  text: string,
  before: Readonly<Record<string, OutlierLimits>> = {},
): Record<string, OutlierLimits> {
  const at = text.lastIndexOf("=");
  const column = text.slice(0, at);
  const numbers = text
    .slice(at + 1)
    .split("..")
    .map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  const [low, high] = numbers;
  const limits: OutlierLimits | undefined =
    numbers.length === 1 && low! > 0 && Number.isFinite(low)
      ? { deviations: low! }
      : numbers.length === 2 && low! >= 0 && low! < high! && high! <= 1
        ? { quantiles: [low!, high!] }
        : undefined;
  if (at < 1 || limits === undefined) {
    throw new InvalidArgumentError(
      'Expected a column and how far its numbers may lie: "price=4" deviations from the mean, or "price=0.01..0.99" quantiles.',
    );
  }
  if (Object.hasOwn(before, column)) throw new InvalidArgumentError(`"${column}" has limits already.`);
  return { ...before, [column]: limits };
}
