/** A process of its own: reads a table once and writes its records for a cache. */
import { MicrobatchError } from "../../errors.ts";
import type { Made } from "../cache/manifest.ts";
import { writeRecords } from "../cache/record-file.ts";
import type { TableInput } from "./input.ts";
import type { TableOptions } from "./options.ts";
import { withDecided } from "./table.ts";
import { TableRecords } from "./table-records.ts";

/** What the process is sent. */
export interface BuildTask {
  readonly input: TableInput;
  readonly options: TableOptions;
  /** The file to write. */
  readonly out: string;
}

/** What it answers: the records, what is wrong with the table, or what is wrong with this package. */
export type BuildAnswer =
  | { readonly made: Made }
  | { readonly where: string; readonly proof: { expected: string; got: string; fix: string } }
  | { readonly bug: string };

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

function answerTo(error: unknown): BuildAnswer {
  if (error instanceof MicrobatchError) {
    const { where, expected, got, fix } = error;
    return { where, proof: { expected, got, fix } };
  }
  return { bug: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

process.once("message", async (task) => {
  const answer = await build(task as BuildTask).then((made): BuildAnswer => ({ made }), answerTo); // see cached-table.ts
  process.send?.(answer, () => process.disconnect());
});
process.once("disconnect", () => process.exit()); // who asked is gone, or has its answer
