/** A line of JSON as an object whose values are exactly those that are written. */
import { type Proof, shorten } from "../../errors.ts";

/** A value as JSON has them. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** What a line holds, or what is wrong with it. */
export type ParsedLine =
  | { readonly object: { readonly [key: string]: JsonValue }; readonly problem?: never }
  | { readonly object?: never; readonly problem: Proof };

/**
 * Reads a line. A whole number that JavaScript cannot hold exactly comes as its text. A line with a key twice is refused:
 * JSON does not say which of the two values counts.
 */
export function parseLine(text: string | null): ParsedLine {
  if (text === null) return problem("text in UTF-8", "other bytes", "save the file as UTF-8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return problem("a JSON object", shortened(text), "correct or remove the line");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const isWholeFile = Array.isArray(value) && value.some((item) => typeof item === "object");
    const fix = isWholeFile
      ? "write one object to a line: jq -c '.[]' array.json > lines.jsonl"
      : "correct or remove the line";
    return problem("a JSON object", shortened(text), fix);
  }
  const object = value as { readonly [key: string]: JsonValue }; // what JSON.parse gives for {…}
  const twice = keyTwice(text, object);
  if (twice !== undefined) return problem("every key once", `${twice} twice`, "remove one of them");
  return { object: Object.values(object).some(isRounded) ? withExactNumbers(text, object) : object };
}

function problem(expected: string, got: string, fix: string): ParsedLine {
  return { problem: { expected, got, fix } };
}

/** At most 60 characters of a line, as a text in quotes. */
function shortened(text: string): string {
  const trimmed = text.trim();
  return JSON.stringify(shorten(trimmed));
}

const isRounded = (value: JsonValue) => Number.isInteger(value) && !Number.isSafeInteger(value);

/** The texts of whole numbers that were rounded: as a name for something, 9007199254740993 is not 9007199254740992. */
function withExactNumbers(text: string, object: { readonly [key: string]: JsonValue }) {
  const found: { readonly holder: unknown; readonly key: string; readonly source: string }[] = [];
  // TypeScript does not know the third argument, which ECMAScript has by now.
  const reviver = function (
    this: unknown,
    key: string,
    value: JsonValue,
    { source }: { readonly source?: string },
  ) {
    if (isRounded(value) && source !== undefined) found.push({ holder: this, key, source });
    return value;
  } as (this: unknown, key: string, value: unknown) => unknown;
  const root: unknown = JSON.parse(text, reviver);
  // 1e300 is no name.
  const exact = found.filter(({ holder, source }) => holder === root && /^-?\d+$/.test(source));
  return Object.fromEntries([
    ...Object.entries(object),
    ...exact.map(({ key, source }) => [key, source] as const),
  ]);
}

/** The first key that comes twice at the top of a line's object, in quotes. */
function keyTwice(text: string, object: object): string | undefined {
  const keys = Object.keys(object).length;
  let colons = 0;
  for (let at = text.indexOf(":"); at >= 0; at = text.indexOf(":", at + 1)) colons++;
  if (colons === keys) return undefined; // nearly always: each belongs to a key
  const seen = new Set<unknown>();
  for (const written of topKeys(text, keys)) {
    const key: unknown = JSON.parse(written);
    if (seen.has(key)) return written;
    seen.add(key);
  }
  return undefined;
}

const [quote, colon, backslash] = ['"', ":", "\\"].map((character) => character.charCodeAt(0));
const [openBrace, closeBrace, openBracket, closeBracket] = [..."{}[]"].map((character) =>
  character.charCodeAt(0),
);

/** The keys of the outermost object as they are written, or none where there are as many as it has properties. */
function topKeys(text: string, properties: number): readonly string[] {
  const places: number[] = []; // where the texts in front of a colon begin, and where they end
  let [depth, start, end] = [0, 0, 0];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      start = at;
      do at = text.indexOf('"', at + 1);
      while (isEscaped(text, at));
      end = at + 1;
    } else if (code === openBrace || code === openBracket) depth++;
    else if (code === closeBrace || code === closeBracket) depth--;
    else if (code === colon && depth === 1) places.push(start, end);
  }
  if (places.length === 2 * properties) return [];
  return places.flatMap((place, index) => (index % 2 === 0 ? [text.slice(place, places[index + 1])] : []));
}

/** True behind an odd number of backslashes. */
function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text.charCodeAt(first - 1) === backslash) first--;
  return (at - first) % 2 === 1;
}
