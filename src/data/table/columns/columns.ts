/** What each feature of a table is: a number, a category, or nothing that a model could use. */
import { dateFeatures, type FeatureColumn } from "../../../array/schema.ts";
import { fail } from "../../../errors.ts";
import { type Cells, whereIs } from "../cells/cells.ts";
import { sqlText } from "../cells/database.ts";
import { identicalColumns } from "../cells/figures.ts";
import { type ColumnProfile, countDistinct } from "../cells/profile.ts";
import type { Cleaning } from "../clean/cleaning.ts";
import { withFilling } from "../clean/filling.ts";
import { type ColumnType, saidType } from "../options.ts";
import { mostFrequent, readCategories } from "./categories.ts";
import { countDates, type DateCounts, refuseNoDate } from "./dates.ts";
import { areNearlyAll, featureAsText, refuseNearlyNumbers, refuseText } from "./mixed.ts";

/** Why a column is no feature. */
export type IgnoredReason = "asked" | "unnamed" | "empty" | "constant" | "identifier" | "rare" | "identical";

/** A column and what becomes of it: a feature, several where it has dates, or the reason why none does. */
export interface Decision {
  readonly name: string;
  readonly features: readonly FeatureColumn[] | IgnoredReason;
}

/**
 * How many categories a column has at most, unless its type is said: the most frequent. The others are not listed, and
 * read like one that was never seen. An encoder gives a hundred of them a feature, and a saved model carries them all.
 */
const listedLimit = 1000;

/** What each column is known to be after one pass over all of them. */
interface Kind {
  readonly profile: ColumnProfile;
  readonly type: ColumnType | undefined;
  readonly kind: "number" | "text" | "date" | IgnoredReason;
  readonly hasTimes?: boolean;
}

/**
 * A feature is a number when every value is one, else a category; a column of dates as ISO 8601 writes them
 * becomes the features that are their parts. It is left out, with the reason, when it tells nothing: no
 * sample has a value (empty), all have the same (constant), or it is text that names samples: every value
 * differs, or there are more than 100 different ones and more than half as many as values (identifier). clean
 * says how many samples a category must have to be listed; a column without such is left out (rare). Columns
 * in an order that was said keep all of theirs.
 * Throws for a column of numbers or dates with a few texts in it, and for numbers with a decimal comma: they
 * would silently become categories; for a value that is not among the ones it is said to have; and for what
 * cannot fill a column of its kind.
 */
export async function decideFeatures(
  cells: Cells,
  profiles: readonly ColumnProfile[],
  types: Readonly<Record<string, ColumnType>>,
  clean: Cleaning = {},
): Promise<Decision[]> {
  const readable = profiles.filter(({ name, present, numbers }) => {
    const type = saidType(name, types);
    return type === "date" || (type === undefined && numbers < present);
  });
  const dates = await countDates(
    cells,
    readable.map(({ name }) => name),
  );
  const kinds: Kind[] = [];
  for (const profile of profiles) {
    const type = saidType(profile.name, types);
    kinds.push({ profile, type, ...(await kindOf(cells, profile, type, dates.get(profile.name))) });
  }
  const texts = kinds.filter(({ kind }) => kind === "text" || kind === "date");
  const distinct = await countDistinct(
    cells,
    texts.map(({ profile }) => cells.text(profile.name)),
  );
  const categories = await categoriesOf(cells, texts, distinct, clean.rareCategories?.atLeast ?? 1);
  const filled = (feature: FeatureColumn) => [withFilling(cells.path, feature, clean.missing)];
  return kinds.map(({ profile: { name }, type, kind, hasTimes = false }) => {
    if (kind === "number") return { name, features: filled({ kind, name }) };
    const found = categories.get(name) ?? [];
    if (typeof found === "string") return { name, features: found };
    if (kind === "date") return { name, features: datesOf(cells.path, name, hasTimes, clean.missing) };
    if (kind !== "text") return { name, features: kind };
    const order = Array.isArray(type) ? { isOrdered: true } : {};
    return { name, features: filled({ kind: "category", name, categories: found, ...order }) };
  });
}

/** The parts of a date. Missing ones are filled by what suits each part. */
function datesOf(
  path: string,
  name: string,
  hasTimes: boolean,
  missing: Cleaning["missing"] = {},
): readonly FeatureColumn[] {
  if (!Object.hasOwn(missing, name) || typeof missing[name] !== "object") return dateFeatures(name, hasTimes);
  return fail(`${path}, option clean.missing, "${name}"`, {
    expected: '"keep" or "drop" of dates, whose parts are filled one by one',
    got: JSON.stringify(missing[name]),
    fix: 'remove it, or "drop" the rows without a date',
  });
}

