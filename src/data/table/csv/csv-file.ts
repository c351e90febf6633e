/** A CSV file: scanned first, then read by the database with everything told, nothing guessed. */
import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { bug } from "../../../errors.ts";
import { failToAccess } from "../../files.ts";
import { sqlPath, sqlText } from "../cells/database.ts";
import type { BadRowCount } from "../clean/skipped-rows.ts";
import { type Dialect, quotesOf } from "./csv-dialect.ts";
import { type CsvHeader, isAllComments, readHeader } from "./csv-header.ts";
import { type CsvScan, type CsvScanner, type ScanOptions, scanCsv } from "./csv-scan.ts";
import { readCsvText } from "./csv-text.ts";

/** What is known of a file before the database reads it. */
export interface CsvFile {
  /** As it was given, for errors. */
  readonly path: string;
  readonly isGzip: boolean;
  /** As far as it was said. */
  readonly dialect: Dialect;
  readonly header: CsvHeader;
  readonly scan: CsvScan;
  /** Where records stand that cannot be read, and comments: bytes of its text as UTF-8 from `start` up to `end`. */
  readonly leftOut: readonly Gap[];
  /** What a column is called in SQL. */
  id(column: string): string;
  /** The line at which a record starts, counting records of the file from 0. */
  lineOf(record: number): Promise<number>;
}

/** Bytes that are left out. */
interface Gap {
  readonly start: number;
  readonly end: number;
}

/**
 * Scans a file, packed with gzip or not. Throws what is wrong with it, naming its line. bad: counts records
 * that cannot be read, where those are skipped instead; table: whose count that is, the path of the file or
 * what several are called together.
 */
export async function scanCsvFile(
  path: string,
  dialect: Dialect = {},
  bad?: BadRowCount,
  table = path,
): Promise<CsvFile> {
  const leftOut: Gap[] = [];
  const inFile = path === table ? {} : { path };
  const { isGzip, header, scanner } = await scanned(path, {
    dialect,
    onLeftOut(start, end) {
      const before = leftOut.at(-1)?.end === start ? leftOut.pop()!.start : start; // comments come in blocks
      leftOut.push({ start: before, end });
    },
    ...(bad !== undefined && {
      onBad: ({ flaw, lines }) => bad.add(flaw.line, flaw.proof, lines, inFile),
    }),
  });
  const scan = scanner.finish();
  return {
    path,
    isGzip,
    dialect,
    header,
    scan,
    leftOut,
    id: (column) => `c${header.names.indexOf(column)}`,
    lineOf: (record) =>
      lineOf(path, { dialect, wanted: record, ...(bad !== undefined && { onBad: () => {} }) }),
  };
}

/**
 * A file for the database, in the given folder, as UTF-8 with the records that are kept and nothing else; the
 * file itself where it is that already. The database so reads what was scanned, whatever it would have made
 * of the rest: it would end a record at a comment's sign inside it, for one.
 */
export async function keptRecords(file: CsvFile, folder: string): Promise<CsvFile> {
  const { path, dialect, leftOut } = file;
  if (leftOut.length === 0 && (dialect.encoding ?? "utf-8") === "utf-8") return file;
  const copy = join(folder, `${randomUUID()}.csv`);
  const { pieces } = await readCsvText(path, dialect.encoding);
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(copy, without(pieces, leftOut));
  } catch (error) {
    return failToAccess(`write ${copy}`, error, folder);
  }
  return { ...file, path: copy, isGzip: false };
}

/** The bytes of the pieces but for those from each `start` up to its `end`. */
async function* without(
  pieces: AsyncIterable<Uint8Array>,
  leftOut: CsvFile["leftOut"],
): AsyncGenerator<Uint8Array> {
  let next = 0;
  let position = 0; // of the piece in the file
  for await (const piece of pieces) {
    const end = position + piece.length;
    let at = position;
    while (at < end) {
      const gap = leftOut[next];
      const until = Math.min(end, gap?.start ?? end);
      if (until > at) yield piece.subarray(at - position, until - position);
      at = Math.max(at, until);
      if (gap === undefined || gap.start >= end) break;
      at = Math.max(at, Math.min(end, gap.end));
      if (gap.end > end) break;
      next++;
    }
    position = end;
  }
}

