/** A table and what is made of it, in words. */
import { sourceOf, type TableStatistics } from "../../array/schema.ts";
import type { Dataset } from "../../data/dataset.ts";
import type { CleaningReport, Table } from "../../data/table/table.ts";
import { digits } from "../../report/console.ts";
import type { Head } from "./heads.ts";
import type { Encoding } from "./job.ts";
import type { TextStatistics } from "./table-texts.ts";

/** Who trains, who decides when to stop, and who judges. */
interface Parts {
  readonly training: Dataset;
  readonly validation: Dataset;
  readonly test?: Dataset;
}

/** What people read before training: rows, target, features, what is missing and what is left out. */
export function describeTable(
  path: string,
  { schema, report }: Table,
  fitted: TableStatistics,
  heads: readonly Head[],
): string[] {
  const { withoutTarget } = report;
  const targets = schema.targets.map(({ name }) => name).join(" or ");
  return [
    `${path}: ${report.records.toLocaleString("en-US")} rows`,
    ...heads.map((head) => `  target    ${describeTarget(head, fitted)}`),
    ...(withoutTarget > 0 ? [`  left out  ${withoutTarget} rows without ${targets}`] : []),
    ...cleaningLines(report),
    ...(report.duplicates !== undefined && report.dropped?.duplicates === undefined
      ? [
          `  beware    ${rowsOf(report.duplicates)} the same as an earlier one; --drop-duplicates leaves those out`,
        ]
      : []),
    ...(fitted.features.length > 0 ? [`  features  ${describeFeatures(fitted)}`] : []),
    ...missingLines(report.missing, schema.features),
    ...report.ignored.map(
      ({ column, reason, to }) =>
        `  left out  column "${column}": ${columnReasons[reason]}${to === undefined ? "" : `, "${to}"`}`,
    ),
    ...Object.entries(report.unlisted).map(
      ([column, count]) =>
        `  beware    column "${column}": ${count.toLocaleString("en-US")} rows have a category beyond the most frequent ones, told apart from none`,
    ),
    ...report.imprecise.map(
      (column) => `  beware    column "${column}" loses digits in float32: subtract a constant first`,
    ),
  ];
}

/** Columns of free text, one line each: what of them the model reads. */
export function textLines(texts: readonly TextStatistics[], { truncated = {} }: Table["report"]): string[] {
  return texts.map(({ name, length, known }) => {
    const longer = Object.hasOwn(truncated, name) ? `; ${rowsOf(truncated[name]!)} longer` : "";
    return `  text      column "${name}": the first ${length} words${longer}; ${known.toLocaleString("en-US")} words known, those of two training rows or more`;
  });
}

/** Counted, in words. */
export const rowsOf = (count: number) => `${count.toLocaleString("en-US")} row${count === 1 ? "" : "s"}`;

/** Rows that cleaning has left out, and where the first of those that could not be read stand. */
export function cleaningLines({ skipped, dropped }: CleaningReport): string[] {
  const reasons = [
    ...Object.entries(dropped?.missing ?? {}).map(([name, count]) => [count, `without ${name}`] as const),
    [dropped?.duplicates ?? 0, "the same as an earlier one"] as const,
    ...Object.entries(dropped?.outliers ?? {}).map(
      ([name, { count, from, to }]) =>
        [count, `whose ${name} is not from ${digits(from)} to ${digits(to)}`] as const,
    ),
  ];
  const told = skipped?.first.slice(0, 3) ?? [];
  return [
    ...(skipped !== undefined && skipped.count > 0
      ? [`  left out  ${rowsOf(skipped.count)} that cannot be read; the first:`]
      : []),
    ...told.map(
      ({ line, column, reason }) =>
        `            line ${line}${column === undefined ? "" : `, column "${column}"`}: ${reason}`,
    ),
    ...reasons
      .filter(([count]) => count > 0)
      .map(([count, reason]) => `  left out  ${rowsOf(count)} ${reason}`),
  ];
}

