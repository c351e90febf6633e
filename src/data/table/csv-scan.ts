/**
 * A scan of a CSV file for its records and their lines. The database reads the values; the scan makes sure that what it
 * reads is the whole file (a mixture of line ends, for one, can make it stop early without a word), and knows the line
 * of whatever is wrong. Source: RFC 4180.
 */
import { fail } from "../../errors.ts";
import type { CsvHeader } from "./csv-header.ts";

/** What a scan of the whole file gives. */
export interface CsvScan {
  /** Records below the header; empty lines are none. */
  readonly records: number;
  /** Bytes of the longest record. */
  readonly longest: number;
  /** How lines end outside quotes; undefined where no line has an end. */
  readonly lineEnd: LineEnd | undefined;
}

/** As an error shows them, and as the database takes them. */
export type LineEnd = "\\n" | "\\r\\n" | "\\r";

/** A running scan. */
export interface CsvScanner {
  /** The next bytes of the file. Throws at the first thing that is wrong with them, naming its line. */
  push(bytes: Uint8Array): void;
  /** Throws when the file ends inside quotes. */
  finish(): CsvScan;
  /** The line at which the wanted record starts, once it was seen. */
  readonly wantedLine: number | undefined;
}

/**
 * Scans for what a table cannot have: a record with too many or too few fields, text behind a closing quote, an unclosed
 * quote, zero bytes, bytes that are no UTF-8, and a mixture of line ends. Lines count from 1, as an editor shows them,
 * also behind fields that contain line ends. path: for errors. wanted: a record below the header, counted from 0, whose
 * line to find.
 */
export function scanCsv(path: string, header: CsvHeader, wanted?: number): CsvScanner {
  const delimiter = header.delimiter.charCodeAt(0);
  const columns = header.names.length;
  const kinds = Uint8Array.from({ length: 256 }, (_, value) => kindOf(value, delimiter));
  let state: State = start;
  let line = 1;
  let recordLine = 1;
  let quoteLine = 1;
  let records = -1; // the header is none
  let fields = 1;
  let size = 0; // bytes of the current record
  let longest = 0;
  let continuation = 0; // bytes that must still follow in a UTF-8 sequence
  let lead = 0; // the byte that began it
  let lineEnd: LineEnd | undefined;
  let isAfterReturn = false;
  let isFirst = true;
  let wantedLine: number | undefined;

  const closeRecord = () => {
    if (size > 0) {
      if (fields !== columns) wrongFields(path, recordLine, fields, columns);
      if (records === wanted) wantedLine = recordLine;
      records++;
      longest = Math.max(longest, size);
    }
    state = start;
    fields = 1;
    size = 0;
  };
  const endLine = (end: LineEnd) => {
    if (state === quoted) size++;
    else {
      lineEnd ??= end;
      if (lineEnd !== end) mixedLineEnds(path, line, lineEnd, end);
      closeRecord();
    }
    line++;
    if (state !== quoted) recordLine = line;
  };
  /** Whatever is neither text nor a delimiter in an open field. */
  const step = (value: number) => {
    if (isAfterReturn) {
      isAfterReturn = false;
      endLine(value === newline ? "\\r\\n" : "\\r");
      if (value === newline) return;
    }
    if (value >= 0x80 || continuation > 0) {
      const following = continuationAfter(value, continuation);
      if (following === undefined) notUtf8(path, line, continuation > 0 ? lead : value);
      if (continuation === 0) lead = value;
      continuation = following;
    }
    if (value === carriageReturn) isAfterReturn = true;
    else if (value === newline) endLine("\\n");
    else {
      if (value === 0) zeroByte(path, line);
      size++;
      if (state === quoted) state = value === quoteMark ? quote : quoted;
      else if (value === delimiter) {
        fields++;
        state = start;
      } else if (value === quoteMark && state !== plain && state !== after) {
        if (state === start) quoteLine = line;
        state = quoted;
      } else if (state === quote || state === after) {
        if (value !== space) textBehindQuote(path, line);
        state = after;
      } else if (value !== space) state = plain;
    }
  };
  return {
    push(bytes) {
      let at = isFirst && hasByteOrderMark(bytes) ? 3 : 0;
      isFirst = false;
      while (at < bytes.length) {
        // Nearly every byte is text or a delimiter in an open field; passing those here, with variables of this loop
        // alone, makes the scan several times as fast.
        if ((state === start || state === plain) && !isAfterReturn && continuation === 0) {
          const from = at;
          let separators = 0;
          let last = text;
          for (; at < bytes.length; at++) {
            const kind = kinds[bytes[at]!]!;
            if (kind === other) break;
            separators += kind;
            last = kind;
          }
          if (at > from) {
            state = last === separator ? start : plain;
            size += at - from;
            fields += separators;
          }
        }
        if (at < bytes.length) step(bytes[at++]!);
      }
    },
    finish() {
      if (isAfterReturn) endLine("\\r");
      if (state === quoted) unclosedQuote(path, quoteLine);
      closeRecord();
      return { records, longest, lineEnd };
    },
    get wantedLine() {
      return wantedLine;
    },
  };
}

