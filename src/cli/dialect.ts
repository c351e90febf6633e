/** The flag that says how a CSV file is written, where its header does not show it. */
import { InvalidArgumentError, Option } from "commander";
import type { Dialect } from "../data/table/csv/csv-dialect.ts";

export interface DialectFlags {
  readonly dialect?: Dialect;
}

/** For commands that read tables. */
export function dialectOption(): Option {
  return new Option(
    "--dialect <parts>",
    'how CSV files are written, where the header does not show it: "delimiter=; decimal=, encoding=latin1" (or utf-16), ' +
      '"quote=none", "escape=\\" in front of quotes, "comment=#", "names=a,b,c" where there is no header; ' +
      "delimiter may be tab or space",
  ).argParser(dialect);
}

/** What the flag says, or nothing. */
export function dialectOf({ dialect }: DialectFlags): DialectFlags {
  return dialect === undefined ? {} : { dialect };
}

/** Turns "delimiter=; decimal=," into what it says. The library knows what may be said; the flag may be repeated. */
function dialect(text: string, before: Dialect = {}): Dialect {
  const said: Record<string, string | readonly string[]> = {};
  for (const part of text.trim().split(new RegExp(`\\s+(?=(?:${parts.join("|")})=)`))) {
    const [, name, value] = /^(\w+)=(.*)$/s.exec(part) ?? [];
    if (name === undefined || value === undefined || value === "" || !parts.includes(name)) {
      throw new InvalidArgumentError(
        `Expected ${parts.join(", ")}, each with = and what it is: "delimiter=; decimal=,".`,
      );
    }
    if (Object.hasOwn(said, name) || Object.hasOwn(before, name)) {
      throw new InvalidArgumentError(`${name} is said already.`);
    }
    said[name] =
      name === "names"
        ? value.split(",").map((one) => one.trim())
        : Object.hasOwn(words, value)
          ? words[value]!
          : value;
  }
  return { ...before, ...said } as Dialect; // checked where a table is opened, as every dialect is
}

const parts: readonly string[] = ["delimiter", "quote", "escape", "names", "comment", "decimal", "encoding"];

/** What a command line cannot say otherwise, or not easily. */
const words: Readonly<Record<string, string>> = {
  tab: "\t",
  "\\t": "\t",
  space: " ",
  none: "",
  backslash: "\\",
};
