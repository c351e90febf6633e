/** The database's errors as proofs: what the machine lacks, and what is wrong with the input. */
import { fail, messageOf } from "../../../errors.ts";
import type { DatabaseOptions } from "./database.ts";

/** What the machine lacks is no mistake of this package: throws it as a proof, and anything else as it is. */
export function explain(
  { name, temporaryFolder, memoryLimit, damaged }: Required<DatabaseOptions>,
  error: unknown,
): never {
  const message = messageOf(error);
  const cause = { cause: error };
  const folder = temporaryFolder.replace(/[\\/][^\\/]*$/, "");
  if (/max_temp_directory_size|No space left on device/.test(message)) {
    const expected = `room for temporary files in ${folder}`;
    fail(
      name,
      { expected, got: "a full disk", fix: "make room there, or name another folder: TMPDIR=…" },
      cause,
    );
  }
  if (message.startsWith("Out of Memory Error")) {
    fail(
      name,
      {
        expected: `a table that ${memoryLimit} of memory and temporary files can hold`,
        got: "a larger one",
        fix: "leave columns out that are no features, or read fewer lines",
      },
      cause,
    );
  }
  if (message.startsWith("IO Error")) {
    fail(
      name,
      {
        expected: "a file, and a folder for temporary files, that can be used to the end",
        got: message.slice("IO Error: ".length).split("\n")[0]!,
        fix: `check the file and the folder ${folder}`,
      },
      cause,
    );
  }
  if (unreadable.test(message)) fail(name, { ...damaged, got: whatItSays(message) }, cause);
  throw error;
}

/** What the database says of its input, without the kind of error in front and the statement behind, which is ours. */
export function whatItSays(message: string, mostLines = 3): string {
  const [told] = message.replace(/^[A-Z][A-Za-z ]* (Error|Exception): /, "").split(/\n\s*LINE \d+:/);
  const lines = told!.split("\n").map((line) => line.trim());
  return lines
    .filter((line) => line !== "")
    .slice(0, mostLines)
    .join(" | ");
}

/** How messages begin, or what is in them, where the fault is the input's; others are faults of the SQL here. */
const unreadable =
  /CSV Error|^(Invalid Input|Invalid|Conversion|Serialization|Not implemented|Out of Range|Missing Extension|TProtocol|Parquet|INTERNAL|Internal)[A-Za-z ]* ?(Error|Exception)/;
