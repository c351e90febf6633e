/** A process of its own: reads a JSON Lines file once and writes its records for a cache. */
import { answerTask } from "../cache/own-process.ts";
import { writeTable } from "../table/table-records.ts";
import { type JsonLinesOptions, withDecidedLines } from "./json-lines.ts";

/** What the process is sent. */
export interface LinesTask {
  readonly path: string;
  readonly options: JsonLinesOptions;
  /** The file to write. */
  readonly out: string;
}

/** Beside it the process takes about 200 MB, whatever the file. */
const memoryLimit = "100MB";

const build = ({ path, options, out }: LinesTask) =>
  withDecidedLines(path, options, (decided) => writeTable(out, decided), memoryLimit);

answerTask(build);
