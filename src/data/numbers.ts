/**
 * What is a number in a table, and what is a missing value: the same for a table and for the raw rows of a
 * saved model.
 */
import { missingMarkers } from "../array/schema.ts";

export { missingMarkers } from "../array/schema.ts";

/** The largest number that float32 holds. */
export const largestFloat32 = 3.4028234663852886e38;

/**
 * The number that a text says in decimal form ("7", "-0.5", ".5", "6.", "1e-3"; blanks around it do no harm),
 * or undefined where it says none: hexadecimal, Infinity, 1_000, 1,000 and 12% are none, and neither is what
 * float32 cannot hold. decimal: what stands in front of decimals; with a comma, a text with a point is none.
 */
export function parseNumber(given: string, decimal?: ","): number | undefined {
  if (decimal === "," && given.includes(".")) return undefined;
  const text = decimal === "," ? given.replace(",", ".") : given;
  if (!pattern.test(text) && !pattern.test(trimBlanks(text))) return undefined;
  const number = Number(text);
  return Math.abs(number) <= largestFloat32 ? number : undefined;
}

/** The text without the blanks around it: Unicode's spaces, but no tab and no line end, as the database trims. */
export function trimBlanks(text: string): string {
  const [first, last] = [text.charCodeAt(0), text.charCodeAt(text.length - 1)];
  if (isPrintable(first) && isPrintable(last)) return text; // nearly always
  return text.replace(/^\p{Zs}+|\p{Zs}+$/gu, "");
}

/** True for a trimmed text that stands for a missing value. */
export function isMissing(trimmed: string): boolean {
  return trimmed.length <= longestMarker && markers.has(trimmed.toLowerCase());
}

/** The trimmed text, or null where it stands for a missing value: what a cell of a table is. */
export function cellOf(text: string): string | null {
  const trimmed = trimBlanks(text);
  return isMissing(trimmed) ? null : trimmed;
}

/** Between the blank and the first character that Unicode added to ASCII. */
const isPrintable = (code: number) => code > 0x20 && code < 0x80;

/**
 * Anchored; JavaScript's Number takes 0x10 and Infinity too. Tabs and line ends around it are skipped, as by
 * the database.
 */
const pattern = /^[\t-\r ]*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?[\t-\r ]*$/i;

const markers: ReadonlySet<string> = new Set(missingMarkers.map((marker) => marker.toLowerCase()));
const longestMarker = Math.max(...missingMarkers.map((marker) => marker.length));
