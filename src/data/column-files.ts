/** Several files side by side: each holds one column of the same samples. */
import { fail, kindOf } from "../errors.ts";

/** A column and the file that holds it. */
export interface ColumnFile {
  readonly column: string;
  readonly path: string;
}

/** The files by column. Throws for anything but an object of paths; `fix` says what to pass. */
export function columnFiles(
  where: string,
  files: unknown,
  expected: string,
  fix: string,
): readonly ColumnFile[] {
  const given = typeof files === "object" && files !== null ? Object.entries(files) : [];
  const isPath = (entry: [string, unknown]): entry is [string, string] => typeof entry[1] === "string";
  const wrong = given.find((entry) => !isPath(entry));
  if (given.length > 0 && wrong === undefined) {
    return given.filter(isPath).map(([column, path]) => ({ column, path }));
  }
  const got = wrong === undefined ? kindOf(files) : `${kindOf(wrong[1])} as column "${wrong[0]}"`;
  return fail(where, { expected, got, fix });
}

/** Throws where the files' first axes differ. */
export function requireSameSamples(
  files: readonly { readonly path: string; readonly samples: number }[],
): void {
  const [first] = files;
  const other = files.find(({ samples }) => samples !== first!.samples);
  if (other === undefined) return;
  fail(other.path, {
    expected: `${first!.samples} samples, as in ${first!.path}`,
    got: String(other.samples),
    fix: "name files of the same samples",
  });
}
