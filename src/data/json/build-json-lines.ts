/** A process of its own: reads a JSON Lines file once and writes its records for a cache. */
import type { Made } from "../cache/manifest.ts";
import { answerTask } from "../cache/own-process.ts";
import { writeRecords } from "../cache/record-file.ts";
import type { DecidedTable } from "../table/decided-table.ts";
import { TableRecords } from "../table/table-records.ts";
import { type JsonLinesOptions, withDecidedLines, withMissingLists } from "./json-lines.ts";

/** What the process is sent. */
export interface LinesTask {
  readonly path: string;
  readonly options: JsonLinesOptions;
  /** The file to write. */
  readonly out: string;
}

/** Beside it the process takes about 200 MB, whatever the file. */
const memoryLimit = "100MB";

async function build({ path, options, out }: LinesTask): Promise<Made> {
  const write = async (decided: DecidedTable) => {
    const records = new TableRecords(decided);
    const written = await writeRecords(out, records.columns, records.pieces(options.like === undefined));
    const weight = options.weight === undefined ? {} : { weight: options.weight };
    const extra = await withMissingLists(decided, records.report());
    return { ...written, columns: records.columns, schema: decided.schema, ...weight, extra };
  };
  return withDecidedLines(path, options, write, memoryLimit);
}

answerTask(build);
