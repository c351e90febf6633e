/** What a table is read from: a file, several files, or a query; and which files those are. */
import { glob, open, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, resolve } from "node:path";
import { fail, kindOf } from "../../../errors.ts";
import { failToAccess, requireFile } from "../../files.ts";
import { parquetProof } from "./parquet-table.ts";
import { type Query, queryName } from "./query.ts";

/**
 * What tables are read from: the path of a CSV or Parquet file; a pattern of paths, as in "trips/2024-*.csv",
 * or a list of paths, for files with the same columns; or a query.
 */
export type TableInput = string | readonly string[] | Query;

/** What was found there. */
export type FoundTable =
  | {
      readonly kind: "csv" | "parquet";
      readonly name: string;
      readonly paths: readonly [string, ...string[]];
    }
  | { readonly kind: "query"; readonly name: string; readonly query: Query };

/** What errors call a table. */
export function inputName(input: TableInput): string {
  if (typeof input === "string") return input;
  if (isQuery(input)) return queryName(input);
  if (!isPaths(input)) return "table";
  return input.length === 1 ? input[0]! : `${input[0]} and ${input.length - 1} more`;
}

/** Finds the files. Throws when there are none, and for what is no table. */
export async function findTable(input: TableInput): Promise<FoundTable> {
  const name = inputName(input);
  if (isQuery(input)) return { kind: "query", name, query: input };
  const paths = await pathsOf(name, input);
  const kinds = await Promise.all(paths.map(kindOfFile));
  const other = kinds.findIndex((kind) => kind !== kinds[0]);
  if (other > 0) {
    fail(paths[other]!, {
      expected: `a ${kinds[0] === "csv" ? "CSV" : "Parquet"} file, as ${paths[0]}`,
      got: kinds[other] === "csv" ? "none of Parquet" : "a Parquet file",
      fix: 'read files of one kind at a time, or join them in a query: sql("select … union all …")',
    });
  }
  return { kind: kinds[0]!, name, paths };
}

/** The files that a table is read from. Throws where there are none, unless a query needs none. */
export function filesOf(input: TableInput): Promise<readonly string[]> {
  return isQuery(input) ? filesIn(input) : pathsOf(inputName(input), input);
}

/** Changes when a file does, or when a pattern or a query names others. Throws for a query that computes its paths. */
export async function fingerprintOfTable(input: TableInput): Promise<string> {
  if (isQuery(input)) requirePlainPaths(input);
  const paths = await filesOf(input);
  const files: unknown[] = [];
  for (const path of paths) {
    // Reading it all would take as long as making the cache.
    const { size, mtimeMs, ctimeMs } = await stat(path).catch((error) =>
      failToAccess(`read ${path}`, error, dirname(resolve(path))),
    );
    files.push(
      paths.length === 1 ? { size, mtimeMs, ctimeMs } : { path: resolve(path), size, mtimeMs, ctimeMs },
    );
  }
  return JSON.stringify(files.length === 1 && !isQuery(input) ? files[0] : files);
}

/** Tells one input from another, wherever the process runs. */
export function identityOf(input: TableInput): unknown {
  if (isQuery(input)) return { query: input.sql, folder: process.cwd() };
  return typeof input === "string" ? resolve(input) : input.map((path) => resolve(path));
}

const isQuery = (input: unknown): input is Query =>
  typeof input === "object" && input !== null && "sql" in input && typeof input.sql === "string";

const isPaths = (input: unknown): input is readonly string[] =>
  Array.isArray(input) && input.length > 0 && input.every((path) => typeof path === "string" && path !== "");

const isPattern = (path: string) => /[*?[{]/.test(path);

/** At least one path; those of a pattern in the order of their code points, so that it is the same everywhere. */
async function pathsOf(name: string, input: string | readonly string[]): Promise<[string, ...string[]]> {
  const given = typeof input === "string" ? [input] : input;
  if (!isPaths(given)) {
    fail("table", {
      expected: "the path of a file, a list of paths, or a query",
      got: Array.isArray(input) ? JSON.stringify(input) : kindOf(input),
      fix: 'for example table("houses.csv", { target: "price" })',
    });
  }
  if (typeof input !== "string" || !isPattern(input) || (await exists(input)))
    return [...given] as [string, ...string[]];
  const found: string[] = [];
  for await (const path of glob(input)) if (await isFile(path)) found.push(path);
  const [first, ...others] = found.sort();
  if (first !== undefined) return [first, ...others];
  return fail(name, {
    expected: "at least one file whose path has this pattern",
    got: "none",
    fix: `correct the pattern; it is looked for in ${process.cwd()}`,
  });
}

/** Files that a query names: every text in quotes that is one, or a pattern of some. */
async function filesIn({ sql }: Query): Promise<string[]> {
  const found = new Set<string>();
  for (const [, single, double] of sql.matchAll(/'((?:[^']|'')+)'|"((?:[^"]|"")+)"/g)) {
    const quoted = single?.replaceAll("''", "'") ?? double!.replaceAll('""', '"');
    const text = quoted.replace(/^file:(\/\/(localhost)?(?=\/))?/, "").replace(/^~(?=\/)/, homedir()); // as DuckDB does
    if (await isFile(text)) found.add(text);
    else if (isPattern(text)) for await (const path of glob(text)) if (await isFile(path)) found.add(path);
  }
  return [...found].sort();
}

/** Throws where a path is computed: nobody could tell that the file has changed, and what was read once would be kept. */
function requirePlainPaths(query: Query): void {
  const isPlain = /^\(\s*(\[\s*)?'([^']|'')*'\s*[,)\]]/;
  for (const { 0: reading, index } of query.sql.matchAll(
    /\b(read_\w+|parquet_\w+|glob|sniff_csv)\s*(?=\()/gi,
  )) {
    const rest = query.sql.slice(index + reading.length);
    if (isPlain.test(rest)) continue;
    fail(queryName(query), {
      expected: "paths as texts in quotes, which tell when a kept copy of the result is out of date",
      got: `${reading}${rest.split("\n")[0]!.slice(0, 40)}`,
      fix: "write the paths out, or read the query without a cache",
    });
  }
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );
const isFile = (path: string) =>
  stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );

/** By the first bytes: the name says nothing. */
async function kindOfFile(path: string): Promise<"csv" | "parquet"> {
  const failed = (error: unknown) => failToAccess(`read ${path}`, error, dirname(resolve(path)));
  requireFile(`read ${path}`, await stat(path).catch(failed)); // to open a pipe would wait for its other end
  const file = await open(path).catch(failed);
  try {
    const { size } = await file.stat();
    const mark = async (position: number) =>
      (await file.read(Buffer.alloc(4), 0, 4, position)).buffer.toString("latin1");
    const start = await mark(0);
    if (/\.(json|jsonl|ndjson)$/i.test(path) && /^[{[]/.test(start)) refuseJson(path);
    if (start !== parquetMark) return "csv";
    if (size >= 12 && (await mark(size - 4)) === parquetMark) return "parquet";
    const got = "a file without the mark at its end: it was cut off, or is still being written";
    return fail(path, { ...parquetProof, got });
  } finally {
    await file.close();
  }
}

const parquetMark = "PAR1";

/** Throws: as CSV its quotes would be blamed. */
function refuseJson(path: string): never {
  return fail(path, {
    expected: "a CSV or Parquet file",
    got: "JSON",
    fix: `read it in a query: sql("select * from '${path}'")`,
  });
}
