/** microbatch profile: what is in a table, and what training would make of it. */
import { type ProfiledColumn, profileTable, type TableProfile } from "../data/table/table-profile.ts";
import { digits } from "../report/console.ts";
import { cleaningOf } from "./cleaning.ts";
import { dialectOf } from "./dialect.ts";
import { typesWithoutTexts } from "./options.ts";
import type { ProfileFlags } from "./profile.ts";
import { print, styled } from "./say.ts";
import { tableInput } from "./table-input.ts";
import { freeTexts } from "./training/table-texts.ts";
import { cleaningLines, columnReasons, rowsOf } from "./training/table-words.ts";
import { inFlags } from "./words.ts";

/** Prints what is in the table. */
export async function runProfile(path: string, flags: ProfileFlags): Promise<void> {
  const { target, task, type, ignore, weight, json } = flags;
  const profile = await profileTable(await tableInput(path), {
    ...(target !== undefined && { target }),
    ...(task !== undefined && { task }),
    ...(type !== undefined && { types: typesWithoutTexts(type) }),
    ...(ignore !== undefined && { ignore }),
    ...(weight !== undefined && { weight }),
    ...cleaningOf(flags),
    ...dialectOf(flags),
  });
  if (json === true) return print(JSON.stringify(profile));
  const isThere = profile.columns.some(({ type: kind }) => kind === "identifier");
  const texts = new Set(isThere ? await freeTexts(path, flags) : []);
  for (const line of linesOf(profile, process.stdout.columns ?? 100, texts)) print(line);
}

/** What people read, at most `width` characters wide from 80 on. texts: the columns of free text. */
export function linesOf(
  profile: TableProfile,
  width: number,
  texts: ReadonlySet<string> = new Set(),
): string[] {
  const { path, samples, withoutTarget, dialect, columns } = profile;
  const read = columns.filter(({ role }) => role === "feature");
  const targets = columns.filter(({ role }) => role === "target" || role === "weight");
  const title = (text: string) => styled("bold", text, process.stdout);
  const table = new Layout(columns, { width: Math.max(80, width), title, texts });
  return [
    `${path}: ${count(profile.records)} rows, ${columns.length} columns, ${dialect}`,
    ...(withoutTarget > 0 ? [`  left out  ${rowsOf(withoutTarget)} without a target`] : []),
    ...cleaningLines(profile),
    ...(samples < profile.records ? [`  figures   of the other ${count(samples)} rows`] : []),
    ...(profile.isExact
      ? []
      : ["  beware    with so many rows, quantiles and counts of values are estimates"]),
    ...table.numbers("target", targets.filter(hasNumbers)),
    ...table.values("target", targets.filter(isListed)),
    ...table.numbers(
      "numbers",
      read.filter((one) => one.type === "number"),
    ),
    ...table.values(
      "categories",
      read.filter((one) => one.type !== "number" && one.span === undefined),
    ),
    ...table.dates(read.filter(({ span }) => span !== undefined)),
    ...table.leftOut(columns.filter(({ role }) => role === "left out")),
    ...remarks(profile, title),
  ];
}

const hasNumbers = ({ numbers, type }: ProfiledColumn) => numbers !== undefined && type === "number";
const isListed = (column: ProfiledColumn) => !hasNumbers(column);
const count = (value: number) => value.toLocaleString("en-US");
const percent = (share: number) => {
  const value = 100 * share;
  return `${value >= 10 || value === 0 ? Math.round(value) : Number(value.toPrecision(value < 1 ? 1 : 2))} %`;
};

/** How the parts are written. */
interface LayoutOptions {
  readonly width: number;
  title(text: string): string;
  /** Columns of free text. */
  readonly texts: ReadonlySet<string>;
}

/** The parts of the text as tables with common columns. */
class Layout {
  readonly #names: number;
  readonly #width: number;
  readonly #title: (text: string) => string;
  readonly #texts: ReadonlySet<string>;

  constructor(columns: readonly ProfiledColumn[], { width, title, texts }: LayoutOptions) {
    this.#width = width;
    this.#title = title;
    this.#texts = texts;
    const longest = Math.max(...columns.map(({ name }) => name.length));
    this.#names = Math.min(Math.max(10, longest), width < 100 ? 20 : 22);
  }