/**
 * The file's records in SQL: text columns under their ids, in the dialect of the file, which is UTF-8 and has
 * no comments. bufferSize: bytes read at a time, at least those of two lines; left out, the database takes 32
 * MB for each thread.
 */
export function csvSource(file: CsvFile, bufferSize?: number): string {
  const { path, isGzip, header, scan, dialect } = file;
  const { quote, escaping } = quotesOf(dialect);
  const columns = header.names.map((_, index) => `'c${index}': 'VARCHAR'`).join(", ");
  const longest = Math.max(2 ** 21, scan.longest + 1024);
  // Left to itself, the database takes the first line end it meets, which may stand inside the quotes of a name.
  const lineEnd = scan.lineEnd === undefined ? "" : `, new_line = ${sqlText(scan.lineEnd)}`;
  const buffer = bufferSize === undefined ? "" : `, buffer_size = ${Math.max(bufferSize, 2 * longest)}`;
  return `read_csv(${sqlPath(resolve(path))}, auto_detect = false, header = ${dialect.names === undefined}, columns = {${columns}},
    delim = ${sqlText(header.delimiter)}, quote = ${sqlText(quote)}, escape = ${sqlText(escaping)}, comment = '',
    parallel = ${!scan.hasTraps}, compression = '${isGzip ? "gzip" : "none"}', max_line_size = ${longest}${buffer}${lineEnd})`;
}

/** Throws when the database read another number of records than the scan has seen. */
export function requireWhole({ path, scan }: CsvFile, read: number): void {
  if (read !== scan.records) bug(`${path} has ${scan.records} records, and the database read ${read}`);
}

/** A scanner that has seen the file: all of it, or up to the wanted record. */
async function scanned(
  path: string,
  options: ScanOptions & { readonly dialect: Dialect },
): Promise<{ readonly isGzip: boolean; readonly header: CsvHeader; readonly scanner: CsvScanner }> {
  const { dialect } = options;
  const { isGzip, pieces } = await readCsvText(path, dialect.encoding);
  let header: CsvHeader | undefined;
  let scanner: CsvScanner | undefined;
  for await (const piece of withHeader(pieces, dialect)) {
    header ??= readHeader(path, piece, dialect);
    scanner ??= scanCsv(path, header, options);
    scanner.push(piece);
    if (scanner.wantedLine !== undefined) break;
  }
  header ??= readHeader(path, new Uint8Array(), dialect); // throws: the file is empty
  return { isGzip, header, scanner: scanner ?? scanCsv(path, header, options) };
}

/** The pieces, of which the first has the header, however many comments stand in front of it. */
async function* withHeader(
  pieces: AsyncIterable<Uint8Array>,
  { comment }: Dialect,
): AsyncGenerator<Uint8Array> {
  let beginning: Uint8Array | undefined = new Uint8Array();
  for await (const piece of pieces) {
    if (beginning === undefined) yield piece;
    else {
      beginning = beginning.length === 0 ? piece : Buffer.concat([beginning, piece]);
      if (isAllComments(beginning, comment, enough)) continue;
      yield beginning;
      beginning = undefined;
    }
  }
  if (beginning !== undefined && beginning.length > 0) yield beginning;
}

/** Bytes that a header may take: with fewer behind the comments, more are read first. */
const enough = 2 ** 19;

async function lineOf(path: string, options: ScanOptions & { readonly dialect: Dialect }): Promise<number> {
  const { scanner } = await scanned(path, options);
  if (scanner.wantedLine === undefined) scanner.finish(); // the last line may have no end
  return scanner.wantedLine ?? bug(`${path} has no record ${options.wanted}`);
}
