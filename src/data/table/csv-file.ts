/** A CSV file: scanned first, then read by the database with everything told, nothing guessed. */
import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { bug } from "../../errors.ts";
import { failToAccess } from "../files.ts";
import { readUnpacked } from "../gzip.ts";
import { type CsvHeader, readHeader } from "./csv-header.ts";
import { type CsvScan, type CsvScanner, type Skipping, scanCsv } from "./csv-scan.ts";
import { sqlPath, sqlText } from "./database.ts";
import type { BadRowCount } from "./skipped-rows.ts";

/** What is known of a file before the database reads it. */
export interface CsvFile {
  /** As it was given, for errors. */
  readonly path: string;
  readonly isGzip: boolean;
  readonly header: CsvHeader;
  readonly scan: CsvScan;
  /** Where records stand that cannot be read and were skipped: bytes of the unpacked file from `start` up to `end`. */
  readonly leftOut: readonly { readonly start: number; readonly end: number }[];
  /** What a column is called in SQL. */
  id(column: string): string;
  /** The line at which a record starts, counting records of the file from 0. */
  lineOf(record: number): Promise<number>;
}

/**
 * Scans a file, packed with gzip or not. Throws what is wrong with it, naming its line. bad: counts records that cannot be read,
 * where those are skipped instead; table: whose count that is, the path of the file or what several are called together.
 */
export async function scanCsvFile(path: string, bad?: BadRowCount, table = path): Promise<CsvFile> {
  const leftOut: { readonly start: number; readonly end: number }[] = [];
  const skipping: Skipping | undefined = bad && {
    onBad: ({ flaw, lines }) => bad.add(flaw.line, flaw.proof, lines, path === table ? {} : { path }),
    onLeftOut: (start, end) => leftOut.push({ start, end }),
  };
  const { isGzip, header, scanner } = await scanned(path, undefined, skipping);
  const scan = scanner.finish();
  return {
    path,
    isGzip,
    header,
    scan,
    leftOut,
    id: (column) => `c${header.names.indexOf(column)}`,
    lineOf: (record) => lineOf(path, record, bad && { onBad: () => {} }),
  };
}

/**
 * A file for the database, in the given folder, with the records that are kept and nothing else; the file itself where none
 * is left out. The database so reads what was scanned, whatever it would have made of the others.
 */
export async function keptRecords(file: CsvFile, folder: string): Promise<CsvFile> {
  if (file.leftOut.length === 0) return file;
  const copy = join(folder, `${randomUUID()}.csv`);
  const { pieces } = await readUnpacked(file.path);
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(copy, without(pieces, file.leftOut));
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
 * The file's records in SQL: text columns under their ids, the header's delimiter, RFC 4180 quotes.
 * bufferSize: bytes read at a time, at least those of two lines; left out, the database takes 32 MB for each thread.
 */
export function csvSource({ path, isGzip, header, scan }: CsvFile, bufferSize?: number): string {
  const columns = header.names.map((_, index) => `'c${index}': 'VARCHAR'`).join(", ");
  const longest = Math.max(2 ** 21, scan.longest + 1024);
  // Left to itself, the database takes the first line end it meets, which may stand inside the quotes of a name.
  const lineEnd = scan.lineEnd === undefined ? "" : `, new_line = ${sqlText(scan.lineEnd)}`;
  const buffer = bufferSize === undefined ? "" : `, buffer_size = ${Math.max(bufferSize, 2 * longest)}`;
  return `read_csv(${sqlPath(resolve(path))}, auto_detect = false, header = true, columns = {${columns}},
    delim = ${sqlText(header.delimiter)}, quote = '"', escape = '"', comment = '',
    compression = '${isGzip ? "gzip" : "none"}', max_line_size = ${longest}${buffer}${lineEnd})`;
}

/** Throws when the database read another number of records than the scan has seen. */
export function requireWhole({ path, scan }: CsvFile, read: number): void {
  if (read !== scan.records) bug(`${path} has ${scan.records} records, and the database read ${read}`);
}

/** A scanner that has seen the file: all of it, or up to the wanted record. */
async function scanned(
  path: string,
  wanted?: number,
  skipping?: Skipping,
): Promise<{ readonly isGzip: boolean; readonly header: CsvHeader; readonly scanner: CsvScanner }> {
  let header: CsvHeader | undefined;
  let scanner: CsvScanner | undefined;
  const { isGzip, pieces } = await readUnpacked(path);
  for await (const piece of pieces) {
    header ??= readHeader(path, piece);
    scanner ??= scanCsv(path, header, wanted, skipping);
    scanner.push(piece);
    if (scanner.wantedLine !== undefined) break;
  }
  header ??= readHeader(path, new Uint8Array()); // throws: the file is empty
  return { isGzip, header, scanner: scanner ?? scanCsv(path, header, wanted, skipping) };
}

async function lineOf(path: string, record: number, skipping: Skipping | undefined): Promise<number> {
  const { scanner } = await scanned(path, record, skipping);
  if (scanner.wantedLine === undefined) scanner.finish(); // the last line may have no end
  return scanner.wantedLine ?? bug(`${path} has no record ${record}`);
}
