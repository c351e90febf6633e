/**
 * How a CSV file is written: what stands between fields, around them, in front of comments and of decimals,
 * and its encoding. What nobody says is what RFC 4180 has, but for the delimiter, which the header shows.
 */
import { fail, kindOf } from "../../../errors.ts";

/** How a CSV file is written, as far as that is said. */
export interface Dialect {
  /**
   * What stands between fields: one character of ASCII that is no letter, digit, quote or line end. Default:
   * the one of comma, tab, semicolon and bar that the header has most of.
   */
  readonly delimiter?: string;
  /**
   * What stands around fields that hold a delimiter or a line end; "" where nothing does, and quotes are
   * text. Default '"'.
   */
  readonly quote?: '"' | "'" | "";
  /**
   * What stands in front of a quote inside quotes. Behind a backslash every character stands for itself, also
   * n: "\n" is "n". Default: the quote itself, so that two of them are one.
   */
  readonly escape?: '"' | "'" | "\\";
  /** The columns of a file without a header line; "" for one to leave out. Default: the first record has the names. */
  readonly names?: readonly string[];
  /** Lines that begin with this character are left out, and so are empty ones in front of the header. Default: none. */
  readonly comment?: string;
  /**
   * What stands in front of the decimals. With a comma, 1.5 is no number: the point may stand between
   * thousands. Default ".".
   */
  readonly decimal?: "." | ",";
  /**
   * How characters are bytes. "latin1" is Windows-1252, as everywhere on the web; "utf-16" goes by its byte
   * order mark, and is little endian without one. Default "utf-8".
   */
  readonly encoding?: "utf-8" | "latin1" | "utf-16";
}

/** Throws for a dialect that is none, or that says two things of one character. path: for errors. */
export function checkDialect(path: string, dialect: unknown): asserts dialect is Dialect {
  const where = `${path}, option dialect`;
  if (typeof dialect !== "object" || dialect === null || Array.isArray(dialect)) {
    fail(where, {
      expected: "how the file is written",
      got: kindOf(dialect),
      fix: 'for example { delimiter: ";", decimal: "," }',
    });
  }
  const given = Object.entries(dialect).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    if (!Object.hasOwn(kinds, name)) {
      const expected = `at most ${Object.keys(kinds).join(", ")}`;
      fail(where, { expected, got: `"${name}"`, fix: "rename or remove it" });
    }
    const [expected, holds] = kinds[name as keyof Dialect]; // it is one of them, see above
    if (!holds(value))
      fail(`${where}.${name}`, { expected, got: kindOf(value), fix: "correct it, or leave it out" });
  }
  const checked: Dialect = dialect; // see above
  checkEscape(where, checked);
  checkCharacters(where, checked);
  if (checked.names !== undefined) checkNames(`${where}.names`, checked.names);
}

