/** A CSV file in the database: scanned first, then read with everything told, and cleaned up whatever happens. */
import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { bug, fail } from "../errors.ts";
import { type Cells, loadCells } from "./cells.ts";
import { type CsvHeader, readHeader } from "./csv-header.ts";
import { type CsvScan, type CsvScanner, scanCsv } from "./csv-scan.ts";
import { withDatabase } from "./database.ts";
import { readPieces } from "./files.ts";

/** What is known of a file before the database reads it. */
export interface CsvFile {
  readonly header: CsvHeader;
  readonly scan: CsvScan;
}

/** What to read of a file, and what to do with it. */
export interface CsvReading<Result> {
  /** Other columns are skipped. */
  readonly columns: readonly string[];
  /** Records without a value in one of these are left out. */
  readonly targets: readonly string[];
  use(cells: Cells): Promise<Result>;
}

/**
 * Scans a CSV file, asks `plan` what to read, loads that and hands it over. The database is gone afterwards.
 * Throws what is wrong with the file, naming its line.
 */
export async function withCsv<Result>(
  path: string,
  plan: (file: CsvFile) => CsvReading<Result>,
): Promise<Result> {
  const { header, scanner } = await scanFile(path);
  const scan = scanner.finish();
  const { columns, targets, use } = plan({ header, scan });
  const temporaryFolder = join(tmpdir(), `microbatch-${randomUUID()}`);
  const threads = Math.min(4, availableParallelism());
  try {
    return await withDatabase({ threads, temporaryFolder }, async (database) =>
      use(
        await loadCells(database, {
          path,
          file: resolve(path),
          header,
          scan,
          columns,
          targets,
          lineOf: (record) => lineOf(path, record),
        }),
      ),
    );
  } finally {
    await rm(temporaryFolder, { recursive: true, force: true });
  }
}

/** Throws: there is a header and nothing below it. */
export function noRecords(path: string): never {
  fail(path, {
    expected: "at least one line of values below the header",
    got: "none",
    fix: "check that the file was written to its end",
  });
}

/** The header, and a scanner that has seen the file: all of it, or up to the wanted record. */
async function scanFile(path: string, wanted?: number): Promise<{ header: CsvHeader; scanner: CsvScanner }> {
  let header: CsvHeader | undefined;
  let scanner: CsvScanner | undefined;
  for await (const piece of readPieces(path)) {
    header ??= readHeader(path, piece);
    scanner ??= scanCsv(path, header, wanted);
    scanner.push(piece);
    if (scanner.wantedLine !== undefined) break;
  }
  header ??= readHeader(path, new Uint8Array()); // throws: the file is empty
  return { header, scanner: scanner ?? scanCsv(path, header, wanted) };
}

async function lineOf(path: string, record: number): Promise<number> {
  const { scanner } = await scanFile(path, record);
  if (scanner.wantedLine === undefined) scanner.finish(); // the last line may have no end
  return scanner.wantedLine ?? bug(`${path} has no record ${record}`);
}
