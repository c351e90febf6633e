/** Samples as a saved file takes them: codes are texts again, parts are dates, and words stand side by side. */
import { type DatePart, firstOfPart } from "../array/date.ts";
import { allocate } from "../array/dtype.ts";
import type { FeatureColumn } from "../array/schema.ts";
import { elementCount } from "../array/shape.ts";
import { wordCodesOf } from "../array/words.ts";
import type { Dataset } from "../data/dataset.ts";
import { allSamples } from "../data/samples.ts";
import type { RawColumns, RawValue } from "./saved-model.ts";

type Column = readonly (RawValue | readonly number[])[];

/** The columns that the file takes, of all samples. Says why not, where what was read cannot be had back. */
export async function rawColumns(data: Dataset, inputs: readonly string[]): Promise<RawColumns | string> {
  const raw: Record<string, Column> = {};
  for (const input of inputs) {
    const parts = (data.schema?.features ?? []).filter(({ ofDate }) => ofDate?.column === input);
    const column = parts.length > 0 ? await datesOf(data, parts) : await columnOf(data, input);
    if (column === undefined) return `"${input}" cannot be put together again from what was read of it`;
    raw[input] = column;
  }
  return raw;
}

async function columnOf(data: Dataset, name: string): Promise<Column | undefined> {
  const spec = data.columns[name];
  if (spec === undefined) return undefined;
  const rows = await rowsOf(data, name);
  if (spec.isWords === true) return rows.map((codes) => wordsOf(codes, spec.categories ?? []));
  const feature = data.schema?.features.find((one) => one.name === name);
  if (feature === undefined) return rows;
  if (feature.kind === "number") return rows.map(([value]) => value!);
  return rows.map(([code]) => (code! < 0 ? null : (feature.categories[code!] ?? "not listed")));
}

/** The numbers of a column, a list for each sample. */
async function rowsOf(data: Dataset, name: string): Promise<number[][]> {
  const { dtype, shape } = data.columns[name]!;
  const samples = allSamples(data);
  const width = elementCount(shape);
  const values = allocate(dtype, width * samples.length);
  await data.read(name, samples, values);
  return Array.from(samples, (_, row) =>
    Array.from({ length: width }, (_, index) => Number(values[row * width + index])),
  );
}

/** A text that is cut into words with these codes; null where there are none. */
function wordsOf(codes: readonly number[], words: readonly string[]): string | null {
  const listed = wordCodesOf(words);
  let unlisted = "@";
  while (listed.has(unlisted)) unlisted += "@";
  const own = codes
    .filter((code) => code < words.length)
    .map((code) => (code === 0 ? unlisted : words[code]!));
  // The full stop lies behind the words and is none: "na" alone would be a missing text.
  return own.length === 0 ? null : `${own.join(" ")} .`;
}

async function datesOf(data: Dataset, features: readonly FeatureColumn[]): Promise<Column | undefined> {
  const parts = new Map<DatePart, readonly number[]>();
  for (const { kind, name, ofDate } of features) {
    const { part } = ofDate!; // the caller has chosen those that are parts
    const first = kind === "category" ? firstOfPart(part) : 0;
    const missing = kind === "category" ? -1 : Number.NaN;
    const values = (await rowsOf(data, name)).map(([value]) =>
      Object.is(value, missing) ? Number.NaN : value! + first,
    );
    parts.set(part, values);
  }
  const dates = Array.from({ length: data.size }, (_, row) =>
    dateOf((part) => parts.get(part)?.[row] ?? (part === "hour" || part === "minute" ? 0 : Number.NaN)),
  );
  return dates.some((date) => date === undefined) ? undefined : dates.map((date) => date ?? null);
}

const dayMs = 86_400_000;

/**
 * A date that has these parts, null where it is missing: the zone and the seconds, which are no parts, are those with which as many
 * days have elapsed. Undefined where there are none.
 */
export function dateOf(part: (name: DatePart) => number): string | null | undefined {
  const [year, month, day] = [part("year"), part("month"), part("day")];
  const [hour, minute, elapsed] = [part("hour"), part("minute"), part("elapsed")];
  if (Number.isNaN(year)) return null;
  const days = new Date(0).setUTCFullYear(year, month - 1, day) / dayMs; // Date.UTC takes 99 for 1999
  const minutes = 60 * hour + minute;
  for (const zone of zonesNear(minutes - 1440 * (elapsed - days))) {
    for (let second = 0; second < 60; second++) {
      if (Math.fround(days + (60 * (minutes - zone) + second) / 86_400) !== elapsed) continue;
      return textOf([year, month, day], [hour, minute, second], zone);
    }
  }
  return undefined;
}

/** What clocks may be ahead of UTC, the nearest first: a float32 has elapsed days to a minute or an hour. */
function zonesNear(ahead: number): number[] {
  const quarters = Array.from({ length: 2 * 59 + 1 }, (_, index) => 15 * (index - 59));
  const odd = [Math.floor(ahead), Math.ceil(ahead)].filter((zone) => Math.abs(zone) < 15 * 60);
  return [...quarters.sort((a, b) => Math.abs(a - ahead) - Math.abs(b - ahead)), ...odd];
}

function textOf(date: readonly number[], time: readonly number[], zone: number): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const [year = 0, ...others] = date;
  const written = [String(year).padStart(4, "0"), ...others.map(two)].join("-");
  if (zone === 0 && time.every((value) => value === 0)) return written;
  const [hours, minutes] = [Math.floor(Math.abs(zone) / 60), Math.abs(zone) % 60];
  const offset = zone === 0 ? "" : `${zone < 0 ? "-" : "+"}${two(hours)}:${two(minutes)}`;
  return `${written}T${time.map(two).join(":")}${offset}`;
}