/** A character of ASCII that is no letter, digit, quote or line end. */
const isSeparator = (value: unknown) =>
  typeof value === "string" &&
  value.length === 1 &&
  value > "\0" &&
  value < "\x7f" &&
  !/[A-Za-z0-9"'\n\r\v\f]/.test(value);
/** One that neither blanks nor numbers begin with. */
const isSign = (value: unknown) =>
  isSeparator(value) && /^[^+\-.,]$/.test(String(value)) && String(value) > " ";

const isOneOf = (values: readonly unknown[]) => (value: unknown) => values.includes(value);
const listed = (values: readonly string[]) =>
  `${values
    .slice(0, -1)
    .map((value) => JSON.stringify(value))
    .join(", ")} or ${JSON.stringify(values.at(-1))}`;
const oneOf = (values: readonly string[]) => [listed(values), isOneOf(values)] as const;

/** Typed by the options, so that one that is missing here does not compile. */
const kinds: Readonly<
  Record<keyof Dialect, readonly [expected: string, holds: (value: unknown) => boolean]>
> = {
  delimiter: [
    'one character of ASCII that is no letter, digit, quote or line end, such as ":" or "\\t"',
    isSeparator,
  ],
  quote: oneOf(['"', "'", ""]),
  escape: oneOf(['"', "'", "\\"]),
  names: [
    'the names of the columns, as in ["size", "price"]',
    (value) =>
      Array.isArray(value) && value.length > 0 && value.every((name: unknown) => typeof name === "string"),
  ],
  comment: ['one sign of ASCII that no number begins with, such as "#"', isSign],
  decimal: oneOf([".", ","]),
  encoding: oneOf(["utf-8", "latin1", "utf-16"]),
};

/** What stands around fields, and what in front of a quote inside them: "" for nothing. */
export function quotesOf({ quote = '"', escape: given }: Dialect): {
  readonly quote: string;
  readonly escaping: string;
} {
  return { quote, escaping: given ?? quote };
}

function checkEscape(where: string, dialect: Dialect): void {
  const { quote, escaping } = quotesOf(dialect);
  if (escaping === quote || (escaping === "\\" && quote !== "")) return;
  fail(`${where}.escape`, {
    expected:
      quote === "" ? "none, since nothing is quoted" : `${listed([quote, "\\"])}: the quote, or a backslash`,
    got: JSON.stringify(escaping),
    fix: "correct it, or leave it out",
  });
}

/** Each character says one thing. */
function checkCharacters(where: string, dialect: Dialect): void {
  const { quote = '"', decimal = "." } = dialect;
  const uses = Object.entries({ ...dialect, quote, decimal }).filter(
    ([name, value]) => characters.some((one) => one === name) && value !== undefined && value !== "",
  );
  for (const [index, [name, value]] of uses.entries()) {
    const [other] =
      uses.slice(0, index).find(([earlier, taken]) => taken === value && !isEscapedBy(earlier, name)) ?? [];
    if (other === undefined) continue;
    fail(where, {
      expected: "every character for one thing",
      got: `${JSON.stringify(value)} as ${other} and as ${name}`,
      fix:
        value === "."
          ? 'say decimal: "," if that is what numbers have, or correct it'
          : "correct one of them",
    });
  }
}

const characters = ["delimiter", "quote", "escape", "comment", "decimal"] as const;

/** A doubled quote is one. */
const isEscapedBy = (one: string, other: string) =>
  [one, other].every((name) => name === "quote" || name === "escape");

/** As in a header. */
function checkNames(where: string, names: readonly string[]): void {
  const twice = names.find((name, index) => name !== "" && names.indexOf(name) !== index);
  const untrimmed = names.find((name) => name.trim() !== name);
  if (twice === undefined && untrimmed === undefined && names.some((name) => name !== "")) return;
  fail(where, {
    expected:
      twice !== undefined
        ? "every column under a name of its own"
        : untrimmed !== undefined
          ? "names without blanks around them"
          : "at least one column with a name",
    got:
      twice !== undefined
        ? `${JSON.stringify(twice)} twice`
        : untrimmed !== undefined
          ? JSON.stringify(untrimmed)
          : "none",
    fix: twice !== undefined ? "rename one of them" : untrimmed !== undefined ? "remove them" : "name it",
  });
}

/**
 * What is not the default, for people: "decimal commas, Latin-1, no header line". delimiters: those of the
 * files, which may differ.
 */
export function dialectWords(delimiters: readonly string[], dialect: Dialect): string {
  const { names, comment, decimal, encoding = "utf-8" } = dialect;
  const { quote, escaping } = quotesOf(dialect);
  const separators = [...new Set(delimiters.map(delimiterWord))];
  return [
    `separated by ${separators.join(" and ")}`,
    ...(quote === '"' ? [] : [quote === "" ? "nothing quoted" : "single quotes"]),
    ...(escaping === quote ? [] : ["backslashes before quotes"]),
    ...(decimal === "," ? ["decimal commas"] : []),
    ...(comment === undefined ? [] : [`comments behind ${comment}`]),
    ...(encoding === "utf-8" ? [] : [encodingWords[encoding]]),
    ...(names === undefined ? [] : ["no header line"]),
  ].join(", ");
}

/** What errors and people call the encodings. */
export const encodingWords = {
  "utf-8": "UTF-8",
  latin1: "Latin-1",
  "utf-16": "UTF-16",
} as const satisfies Record<NonNullable<Dialect["encoding"]>, string>;

const delimiterWords: Readonly<Record<string, string>> = {
  ",": "commas",
  "\t": "tabs",
  ";": "semicolons",
  "|": "bars",
  ":": "colons",
  " ": "blanks",
};

const delimiterWord = (delimiter: string) =>
  Object.hasOwn(delimiterWords, delimiter) ? delimiterWords[delimiter]! : JSON.stringify(delimiter);
