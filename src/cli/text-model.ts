/** How a model of a text is known by its file, and what the commands for tables and images say of one. */
import { fail } from "../errors.ts";

/** The key of the metadata under which a text's model has its tokens. */
export const tokensKey = "microbatch.tokens";

/** Throws for a model of a text, which takes no rows. */
export function refuseTextModel(file: string, metadata: Readonly<Record<string, string>>): void {
  if (!Object.hasOwn(metadata, tokensKey)) return;
  fail(file, {
    expected: "a model of a table or of images",
    got: "one of a text",
    fix: `let it write: microbatch generate ${file} --prompt "The "`,
  });
}
