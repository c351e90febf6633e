/** What is told of the flaws of CSV text: what a scan expected, what came, and what to do about it. */
import type { Proof } from "../../../errors.ts";
import { type Dialect, encodingWords, quotesOf } from "./csv-dialect.ts";
import { halfCharacter } from "./csv-text.ts";

/** How lines end, as an error shows it, and as the database takes it. */
export type LineEnd = "\\n" | "\\r\\n" | "\\r";

/**
 * A byte that UTF-8 does not have; in a text that was not UTF-8, what stands for half a character (see
 * csv-text.ts).
 */
export function wrongByte(encoding: NonNullable<Dialect["encoding"]>, value: number): Proof {
  const expected = `CSV text in ${encodingWords[encoding]}`;
  if (encoding === "utf-8") {
    return {
      expected,
      got: `the byte 0x${value.toString(16).toUpperCase()} where UTF-8 has none`,
      fix: 'if it is Latin-1, dialect: { encoding: "latin1" }; else save it as UTF-8',
    };
  }
  const isHalf = value === halfCharacter;
  return {
    expected,
    got: isHalf ? "half a character at the end" : "one of two surrogates without the other",
    fix: isHalf ? "check that the file was written to its end" : "save it again, from what it was made of",
  };
}

/** Too many fields or too few. */
export function wrongFields(fields: number, columns: number, { names }: Dialect): Proof {
  return {
    expected: `${columns} fields, ${names === undefined ? "as in the header" : "one for each name"}`,
    got: String(fields),
    fix:
      fields > columns
        ? "quote fields that contain the delimiter"
        : "add what is missing, or remove the line",
  };
}

export function mixedLineEnds(first: LineEnd, other: LineEnd): Proof {
  return {
    expected: `the line end ${first}, as in line 1`,
    got: other,
    fix: "save the file with one kind of line end (dos2unix)",
  };
}

export const zeroByte = (encoding: NonNullable<Dialect["encoding"]>): Proof => ({
  expected: `CSV text in ${encodingWords[encoding]}`,
  got: "a zero byte",
  fix: `check that the file is text${encoding === "utf-8" ? '; if it is UTF-16, dialect: { encoding: "utf-16" }' : ""}`,
});

export const textBehindQuote = (dialect: Dialect): Proof => ({
  expected: "the delimiter or the end of the line behind a closing quote",
  got: "more text",
  fix: `write ${escapedQuote(dialect)} for a quote inside a quoted field; ${otherQuotes(dialect)}`,
});

export const unclosedQuote = (dialect: Dialect): Proof => ({
  expected: "a second quote that closes the field opened in this line",
  got: "the end of the file",
  fix: `close the field, or write ${escapedQuote(dialect)} for a quote inside it; ${otherQuotes(dialect)}`,
});

function escapedQuote(dialect: Dialect): string {
  const { quote, escaping } = quotesOf(dialect);
  return `${escaping}${quote}`;
}

/** What else it may be: quotes that mean nothing, and backslashes that mean something. */
function otherQuotes(dialect: Dialect): string {
  const hasBackslashes = dialect.escape === "\\";
  return `if quotes are text, dialect: { quote: "" }${hasBackslashes ? "" : '; if \\" is one, dialect: { escape: "\\\\" }'}`;
}
