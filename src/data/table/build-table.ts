/** A process of its own: reads a table once and writes its records for a cache. */
import { answerTask } from "../cache/own-process.ts";
import { withDecided } from "./decided-table.ts";
import type { TableInput } from "./formats/input.ts";
import type { TableOptions } from "./options.ts";
import { writeTable } from "./table-records.ts";

/** What the process is sent. */
export interface BuildTask {
  readonly input: TableInput;
  readonly options: TableOptions;
  /** The file to write. */
  readonly out: string;
}

/** Beside it the process takes about 200 MB, whatever the table. */
const memoryLimit = "100MB";

const build = ({ input, options, out }: BuildTask) =>
  withDecided(input, options, { memoryLimit }, (decided) => writeTable(out, decided));

answerTask(build);
