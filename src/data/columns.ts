/** What each column of a table is: a number, a category, a class, or nothing that a model could use. */
import type { FeatureColumn, TargetColumn } from "../array/schema.ts";
import { fail } from "../errors.ts";
import type { Cells } from "./cells.ts";
import { sqlText } from "./database.ts";

/** A column in figures, over the samples whose targets are present. */
export interface ColumnProfile {
  readonly name: string;
  /** How many samples have a value. */
  readonly present: number;
  /** How many values are numbers, and how many of those are whole. */
  readonly numbers: number;
  readonly integers: number;
  readonly minimum: number;
  readonly maximum: number;
}

/** Why a column is no feature. */
export type IgnoredReason = "asked" | "unnamed" | "constant" | "identifier";

/** Columns per query: the database's time to plan one grows with the square of its columns. */
export const columnsPerQuery = 64;

/** Profiles the columns, each in one pass. */
export async function profileColumns(cells: Cells, names: readonly string[]): Promise<ColumnProfile[]> {
  const profiles: ColumnProfile[] = [];
  for (let start = 0; start < names.length; start += columnsPerQuery) {
    profiles.push(...(await profileSome(cells, names.slice(start, start + columnsPerQuery))));
  }
  return profiles;
}

async function profileSome(cells: Cells, names: readonly string[]): Promise<ColumnProfile[]> {
  const figures = names.map((name) => {
    const text = cells.id(name);
    const value = `number(${text})`;
    const isWhole = `${value} = trunc(${value}) and abs(${value}) <= ${Number.MAX_SAFE_INTEGER}`;
    return `[count(${text})::double, count(${value})::double, count(*) filter (${isWhole})::double,
      coalesce(min(${value}), 0), coalesce(max(${value}), 0)]`;
  });
  const flat = `select unnest(flatten([${figures.join(", ")}])) from kept`;
  const values = (await cells.database.rows(flat)).map(([value]) => Number(value));
  return names.map((name, index) => {
    const [present, numbers, integers, minimum, maximum] = values.slice(index * 5) as [
      number,
      number,
      number,
      number,
      number, // five figures per column, as asked for
    ];
    return { name, present, numbers, integers, minimum, maximum };
  });
}

/**
 * A feature is a number when every value is one, else a category. It is left out, with the reason, when it tells nothing:
 * all samples have the same value (constant), or it is text that names samples: every value differs, or there are more
 * than 100 different ones and more than half as many as values (identifier).
 * Throws for a column of numbers with a few texts in it, and for numbers with a decimal comma: both would silently become
 * categories.
 */
export async function decideFeature(
  cells: Cells,
  profile: ColumnProfile,
  forced: "number" | "category" | undefined,
): Promise<FeatureColumn | IgnoredReason> {
  const { name, present, numbers } = profile;
  if (present === 0) return "constant";
  if (forced === "number" && numbers < present) await refuseText(cells, profile, readAsText(name));
  if (numbers === present && forced !== "category") {
    const isConstant = profile.minimum === profile.maximum && present === cells.samples;
    return isConstant ? "constant" : { kind: "number", name };
  }
  if (forced === undefined) await refuseNearlyNumbers(cells, profile, readAsText(name));
  const distinct = await countDistinct(cells, cells.id(name));
  if (distinct === 1 && present === cells.samples) return "constant";
  if (forced === undefined && (distinct === present || isIdentifier(distinct, present))) return "identifier";
  return { kind: "category", name, categories: await readCategories(cells, name, cells.id(name)) };
}

/**
 * A target is a class when it is text, or when its values are whole numbers of which there are at most 10 different ones,
 * each twice on average; else a number. Classes that are whole numbers are called by them (1.0 is "1") and ordered by
 * size. `task` overrides.
 * Throws when there is nothing to tell apart: one value only, or a text that names samples.
 */
export async function decideTarget(
  cells: Cells,
  profile: ColumnProfile,
  task: "regression" | "classification" | undefined,
): Promise<TargetColumn> {
  const { name, present, numbers, integers } = profile;
  const where = `${cells.path}, target "${name}"`;
  const asText = `task: "classification" to predict it as a class`;
  if (task === "regression" && numbers < present) await refuseText(cells, profile, asText);
  if (task === undefined && numbers < present) await refuseNearlyNumbers(cells, profile, asText);
  const distinct = await countDistinct(cells, classText(cells, profile));
  const isFewWhole = integers === present && distinct <= 10 && 2 * distinct <= present;
  if (task === "regression" || (task === undefined && numbers === present && !isFewWhole)) {
    if (profile.minimum === profile.maximum) refuseSingleValue(where, String(profile.minimum));
    return { task: "regression", name };
  }
  if (isIdentifier(distinct, present)) {
    fail(where, {
      expected: "classes that several samples share",
      got: `${distinct} different values in ${present} samples`,
      fix: numbers === present ? `task: "regression"` : "name another target, or group its values",
    });
  }
  const categories = await readCategories(cells, name, classText(cells, profile), integers === present);
  if (categories.length < 2) refuseSingleValue(where, categories[0] ?? "nothing");
  return { task: "classification", name, categories };
}

