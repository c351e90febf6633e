/** What each target of a table is, and whether it can be predicted; and the weights of its samples. */
import type { ClassificationTarget, TargetColumn } from "../../../array/schema.ts";
import { fail } from "../../../errors.ts";
import { type Cells, whereIs } from "../cells/cells.ts";
import { type ColumnProfile, countDistinct } from "../cells/profile.ts";
import { isIdentifier } from "./columns.ts";
import { refuseNearlyNumbers, refuseText, targetAsText } from "./mixed.ts";

/** More classes than a table gives the samples for; the last layer has an output for each. */
const classLimit = 1000;

/**
 * A target is a class when it is text, or when its values are whole numbers of which there are at most 10
 * different ones, each twice on average; else a number. Classes that are whole numbers are called by them
 * (1.0 is "1") and ordered by size. `task` overrides.
 * Throws when there is nothing to tell apart: one value only, or a text that names samples; for more than 1000 classes;
 * and for a class with a single sample.
 */
export async function decideTarget(
  cells: Cells,
  profile: ColumnProfile,
  task: "regression" | "classification" | undefined,
): Promise<TargetColumn> {
  const { name, present, numbers, integers } = profile;
  const where = `${cells.path}, target "${name}"`;
  if (task === "regression" && numbers < present) await refuseText(cells, profile, targetAsText);
  if (task === undefined && numbers < present) await refuseNearlyNumbers(cells, profile, targetAsText);
  const isWhole = integers === present;
  const text = isWhole ? wholeText(cells.number(name)) : cells.text(name);
  // Not of numbers with fractions, which are no classes unless that is said: there may be millions of different ones.
  const isNumber = task === "regression" || (task === undefined && numbers === present && !isWhole);
  const [distinct] = isNumber ? [] : await countDistinct(cells, [isWhole ? cells.number(name) : text]);
  const isFewWhole = !isNumber && isWhole && distinct! <= 10 && 2 * distinct! <= present;
  if (isNumber || (task === undefined && numbers === present && !isFewWhole)) {
    if (profile.minimum === profile.maximum) refuseSingleValue(where, String(profile.minimum));
    return { task: "regression", name };
  }
  requireClasses(where, profile, distinct!);
  const classes = await readClasses(cells, text, isWhole);
  if (classes.length < 2) refuseSingleValue(where, classes[0]?.name ?? "nothing");
  await requirePairs(cells, profile, classes);
  return { task: "classification", name, categories: classes.map((found) => found.name) };
}

/** The SQL of a class that is a whole number in one form, so that 1 and 1.0 are one class. */
function wholeText(number: string): string {
  return `(${number})::bigint::varchar`;
}

/**
 * The SQL of a class as its target's categories write it. Where whole numbers are called by their value, all categories
 * are in that form, and otherwise never.
 */
export function classText(cells: Cells, { name, categories }: ClassificationTarget): string {
  const [text, number] = [cells.text(name), cells.number(name)];
  const isWhole = categories.every((category) => String(Number.parseInt(category, 10)) === category);
  if (!isWhole) return text;
  const isWholeNumber = `${number} = trunc(${number}) and abs(${number}) <= ${Number.MAX_SAFE_INTEGER}`;
  return `case when ${isWholeNumber} then ${wholeText(number)} else ${text} end`;
}

interface Class {
  readonly name: string;
  readonly samples: number;
  /** Of its first sample. */
  readonly record: number;
}

/** In the order of code points; whole numbers in the order of size. */
async function readClasses(cells: Cells, text: string, isWhole: boolean): Promise<Class[]> {
  const rows = await cells.database.rows(
    `select name, count(*)::double, min(record)::double
     from (select ${text} as name, rowid as record from ${cells.kept})
     group by name order by ${isWhole ? "name::bigint" : "name"}`,
  );
  return rows.map(([name, samples, record]) => ({
    name: String(name),
    samples: Number(samples),
    record: Number(record),
  }));
}

function requireClasses(where: string, { present, numbers }: ColumnProfile, distinct: number): void {
  if (isIdentifier(distinct, present)) {
    fail(where, {
      expected: "classes that several samples share",
      got: `${distinct} different values in ${present} samples`,
      fix: numbers === present ? `task: "regression"` : "name another target, or group its values",
    });
  }
  if (distinct <= classLimit) return;
  fail(where, {
    expected: `at most ${classLimit} classes`,
    got: String(distinct),
    fix: numbers === present ? `task: "regression"` : "group the values into fewer classes",
  });
}

/** A class needs a sample to learn it from, and another one to see whether it was learnt. */
async function requirePairs(
  cells: Cells,
  { name, numbers, present }: ColumnProfile,
  classes: readonly Class[],
) {
  const lonely = classes.filter(({ samples }) => samples === 1);
  const [first] = lonely;
  if (first === undefined) return;
  const others = lonely.length - 1;
  const more = others === 0 ? "" : others === 1 ? " (another class too)" : ` (${others} other classes too)`;
  const asNumber = numbers === present ? `, or task: "regression"` : "";
  fail(`${await whereIs(cells, first.record)}, target "${name}"`, {
    expected: "at least two samples of every class: a model cannot learn a class from one",
    got: `one of class "${first.name}"${more}`,
    fix: `add samples of the class, remove the line, or give it another class${asNumber}`,
  });
}

/** Throws unless every sample has a weight, none is negative and one is above 0. */
export async function decideWeight(cells: Cells, profile: ColumnProfile): Promise<void> {
  const number = cells.number(profile.name);
  const [row] = await cells.database.rows(
    `select rowid::double, ${cells.text(profile.name)} from ${cells.kept} and (${number} is null or ${number} < 0)
     order by rowid limit 1`,
  );
  if (row === undefined && profile.maximum > 0) return;
  const place = row === undefined ? cells.path : await whereIs(cells, Number(row[0]));
  fail(`${place}, weight "${profile.name}"`, {
    expected: "a number from 0 on in every line, above 0 in one",
    got: row === undefined ? "0 in every line" : row[1] === null ? "nothing" : JSON.stringify(row[1]),
    fix: row === undefined ? "leave the option out" : "write 0 to leave the sample out",
  });
}

function refuseSingleValue(where: string, value: string): never {
  return fail(where, {
    expected: "at least two different values",
    got: `"${value}" in every sample`,
    fix: "name another target",
  });
}
