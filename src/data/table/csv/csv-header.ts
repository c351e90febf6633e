/**
 * The header of a CSV file: its delimiter and the names of its columns.
 * Source: RFC 4180, and for the delimiter also tab, semicolon and bar.
 */
import { fail, shorten } from "../../../errors.ts";
import { type Dialect, quotesOf } from "./csv-dialect.ts";

/** What the first record says, or the dialect in its place. */
export interface CsvHeader {
  readonly delimiter: string;
  /** Trimmed; "" where a column has no name. */
  readonly names: readonly string[];
}

const delimiters: readonly string[] = [",", "\t", ";", "|"];

/**
 * Reads the header from the beginning of a file, which must hold the whole first record. The delimiter, where
 * the dialect does not say it, is the one that gives this record most fields (the earliest of comma, tab,
 * semicolon, bar at a tie), or as many as there are names: guessing it from the data, as databases do, lets
 * one damaged line change how the whole file is read.
 * Throws when the file is empty, when a name comes twice, when all names are numbers, which means that there
 * is no header, and when the first record does not have as many fields as the dialect has names.
 */
export function readHeader(path: string, beginning: Uint8Array, dialect: Dialect = {}): CsvHeader {
  const whole = new TextDecoder().decode(beginning); // drops a byte order mark
  const text = behindComments(whole, dialect.comment);
  const { names: given } = dialect;
  if (text.trim() === "") {
    fail(path, {
      expected: given === undefined ? "a header line with the names of the columns" : "lines of values",
      got: whole.trim() === "" ? "an empty file" : "nothing but comments",
      fix: "check that the file was written",
    });
  }
  if (given !== undefined) return givenHeader(path, text.replace(/^[\r\n]+/, ""), given, dialect);
  if (/^[\r\n]/.test(text)) {
    const expected = "a header line with the names of the columns";
    fail(path, { expected, got: "an empty first line", fix: "remove the empty line" });
  }
  if (/^sep=.?[\r\n]/.test(text)) {
    const expected = "a header line with the names of the columns";
    fail(path, { expected, got: `"${text.slice(0, 5).trim()}", a line for Excel`, fix: "remove that line" });
  }
  const readings = readingsOf(text, dialect);
  const most = Math.max(...readings.map(({ fields }) => fields.length));
  const { delimiter, fields: names } = readings.find(({ fields }) => fields.length === most)!;
  if (most === 1 && dialect.decimal === ",") refuseDecimals(path, text, dialect);
  checkNames(path, names, dialect);
  return { delimiter, names };
}

/** The header of a file that has none. text: begins with its first record. */
function givenHeader(path: string, text: string, names: readonly string[], dialect: Dialect): CsvHeader {
  const readings = readingsOf(text, dialect);
  const fitting = readings.find(({ fields }) => fields.length === names.length);
  if (fitting?.fields.every((field, index) => field === names[index])) {
    fail(`${path}, option dialect.names`, {
      expected: "a file without a header line",
      got: "the same names in its first line",
      fix: "leave names out",
    });
  }
  if (fitting !== undefined) return { delimiter: fitting.delimiter, names };
  const most = Math.max(...readings.map(({ fields }) => fields.length));
  return fail(`${path}, option dialect.names`, {
    expected: `as many names as the first line has fields, ${most}`,
    got: String(names.length),
    fix: 'name every column, "" for one to leave out',
  });
}

/** Throws for fields separated by commas, of which none would be left. */
function refuseDecimals(path: string, text: string, { delimiter, ...dialect }: Dialect): void {
  if (delimiter !== undefined || firstRecord(text, ",", dialect).length === 1) return;
  fail(`${path}, option dialect.decimal`, {
    expected: "fields that something else than commas separates",
    got: "commas between the names of the columns",
    fix: "leave decimal out, or name the delimiter",
  });
}

/** The first record by each delimiter that there may be. */
function readingsOf(
  text: string,
  dialect: Dialect,
): readonly { readonly delimiter: string; readonly fields: string[] }[] {
  const { delimiter: given, comment, decimal } = dialect;
  const possible =
    given === undefined ? delimiters.filter((one) => one !== comment && one !== decimal) : [given];
  return possible.map((delimiter) => ({ delimiter, fields: firstRecord(text, delimiter, dialect) }));
}

/** The text without comments and empty lines in front, where there may be comments. */
function behindComments(text: string, comment: string | undefined): string {
  if (comment === undefined) return text;
  const lineEnd = /[\r\n]+/g;
  let at = 0;
  while (at < text.length && (text[at] === comment || text[at] === "\n" || text[at] === "\r")) {
    lineEnd.lastIndex = at;
    at = lineEnd.exec(text) === null ? text.length : lineEnd.lastIndex;
  }
  return text.slice(at);
}

/**
 * Whether the beginning of a file is too short to hold the first record, all of it being comments, or all but less than
 * `enough` bytes.
 */
export function isAllComments(beginning: Uint8Array, comment: string | undefined, enough: number): boolean {
  if (comment === undefined) return false;
  return behindComments(new TextDecoder().decode(beginning), comment).length < enough;
}

/**
 * The fields of the first record, trimmed. A quote opens a field at its beginning, or behind one blank;
 * elsewhere it is text.
 */
function firstRecord(text: string, delimiter: string, dialect: Dialect): string[] {
  const { quote, escaping } = quotesOf(dialect);
  const fields: string[] = [];
  let field = "";
  let state: "start" | "blank" | "plain" | "quoted" | "escaped" | "quote" = "start";
  for (const character of text) {
    if (state === "escaped") {
      field += character;
      state = "quoted";
    } else if (state === "quoted") {
      if (character === quote) state = "quote";
      else if (character === escaping) state = "escaped";
      else field += character;
    } else if (character === "\n" || character === "\r") {
      break;
    } else if (character === delimiter) {
      fields.push(field);
      field = "";
      state = "start";
    } else if (character === quote && state !== "plain") {
      field = state === "quote" ? `${field}${quote}` : ""; // two quotes are one; a blank before the first is none
      state = "quoted";
    } else {
      state = state === "start" && character === " " ? "blank" : "plain";
      field += character;
    }
  }
  return [...fields, field].map((value) => value.trim());
}

function checkNames(path: string, names: readonly string[], { decimal }: Dialect): void {
  const twice = names.findIndex((name, index) => name !== "" && names.indexOf(name) !== index);
  if (twice >= 0) {
    fail(path, {
      expected: "every column under a name of its own",
      got: `"${names[twice]}" as columns ${names.indexOf(names[twice]!) + 1} and ${twice + 1}`,
      fix: "rename one of them in the first line",
    });
  }
  const isNumber = (name: string) => Number.isFinite(Number(decimal === "," ? name.replace(",", ".") : name));
  if (names.every((name) => name === "" || isNumber(name))) {
    fail(path, {
      expected: "a header line with the names of the columns",
      got: `numbers only: ${shorten(names.join(", "))}`,
      fix: 'put a line with names in front, or name the columns: dialect: { names: ["a", "b", …] }',
    });
  }
}
