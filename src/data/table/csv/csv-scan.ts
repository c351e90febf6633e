/**
 * A scan of a CSV file for its records and their lines. The database reads the values; the scan makes sure that what it
 * reads is the whole file (a mixture of line ends, for one, can make it stop early without a word), and knows the line
 * of whatever is wrong. Source: RFC 4180; what a backslash in front of a quote does is the database's.
 */
import { fail, type Proof } from "../../../errors.ts";
import { type Dialect, quotesOf } from "./csv-dialect.ts";
import {
  type LineEnd,
  mixedLineEnds,
  textBehindQuote,
  unclosedQuote,
  wrongByte,
  wrongFields,
  zeroByte,
} from "./csv-flaws.ts";
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
  /**
   * True where quotes hold line ends or have blanks around them, or fields that are not quoted hold quotes.
   * Where the database begins to read in the middle of such a file it may take texts for records: 1.5.5 has
   * left out 9 of 10 without a word.
   */
  readonly hasTraps: boolean;
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

/** How a file is scanned. */
export interface ScanOptions {
  /** How it is written; the header has the delimiter and the names. */
  readonly dialect?: Dialect;
  /** A record below the header, counted from 0 among those that are kept, whose line to find. */
  readonly wanted?: number;
  /**
   * Told of each record that cannot be read, in order; without it the first one ends the scan. May throw,
   * which ends it too.
   */
  readonly onBad?: (record: BadRecord) => void;
  /**
   * Told which bytes of the text to leave out, bad records and comments, from `start` up to `end`, in order.
   * Default: nobody.
   */
  readonly onLeftOut?: (start: number, end: number) => void;
}

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
 * Scans for what a table cannot have: a record with too many or too few fields, text behind a closing quote,
 * an unclosed quote, zero bytes, bytes that are no UTF-8, and a mixture of line ends. Lines count from 1, as
 * an editor shows them, also behind fields that contain line ends. path: for errors.
 *
 * onBad: for who can do without bad records. A record is bad as a whole; one next to another line end than
 * the header's is, too, since it may be half of one. Damage to the header, and a quote that is never closed,
 * end the scan all the same: behind them nothing can be told apart.
 */
export function scanCsv(
  path: string,
  header: CsvHeader,
  { dialect = {}, wanted, onBad, onLeftOut }: ScanOptions = {},
): CsvScanner {
  const { encoding = "utf-8" } = dialect;
  const columns = header.names.length;
  const delimiter = header.delimiter.charCodeAt(0);
  const { quote: mark, escaping } = quotesOf(dialect);
  const quoteMark = codeOf(mark);
  const backslash = escaping === mark ? none : codeOf(escaping);
  const comment = codeOf(dialect.comment);
  const kinds = Uint8Array.from({ length: 256 }, (_, value) =>
    value === comment ? other : kindOf(value, delimiter, quoteMark),
  );
  let state: State = start;
  let line = 1;
  let recordLine = 1;
  let quoteLine = 1;
  let records = dialect.names === undefined ? -1 : 0; // the header is none
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
  let hasTraps = false;

  const wrong = (at: number, proof: Proof) => {
    if (onBad === undefined || records < 0) fail(`${path}, line ${at}`, proof);
    flaw ??= { line: at, proof };
  };
  /** next: where in the file the next record starts. */
  const closeRecord = (next: number) => {
    if (size > 0 && fields !== columns) wrong(recordLine, wrongFields(fields, columns, dialect));
    if (flaw !== undefined) {
      if (size > 0) onBad?.({ flaw, lines: line - recordLine + 1 });
      onLeftOut?.(recordStart, next);
    } else if (state === commented || (size === 0 && (records < 0 || columns === 1))) {
      // The database takes an empty line in front of the header for it, and where there is one column for a record.
      if (next > recordStart) onLeftOut?.(recordStart, next);
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
    if (state === quoted || state === escaped) {
      state = quoted;
      size++;
      hasTraps = true;
    } else {
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
      wrong(line, wrongByte(encoding, continuation > 0 ? lead : value));
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
    if ((value >= 0x80 || continuation > 0) && state !== commented) checkUtf8(value);
    if (value === carriageReturn) isAfterReturn = true;
    else if (value === newline) endLine("\\n", position + 1);
    else if (value === comment && size === 0) state = commented;
    else if (state !== commented) {
      if (value === 0) wrong(line, zeroByte(encoding));
      size++;
      if (state === escaped) state = quoted;
      else if (state === quoted) {
        if (value === quoteMark) state = quote;
        else if (value === backslash) state = escaped;
      } else if (value === delimiter) {
        fields++;
        state = start;
      } else if (value === quoteMark && state === plain) hasTraps = true;
      else if (value === quoteMark && (state <= blank || (state === quote && backslash === none))) {
        if (state <= blank) quoteLine = line;
        if (state === blank) hasTraps = true;
        state = quoted;
      } else if (state === quote || state === after) {
        if (value !== space) wrong(line, textBehindQuote(dialect));
        hasTraps = true;
        state = after;
      } else state = value === space && state === start ? blank : plain;
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
        if (state <= plain && !isAfterReturn && continuation === 0) {
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
      if (continuation > 0) wrong(line, wrongByte(encoding, lead));
      if (state === quoted || state === escaped) fail(`${path}, line ${quoteLine}`, unclosedQuote(dialect));
      closeRecord(position);
      return { records, longest, lineEnd, hasOddities, hasTraps };
    },
    get wantedLine() {
      return wantedLine;
    },
  };
}

const [newline, carriageReturn, space, plus, minus] = [10, 13, 32, 43, 45];
/** No byte. */
const none = -1;
const codeOf = (character: string | undefined) =>
  character === undefined || character === "" ? none : character.charCodeAt(0);

/** Where in a field the scan stands; numbers, since comparing them is most of the work. */
type State = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;
/**
 * blank: behind one blank, where a quote still opens the field; behind two the database takes it for text.
 * quote: behind a quote that closes the field or is the first of two. after: behind a closed field. escaped:
 * behind a backslash inside quotes. commented: in a comment.
 */
const [start, blank, plain, quoted, quote, after, escaped, commented] = [0, 1, 2, 3, 4, 5, 6, 7] as const;

/** Kinds of bytes; a separator counts one. */
const [plainText, separator, other] = [0, 1, 2];

function kindOf(value: number, delimiter: number, quoteMark: number): number {
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

function hasByteOrderMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}
