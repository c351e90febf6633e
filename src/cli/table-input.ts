/** What a table on the command line is: a file, a pattern of files, or a file with a query in it. */
import { readFile } from "../data/files.ts";
import { type Query, sql } from "../data/table/formats/query.ts";

/** A path as it is, or the query of a file that is called .sql. */
export async function tableInput(path: string): Promise<string | Query> {
  if (!path.toLowerCase().endsWith(".sql")) return path;
  return sql(new TextDecoder().decode(await readFile(path)));
}
