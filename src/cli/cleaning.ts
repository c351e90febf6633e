/** The flags of train and profile that say what is left out of a table. */
import { InvalidArgumentError, Option } from "commander";
import type { Cleaning, OutlierLimits } from "../data/table/table.ts";
import { repeated, wholeNumber } from "./options.ts";

export interface CleaningFlags {
  readonly skipBadRows?: number;
  readonly dropMissing?: readonly string[];
  readonly dropOutliers?: Readonly<Record<string, OutlierLimits>>;
  readonly dropDuplicates?: boolean;
  readonly rare?: number;
}

/** As they are typed. */
export const cleaningFlags: Readonly<Record<keyof CleaningFlags, string>> = {
  skipBadRows: "--skip-bad-rows",
  dropMissing: "--drop-missing",
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
  const { skipBadRows, dropMissing, dropOutliers, dropDuplicates, rare } = flags;
  const clean: Cleaning = {
    ...(skipBadRows !== undefined && { badRows: { skip: skipBadRows } }),
    ...(dropMissing !== undefined && {
      missing: Object.fromEntries(dropMissing.map((name) => [name, "drop"] as const)),
    }),
    ...(dropOutliers !== undefined && { outliers: dropOutliers }),
    ...(dropDuplicates === true && { duplicates: "drop" }),
    ...(rare !== undefined && { rareCategories: { atLeast: rare } }),
  };
  return Object.keys(clean).length === 0 ? {} : { clean };
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
