/**
 * The header of a CSV file: its delimiter and the names of its columns.
 * Source: RFC 4180, and for the delimiter also tab, semicolon and bar.
 */
import { fail } from "../../errors.ts";
import type { OpenedTable } from "./format.ts";

/** What the first record says. */
export interface CsvHeader {
  readonly delimiter: Delimiter;
  /** Trimmed; "" where the header has no name for a column. */
  readonly names: readonly string[];
}

/** What may stand between fields. */
export type Delimiter = "," | "\t" | ";" | "|";

const delimiters: readonly Delimiter[] = [",", "\t", ";", "|"];

/**
 * Reads the header from the beginning of a file, which must hold the whole first record. The delimiter is the one that
 * gives this record most fields (the earliest of comma, tab, semicolon, bar at a tie): guessing it from the data, as
 * databases do, lets one damaged line change how the whole file is read.
 * Throws when the file is empty or no text, when a name comes twice, and when all names
 * are numbers, which means that there is no header.
 */
export function readHeader(path: string, beginning: Uint8Array): CsvHeader {
  refuseBinary(path, beginning);
  const text = new TextDecoder().decode(beginning); // drops a byte order mark
  if (/^\s*$/.test(text) || /^[\r\n]/.test(text)) {
    fail(path, {
      expected: "a header line with the names of the columns",
      got: text.trim() === "" ? "an empty file" : "an empty first line",
      fix: text.trim() === "" ? "check that the file was written" : "remove the empty line",
    });
  }
  const readings = delimiters.map((delimiter) => firstRecord(text, delimiter));
  const most = Math.max(...readings.map((fields) => fields.length));
  const chosen = readings.findIndex((fields) => fields.length === most);
  const names = readings[chosen]!;
  checkNames(path, names);
  return { delimiter: delimiters[chosen]!, names };
}

/** Throws for a single column: most often another delimiter, and never enough to learn from. */
export function requireSeveralColumns({ name, columns }: Pick<OpenedTable, "name" | "columns">): void {
  if (columns.length > 1) return;
  fail(name, {
    expected: "at least two columns, separated by comma, tab, semicolon or bar",
    got: `one column, "${shorten(columns[0]!)}"`,
    fix: "add a column: a table needs a target and at least one feature",
  });
}

/** The fields of the first record, trimmed. A quote opens a field only at its beginning; elsewhere it is text. */
function firstRecord(text: string, delimiter: Delimiter): string[] {
  const fields: string[] = [];
  let field = "";
  let state: "start" | "plain" | "quoted" | "quote" = "start";
  for (const character of text) {
    if (state === "quoted") {
      if (character === '"') state = "quote";
      else field += character;
    } else if (character === "\n" || character === "\r") {
      break;
    } else if (character === delimiter) {
      fields.push(field);
      field = "";
      state = "start";
    } else if (character === '"' && state !== "plain") {
      field = state === "quote" ? `${field}"` : ""; // two quotes are one; blanks before the first are none
      state = "quoted";
    } else {
      if (character !== " ") state = "plain";
      field += character;
    }
  }
  return [...fields, field].map((value) => value.trim());
}

function checkNames(path: string, names: readonly string[]): void {
  const twice = names.findIndex((name, index) => name !== "" && names.indexOf(name) !== index);
  if (twice >= 0) {
    fail(path, {
      expected: "every column under a name of its own",
      got: `"${names[twice]}" as columns ${names.indexOf(names[twice]!) + 1} and ${twice + 1}`,
      fix: "rename one of them in the first line",
    });
  }
  if (names.every((name) => name === "" || Number.isFinite(Number(name)))) {
    fail(path, {
      expected: "a header line with the names of the columns",
      got: `numbers only: ${shorten(names.join(", "))}`,
      fix: "put a line with names in front",
    });
  }
}

/** Tells compressed, columnar and UTF-16 files by their first bytes. */
function refuseBinary(path: string, bytes: Uint8Array): void {
  const kind = binaryKinds.find(({ prefixes }) =>
    prefixes.some((prefix) => prefix.every((value, index) => bytes[index] === value)),
  );
  if (kind === undefined) return;
  fail(path, { expected: "CSV text in UTF-8", got: kind.got, fix: kind.fix.replace("PATH", () => path) });
}

const binaryKinds = [
  {
    prefixes: [
      [0x1f, 0x8b], // gzip
      [0x28, 0xb5, 0x2f, 0xfd], // zstd
      [0x50, 0x4b, 3, 4], // zip
    ],
    got: "a compressed file",
    fix: "unpack it first",
  },
  { prefixes: [[0x50, 0x41, 0x52, 0x31]], got: "a Parquet file", fix: "export it as CSV" },
  {
    prefixes: [
      [0xff, 0xfe],
      [0xfe, 0xff],
    ],
    got: "UTF-16 text",
    fix: "save it as UTF-8: iconv -f UTF-16 -t UTF-8 PATH",
  },
];

/** At most 60 characters of a text, for an error. */
function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