  numbers(what: string, columns: readonly ProfiledColumn[]): string[] {
    if (columns.length === 0) return [];
    // What there is no room for is in --json.
    const room = Math.floor((this.#width - this.#names - 8) / 10);
    const figures = figureLists.find((list) => list.length <= room) ?? figureLists.at(-1)!;
    const head = [what.padEnd(this.#names), "missing".padStart(8), ...figures.map(([name]) => cell(name))];
    const rows = columns.map(({ name, missing = 0, numbers }) => [
      this.#name(name),
      missingOf(missing).padStart(8),
      ...figures.map(([, figure]) => cell(numbers === undefined ? "" : digits(figure(numbers)))),
    ]);
    return [this.#title(head.join("")), ...rows.map((row) => row.join(""))];
  }

  values(what: string, columns: readonly ProfiledColumn[]): string[] {
    if (columns.length === 0) return [];
    const head = `${what.padEnd(this.#names)}${"missing".padStart(8)}${"distinct".padStart(10)}  most frequent`;
    const room = this.#width - this.#names - 20;
    const rows = columns.map((column) => {
      const { name, missing = 0, distinct = 0 } = column;
      const figures = `${missingOf(missing).padStart(8)}${count(distinct).padStart(10)}`;
      return `${this.#name(name)}${figures}  ${topOf(column, room)}`;
    });
    return [this.#title(head), ...rows];
  }

  dates(columns: readonly ProfiledColumn[]): string[] {
    if (columns.length === 0) return [];
    const head = `${"dates".padEnd(this.#names)}${"missing".padStart(8)}${"distinct".padStart(10)}  from … to …`;
    const room = this.#width - this.#names - 20;
    const rows = columns.map(({ name, missing = 0, distinct = 0, span }) => {
      const figures = `${missingOf(missing).padStart(8)}${count(distinct).padStart(10)}`;
      return `${this.#name(name)}${figures}  ${shorten(span!.join(" … "), room)}`; // the caller has asked
    });
    return [this.#title(head), ...rows];
  }

  leftOut(columns: readonly ProfiledColumn[]): string[] {
    if (columns.length === 0) return [];
    const rows = columns.map((column) => {
      const { name, type, distinct, top } = column;
      if (this.#texts.has(name))
        return `${this.#name(name)}  free text (${count(distinct ?? 0)} different), whose words train reads`;
      const known = columnReasons[type as keyof typeof columnReasons]; // left out is what has such a reason
      const value = type === "constant" ? ` (${shorten(top?.[0]?.value ?? "", 20)})` : "";
      const values = type === "identifier" ? ` (${count(distinct ?? 0)} different)` : "";
      return `${this.#name(name)}  ${known.replace("COLUMN", () => name)}${value}${values}`;
    });
    return [this.#title("left out"), ...rows];
  }

  #name(name: string): string {
    return shorten(name === "" ? "(no name)" : name, this.#names).padEnd(this.#names);
  }
}

const cell = (text: string) => text.padStart(10);
const missingOf = (missing: number) => (missing === 0 ? "-" : count(missing));
const shorten = (text: string, most: number) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

type Figure = readonly [name: string, figure: (numbers: NonNullable<ProfiledColumn["numbers"]>) => number];
const wide: readonly Figure[] = [
  ["mean", ({ mean }) => mean],
  ["deviation", ({ deviation }) => deviation],
  ["least", ({ minimum }) => minimum],
  ["5 %", ({ quantiles }) => quantiles["0.05"]],
  ["25 %", ({ quantiles }) => quantiles["0.25"]],
  ["50 %", ({ quantiles }) => quantiles["0.5"]],
  ["75 %", ({ quantiles }) => quantiles["0.75"]],
  ["95 %", ({ quantiles }) => quantiles["0.95"]],
  ["most", ({ maximum }) => maximum],
];
const without = (...names: readonly string[]) => wide.filter(([name]) => !names.includes(name));
/** From most to fewest. */
const figureLists = [wide, without("5 %", "95 %"), without("5 %", "25 %", "75 %", "95 %")];

/** As many of the most frequent values as there is room for. */
function topOf({ top = [], distinct = 0, problem }: ProfiledColumn, room: number): string {
  if (problem !== undefined) return "see below";
  const parts = top.map(({ value, share }) => `${shorten(value.replace(/\s+/g, " "), 24)} ${percent(share)}`);
  const textOf = (shown: number) => parts.slice(0, shown).join(", ") + (shown < distinct ? ", …" : "");
  let shown = parts.length;
  while (shown > 1 && textOf(shown).length > room) shown--;
  return textOf(shown);
}

/** What stands across columns: what is the same, and where training would end. */
function remarks(profile: TableProfile, title: (text: string) => string): string[] {
  const { columns, identical, duplicates = 0 } = profile;
  const read = columns.filter(({ role }) => role !== "left out");
  const missing = read.filter((column) => column.role === "feature" && (column.missing ?? 0) > 0);
  const problems = columns.flatMap(({ problem }) => (problem === undefined ? [] : [inFlags(problem)]));
  const lines = [
    ...(missing.length > 0
      ? [
          `missing values of ${missing.length} column${missing.length === 1 ? "" : "s"} are filled inside the model`,
        ]
      : []),
    ...(duplicates > 0 && !profile.dropped?.duplicates
      ? [`${rowsOf(duplicates)} the same as an earlier one; --drop-duplicates leaves those out`]
      : []),
    ...identical.map((names) => `the same in every row: ${names.join(", ")}`),
    ...problems.map((problem) => `training would end: ${problem}`),
  ];
  return lines.length === 0 ? [] : [title("remarks"), ...lines.map((line) => `  ${line}`)];
}
