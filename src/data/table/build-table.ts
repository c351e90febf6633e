/** A process of its own: reads a table once and writes its records for a cache. */
import type { Made } from "../cache/manifest.ts";
import { answerTask } from "../cache/own-process.ts";
import { writeRecords } from "../cache/record-file.ts";
import { withDecided } from "./decided-table.ts";
import type { TableInput } from "./formats/input.ts";
import type { TableOptions } from "./options.ts";
import { TableRecords } from "./table-records.ts";

/** What the process is sent. */
export interface BuildTask {
  readonly input: TableInput;
  readonly options: TableOptions;
  /** The file to write. */
  readonly out: string;
}

/** Beside it the process takes about 200 MB, whatever the table. */
const memoryLimit = "100MB";

async function build({ input, options, out }: BuildTask): Promise<Made> {
  return withDecided(input, options, { memoryLimit }, async (decided) => {
    const records = new TableRecords(decided);
    const written = await writeRecords(out, records.columns, records.pieces(options.like === undefined));
    const { schema } = decided;
    const weight = options.weight === undefined ? {} : { weight: options.weight };
    return { ...written, columns: records.columns, schema, ...weight, extra: records.report() };
  });
}

answerTask(build);
