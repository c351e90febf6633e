/**
 * A scan of a CSV file for its records and their lines. The database reads the values; the scan makes sure that what it
 * reads is the whole file (a mixture of line ends, for one, can make it stop early without a word), and knows the line
 * of whatever is wrong. Source: RFC 4180.
 */
import { fail, type Proof } from "../../errors.ts";
import type { CsvHeader } from "./csv-header.ts";

/** What a scan of the whole file gives. */
export interface CsvScan {
  /** Records below the header that are kept; empty lines are none. */
  readonly records: number;
  /** Bytes of the longest record. */
  readonly longest: number;
  /** How lines end outside quotes; undefined where no line has an end. */
  readonly lineEnd: LineEnd | undefined;
  /** True where the file has "_" or "+-" somewhere: with these the database takes for numbers what is none. */
  readonly hasOddities: boolean;
}

/** What is wrong with a record, and in which line. */
export interface Flaw {
  readonly line: number;
  readonly proof: Proof;
}

/** A record that cannot be read. */
export interface BadRecord {
  readonly flaw: Flaw;
  /** How many lines it has: more than one where quotes hold line ends, as behind a stray quote. */
  readonly lines: number;
}

/** What to do with records that cannot be read; without it the first one ends the scan. */
export interface Skipping {
  /** Told of each, in order. May throw, which ends the scan. */
  onBad(record: BadRecord): void;
  /** Told which bytes of the file to leave out, from `start` up to `end`, in order. Default: nobody. */
  onLeftOut?(start: number, end: number): void;
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
 * also behind fields that contain line ends. path: for errors. wanted: a record below the header, counted from 0 among
 * those that are kept, whose line to find.
 *
 * skipping: for who can do without bad records. A record is bad as a whole; one next to another line end than the header's
 * is, too, since it may be half of one. Damage to the header, and a quote that is never closed, end the scan all the same:
 * behind them nothing can be told apart.
 */
export function scanCsv(path: string, header: CsvHeader, wanted?: number, skipping?: Skipping): CsvScanner {
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
  let flaw: Flaw | undefined; // of the current record
  let position = 0; // in the file, of the byte that is looked at
  let recordStart = 0; // in the file
  let hasOddities = false;
  let isAfterPlus = false;

  const wrong = (at: number, proof: Proof) => {
    if (skipping === undefined || records < 0) fail(`${path}, line ${at}`, proof);
    flaw ??= { line: at, proof };
  };
  /** next: where in the file the next record starts. */
  const closeRecord = (next: number) => {
    if (size > 0 && fields !== columns) wrong(recordLine, wrongFields(fields, columns));
    if (flaw !== undefined) {
      if (size > 0) skipping?.onBad({ flaw, lines: line - recordLine + 1 });
      skipping?.onLeftOut?.(recordStart, next);
    } else if (size > 0) {
      if (records === wanted) wantedLine = recordLine;
      records++;
      longest = Math.max(longest, size);
    }
    flaw = undefined;
    recordStart = next;
    state = start;
    fields = 1;
    size = 0;
  };
  const endLine = (end: LineEnd, next: number) => {
    if (state === quoted) size++;
    else {
      lineEnd ??= end;
      const isOther = lineEnd !== end;
      if (isOther) wrong(line, mixedLineEnds(lineEnd, end));
      closeRecord(next);
      if (isOther) wrong(line + 1, mixedLineEnds(lineEnd, end));
    }
    line++;
    if (state !== quoted) recordLine = line;
  };
  const checkUtf8 = (value: number) => {
    let following = continuationAfter(value, continuation, lead);
    if (following === undefined) {
      wrong(line, notUtf8(path, continuation > 0 ? lead : value));
      following = value < 0x80 ? 0 : (continuationAfter(value, 0, 0) ?? 0);
      lead = value;
    } else if (continuation === 0) lead = value;
    continuation = following;
  };
  /** Whatever is neither text nor a delimiter in an open field. */
  const step = (value: number) => {
    if (isAfterReturn) {
      isAfterReturn = false;
      if (value === newline) return endLine("\\r\\n", position + 1);
      endLine("\\r", position);
    }
    if (value >= 0x80 || continuation > 0) checkUtf8(value);
    if (value === carriageReturn) isAfterReturn = true;
    else if (value === newline) endLine("\\n", position + 1);
    else {
      if (value === 0) wrong(line, zeroByte);
      size++;
      if (state === quoted) state = value === quoteMark ? quote : quoted;
      else if (value === delimiter) {
        fields++;
        state = start;
      } else if (value === quoteMark && state !== plain && state !== after) {
        if (state === start) quoteLine = line;
        state = quoted;
      } else if (state === quote || state === after) {
        if (value !== space) wrong(line, textBehindQuote);
        state = after;
      } else if (value !== space) state = plain;
    }
  };
  return {
    push(bytes) {
      const before = position;
      // Searched for by the system, which takes no time beside the rest.
      const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      hasOddities ||= text.includes("_") || text.includes("+-") || (isAfterPlus && bytes[0] === minus);
      if (bytes.length > 0) isAfterPlus = bytes.at(-1) === plus;
      let at = isFirst && hasByteOrderMark(bytes) ? 3 : 0;
      isFirst = false;
      while (at < bytes.length) {
        // Nearly every byte is text or a delimiter in an open field; passing those here, with variables of this loop
        // alone, makes the scan several times as fast.
        if ((state === start || state === plain) && !isAfterReturn && continuation === 0) {
          const from = at;
          let separators = 0;
          let last = plainText;
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
        if (at < bytes.length) {
          position = before + at;
          step(bytes[at++]!);
        }
      }
      position = before + bytes.length;
    },
    finish() {
      if (isAfterReturn) endLine("\\r", position);
      if (continuation > 0) wrong(line, notUtf8(path, lead));
      if (state === quoted) fail(`${path}, line ${quoteLine}`, unclosedQuote);
      closeRecord(position);
      return { records, longest, lineEnd, hasOddities };
    },
    get wantedLine() {
      return wantedLine;
    },
  };
}

const [newline, carriageReturn, space, quoteMark, plus, minus] = [10, 13, 32, 34, 43, 45];

/** Where in a field the scan stands; numbers, since comparing them is most of the work. */
type State = 0 | 1 | 2 | 3 | 4;
/** quote: behind a quote that closes the field or is the first of two. after: behind a closed field. */
const [start, plain, quoted, quote, after] = [0, 1, 2, 3, 4] as const;

/** Kinds of bytes; a separator counts one. */
const [plainText, separator, other] = [0, 1, 2];

function kindOf(value: number, delimiter: number): number {
  if (value === delimiter) return separator;
  return value > space && value < 0x80 && value !== quoteMark ? plainText : other;
}

/** How many bytes must still follow in a UTF-8 sequence begun by `lead`, or undefined where the byte cannot stand. */
function continuationAfter(value: number, continuation: number, lead: number): number | undefined {
  if (continuation === 0) {
    if (value < 0xc2 || value > 0xf4) return undefined;
    return value < 0xe0 ? 1 : value < 0xf0 ? 2 : 3;
  }
  // Behind these the second byte says whether the sequence is longer than it need be, a surrogate, or beyond Unicode.
  const isSecond = continuation === (lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3);
  const from = isSecond && lead === 0xe0 ? 0xa0 : isSecond && lead === 0xf0 ? 0x90 : 0x80;
  const to = isSecond && lead === 0xed ? 0x9f : isSecond && lead === 0xf4 ? 0x8f : 0xbf;
  return value >= from && value <= to ? continuation - 1 : undefined;
}

function notUtf8(path: string, value: number): Proof {
  return {
    expected: "CSV text in UTF-8",
    got: `the byte 0x${value.toString(16).toUpperCase()} where UTF-8 has none`,
    fix: `save it as UTF-8; if it is Latin-1: iconv -f LATIN1 -t UTF-8 ${path}`,
  };
}

function hasByteOrderMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

function wrongFields(fields: number, columns: number): Proof {
  return {
    expected: `${columns} fields, as in the header`,
    got: String(fields),
    fix:
      fields > columns
        ? "quote fields that contain the delimiter"
        : "add what is missing, or remove the line",
  };
}

function mixedLineEnds(first: LineEnd, other: LineEnd): Proof {
  return {
    expected: `the line end ${first}, as in line 1`,
    got: other,
    fix: "save the file with one kind of line end (dos2unix)",
  };
}

const zeroByte: Proof = {
  expected: "CSV text in UTF-8",
  got: "a zero byte",
  fix: "check that the file is text",
};

const textBehindQuote: Proof = {
  expected: "the delimiter or the end of the line behind a closing quote",
  got: "more text",
  fix: 'write "" for a quote inside a quoted field',
};

const unclosedQuote: Proof = {
  expected: "a second quote that closes the field opened in this line",
  got: "the end of the file",
  fix: 'close the field, or write "" for a quote inside it',
};