/** Why a column is no feature; COLUMN stands for its name. */
export const columnReasons: Readonly<Record<Table["report"]["ignored"][number]["reason"], string>> = {
  asked: "as --ignore asked",
  constant: "every row has the same value",
  empty: "no row has a value",
  identifier: "nearly every row has a text of its own",
  rare: "every category is rarer than --rare allows",
  identical: "every row has the value of an earlier column",
  unnamed: "it has no name",
};

function describeTarget({ target, task }: Head, { targets }: TableStatistics): string {
  const found = targets.find(({ name }) => name === target)!;
  if (found.task === "regression")
    return `${target}, a number: ${digits(found.mean)} ± ${digits(found.deviation)} in the training rows`;
  const total = found.counts.reduce((sum, count) => sum + count, 0);
  const shown = found.categories
    .slice(0, 6)
    .map((category, index) => `${category} ${Math.round((100 * found.counts[index]!) / total)} %`);
  const more = found.categories.length > 6 ? ", …" : "";
  return `${target}, ${task === "binary" ? "one of two" : `one of ${found.categories.length}`} classes: ${shown.join(", ")}${more}`;
}

function describeFeatures({ features }: TableStatistics): string {
  const own = features.filter(({ ofDate }) => ofDate === undefined);
  const numbers = own.filter(({ kind }) => kind === "number").length;
  const ordered = own.filter((feature) => feature.kind === "category" && feature.isOrdered === true).length;
  const dates = new Set(features.filter(({ ofDate }) => ofDate !== undefined).map(sourceOf)).size;
  const counts = [
    [numbers, "number"],
    [own.length - numbers - ordered, "category"],
    [ordered, "ordered category"],
    [dates, "date"],
  ] as const;
  return counts
    .filter(([count]) => count > 0)
    .map(([count, kind]) => `${count} ${kind} column${count === 1 ? "" : "s"}`)
    .join(", ");
}

function missingLines(
  missing: Readonly<Record<string, number>>,
  features: Table["schema"]["features"],
): string[] {
  const entries = Object.entries(missing);
  if (entries.length === 0) return [];
  const fillOf = (name: string) => {
    const filling = features.find((feature) => feature.name === name)?.whenMissing;
    return filling === undefined ? "" : ` (${filling.fill})`;
  };
  const shown = entries.slice(0, 8).map(([name, count]) => `${name} ${count}${fillOf(name)}`);
  const more = entries.length > 8 ? `, and in ${entries.length - 8} more columns` : "";
  return [`  missing   ${shown.join(", ")}${more}; filled inside the model`];
}

/** How many training samples the limits of features change, where they change any: nothing is limited silently. */
export function limitLines({ limited, clip, numbers }: Encoding): string[] {
  const entries = Object.entries(limited);
  if (clip === undefined || entries.length === 0) return [];
  const shown = entries.slice(0, 8).map(([name, count]) => `${name} ${count.toLocaleString("en-US")}`);
  const more = entries.length > 8 ? `, and in ${entries.length - 8} more columns` : "";
  const unit = numbers === "robust" ? "interquartile ranges from the median" : "deviations from the mean";
  return [`  limited   ${shown.join(", ")}${more}; beyond ${digits(clip)} ${unit}, inside the model`];
}

/** What files of their own have that the table has not. */
export function describeUnseen(path: string, { validation, test }: Parts): string[] {
  const parts = new Set([validation, ...(test === undefined ? [] : [test])]);
  return [...parts].flatMap((part) =>
    "report" in part
      ? Object.entries((part as Table).report.unlisted).map(
          // only a whole table has a report
          ([column, count]) =>
            `  beware    ${part.name}, column "${column}": ${count.toLocaleString("en-US")} rows have a category that ${path} does not have`,
        )
      : [],
  );
}

/** Which model trains on how many samples, and how many judge it. */
export function describeParts({ training, validation, test }: Parts, hidden: readonly number[]): string {
  const model =
    hidden.length === 0 ? "a linear model" : `a network with hidden layers of ${hidden.join(" and ")}`;
  const count = (data: Dataset) => data.size.toLocaleString("en-US");
  const judged = test === undefined ? "" : `, ${count(test)} to test`;
  return `  training  ${model} on ${count(training)} samples; ${count(validation)} to validate${judged}`;
}