const [newline, carriageReturn, space, quoteMark] = [10, 13, 32, 34];

/** Where in a field the scan stands; numbers, since comparing them is most of the work. */
type State = 0 | 1 | 2 | 3 | 4;
/** quote: behind a quote that closes the field or is the first of two. after: behind a closed field. */
const [start, plain, quoted, quote, after] = [0, 1, 2, 3, 4] as const;

/** Kinds of bytes; a separator counts one. */
const [text, separator, other] = [0, 1, 2];

function kindOf(value: number, delimiter: number): number {
  if (value === delimiter) return separator;
  return value > space && value < 0x80 && value !== quoteMark ? text : other;
}

/**
 * How many bytes must still follow in a UTF-8 sequence, or undefined where the byte cannot stand. Overlong forms pass
 * here; the database refuses them.
 */
function continuationAfter(value: number, continuation: number): number | undefined {
  if (continuation > 0) return value >= 0x80 && value < 0xc0 ? continuation - 1 : undefined;
  if (value < 0xc2 || value > 0xf4) return undefined;
  return value < 0xe0 ? 1 : value < 0xf0 ? 2 : 3;
}

function notUtf8(path: string, line: number, value: number): never {
  return fail(`${path}, line ${line}`, {
    expected: "CSV text in UTF-8",
    got: `the byte 0x${value.toString(16).toUpperCase()} where UTF-8 has none`,
    fix: `save it as UTF-8; if it is Latin-1: iconv -f LATIN1 -t UTF-8 ${path}`,
  });
}

function hasByteOrderMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

function wrongFields(path: string, line: number, fields: number, columns: number): never {
  return fail(`${path}, line ${line}`, {
    expected: `${columns} fields, as in the header`,
    got: String(fields),
    fix:
      fields > columns
        ? "quote fields that contain the delimiter"
        : "add what is missing, or remove the line",
  });
}

function mixedLineEnds(path: string, line: number, first: LineEnd, other: LineEnd): never {
  return fail(`${path}, line ${line}`, {
    expected: `the line end ${first}, as in line 1`,
    got: other,
    fix: "save the file with one kind of line end (dos2unix)",
  });
}

function zeroByte(path: string, line: number): never {
  return fail(`${path}, line ${line}`, {
    expected: "CSV text in UTF-8",
    got: "a zero byte",
    fix: "check that the file is text",
  });
}

function textBehindQuote(path: string, line: number): never {
  return fail(`${path}, line ${line}`, {
    expected: "the delimiter or the end of the line behind a closing quote",
    got: "more text",
    fix: 'write "" for a quote inside a quoted field',
  });
}

function unclosedQuote(path: string, line: number): never {
  return fail(`${path}, line ${line}`, {
    expected: "a second quote that closes the field opened in this line",
    got: "the end of the file",
    fix: 'close the field, or write "" for a quote inside it',
  });
}