/** Throws unless every sample has a weight, none is negative and one is above 0. */
export async function decideWeight(cells: Cells, profile: ColumnProfile): Promise<void> {
  const id = cells.id(profile.name);
  const [row] = await cells.database.rows(
    `select record::double, ${id} from kept where number(${id}) is null or number(${id}) < 0 order by record limit 1`,
  );
  if (row === undefined && profile.maximum > 0) return;
  const place = row === undefined ? "" : `, line ${await cells.lineOf(Number(row[0]))}`;
  fail(`${cells.path}${place}, weight "${profile.name}"`, {
    expected: "a number from 0 on in every line, above 0 in one",
    got: row === undefined ? "0 in every line" : row[1] === null ? "nothing" : JSON.stringify(row[1]),
    fix: row === undefined ? "leave the option out" : "write 0 to leave the sample out",
  });
}

/** The SQL of a class: text as it is written, but whole numbers in one form, so that 1 and 1.0 are one class. */
export function classText(cells: Cells, { name, integers, present }: ColumnProfile): string {
  const id = cells.id(name);
  return integers === present ? `number(${id})::bigint::varchar` : id;
}

/** The name of the enum that holds a column's categories in SQL, in their order. */
export function categoriesType(cells: Cells, name: string): string {
  return `categories_${cells.id(name)}`;
}

function isIdentifier(distinct: number, present: number): boolean {
  return distinct > 100 && 2 * distinct > present;
}

async function countDistinct(cells: Cells, value: string): Promise<number> {
  const [row] = await cells.database.rows(`select count(distinct ${value})::double from kept`);
  return Number(row![0]);
}

/** The different values in the order of their code points (whole numbers: of their size), also as an enum in SQL. */
async function readCategories(cells: Cells, name: string, value: string, isWhole = false): Promise<string[]> {
  const id = cells.id(name);
  await cells.database.run(
    `create type ${categoriesType(cells, name)} as enum (select value from
      (select distinct ${value} as value from kept where ${id} is not null)
      order by ${isWhole ? "value::bigint" : "value"})`,
  );
  const rows = await cells.database.rows(
    `select unnest(enum_range(null::${categoriesType(cells, name)}))::varchar`,
  );
  return rows.map(([category]) => String(category));
}

/** Where nine values in ten are numbers, the tenth is a slip and no category. */
async function refuseNearlyNumbers(cells: Cells, profile: ColumnProfile, asText: string): Promise<void> {
  const { name, present } = profile;
  const id = cells.id(name);
  // Those that float32 cannot hold are numbers too.
  const [counts] = await cells.database.rows(
    `select count(*) filter (try_cast(${id} as double) is not null and not contains(${id}, '_'))::double from kept`,
  );
  if (Number(counts![0]) >= 0.9 * present) await refuseText(cells, profile, asText);
  const pattern = sqlText("[+-]?([0-9]+|[0-9]{1,3}([. ][0-9]{3})+)(,[0-9]+)?");
  const [row] = await cells.database.rows(
    `select count(*) filter (regexp_full_match(${id}, ${pattern}))::double,
            first(${id} order by record) filter (contains(${id}, ',')),
            min(record) filter (contains(${id}, ','))::double from kept`,
  );
  const [matching, example, record] = row!;
  if (Number(matching) < present || example === null) return;
  fail(`${cells.path}, line ${await cells.lineOf(Number(record))}, column "${name}"`, {
    expected: "numbers with a decimal point and nothing between thousands",
    got: `"${example}"`,
    fix: `write decimal points, or ${asText}`,
  });
}

/** Throws at the first value that is no number. */
async function refuseText(
  cells: Cells,
  { name, numbers, present }: ColumnProfile,
  asText: string,
): Promise<never> {
  const id = cells.id(name);
  const [row] = await cells.database.rows(
    `select record::double, ${id} from kept where ${id} is not null and number(${id}) is null
     order by record limit 1`,
  );
  const [record, value] = row!;
  return fail(`${cells.path}, line ${await cells.lineOf(Number(record))}, column "${name}"`, {
    expected: `a number that fits float32, as ${numbers} of ${present} values are`,
    got: JSON.stringify(value),
    fix: `correct the value, or leave it empty if it is missing, or ${asText}`,
  });
}

function refuseSingleValue(where: string, value: string): never {
  return fail(where, {
    expected: "at least two different values",
    got: `"${value}" in every sample`,
    fix: "name another target",
  });
}

const readAsText = (name: string) =>
  `types: { ${JSON.stringify(name)}: "category" } to read the column as text`;