async function kindOf(
  cells: Cells,
  profile: ColumnProfile,
  type: ColumnType | undefined,
  counts: DateCounts | undefined,
): Promise<Pick<Kind, "kind" | "hasTimes">> {
  const { name, present, numbers } = profile;
  if (present === 0) return { kind: "empty" };
  if (counts !== undefined && (type === "date" || areNearlyAll(counts.dates, present))) {
    if (counts.dates < present) await refuseNoDate(cells, profile, counts, featureAsText(name));
    return { kind: "date", hasTimes: counts.times > 0 };
  }
  if (type === "number" && numbers < present) await refuseText(cells, profile, featureAsText(name));
  if (numbers === present && (type === undefined || type === "number")) {
    const isConstant = profile.minimum === profile.maximum && present === cells.samples;
    return { kind: isConstant ? "constant" : "number" };
  }
  if (type === undefined) await refuseNearlyNumbers(cells, profile, featureAsText(name));
  return { kind: "text" };
}

/** The categories of each column, or why it is no feature. */
async function categoriesOf(
  cells: Cells,
  texts: readonly Kind[],
  distinct: readonly number[],
  atLeast: number,
): Promise<ReadonlyMap<string, readonly string[] | IgnoredReason>> {
  const found = new Map<string, readonly string[] | IgnoredReason>();
  const toRead: string[] = [];
  for (const [index, { profile, type, kind }] of texts.entries()) {
    const { name, present } = profile;
    const count = distinct[index]!;
    const isNames = type === undefined && (count === present || isIdentifier(count, present));
    if (count === 1 && present === cells.samples) found.set(name, "constant");
    else if (kind === "date") continue;
    else if (isNames) found.set(name, "identifier");
    else if (Array.isArray(type)) found.set(name, await requireListed(cells, name, type));
    else if (atLeast > 1 || (type === undefined && count > listedLimit)) {
      const most = type === undefined ? listedLimit : count;
      const frequent = await mostFrequent(cells, name, most, atLeast);
      found.set(name, frequent.length === 0 ? "rare" : frequent);
    } else toRead.push(name);
  }
  const lists = await readCategories(cells, toRead);
  toRead.forEach((name, index) => {
    found.set(name, lists[index]!);
  });
  return found;
}

/** True for a column that names samples rather than saying what they are. */
export function isIdentifier(distinct: number, present: number): boolean {
  return distinct > 100 && 2 * distinct > present;
}

/** Whether every value is a date, or a date and a time, as ISO 8601 writes them. */
export async function areDates(cells: Cells, { name, present }: ColumnProfile): Promise<boolean> {
  const id = cells.text(name);
  const [row] = await cells.database.rows(
    `select count(*) filter (try_cast(${id} as timestamp) is not null and ${id} similar to '[0-9]{4}-[0-9]{2}-[0-9]{2}.*')::double
     from ${cells.kept}`,
  );
  return Number(row![0]) === present;
}

/**
 * Columns that hold the same as an earlier one in every sample, with the name of that one: numbers the same
 * numbers, texts the same texts. Among other columns they tell nothing.
 */
export async function sameAsEarlier(
  cells: Cells,
  decisions: readonly Decision[],
  profiles: ReadonlyMap<string, ColumnProfile>,
): Promise<ReadonlyMap<string, string>> {
  const used = decisions.filter(({ features }) => typeof features !== "string");
  const alike = Map.groupBy(
    used.map(({ name }) => name),
    (name) => {
      const { name: _, commas, ...figures } = profiles.get(name)!;
      return JSON.stringify([figures, kindsIn(used, name)]);
    },
  );
  const groups = await identicalColumns(cells, alike, (name) =>
    kindsIn(used, name)[0]?.kind === "number" && kindsIn(used, name).length === 1
      ? cells.number(name)
      : cells.text(name),
  );
  return new Map(groups.flatMap(([first, ...others]) => others.map((name) => [name, first!] as const)));
}

/** What a column has become, without names. */
function kindsIn(
  decisions: readonly Decision[],
  name: string,
): readonly Omit<FeatureColumn, "name" | "ofDate">[] {
  const features = decisions.find((one) => one.name === name)?.features ?? [];
  return typeof features === "string" ? [] : features.map(({ name: _, ofDate, ...rest }) => rest);
}

/** The given categories. Throws at the first value that is none of them. */
export async function requireListed(
  cells: Cells,
  name: string,
  categories: readonly string[],
): Promise<readonly string[]> {
  const id = cells.text(name);
  const [row] = await cells.database.rows(
    `select rowid::double, ${id} from ${cells.kept} and ${id} not in (${categories.map(sqlText).join(", ")})
     order by rowid limit 1`,
  );
  if (row === undefined) return categories;
  return fail(`${await whereIs(cells, Number(row[0]))}, column "${name}"`, {
    expected: `one of ${categories.map((category) => JSON.stringify(category)).join(", ")}`,
    got: JSON.stringify(row[1]),
    fix: "correct the value, leave it empty if it is missing, or add it to the categories, where it belongs",
  });
}
