/** What options of commands have in common: how their texts become values. */
import { InvalidArgumentError, Option } from "commander";

/** Exit codes, as the help states them. */
export const exitCodes = { done: 0, runFailed: 1, badInput: 2 } as const;

/** Turns a text into a whole number of at least `smallest` and at most `largest`. */
export function wholeNumber(smallest: number, largest = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    const isWhole = text.trim() !== "" && Number.isSafeInteger(value);
    if (isWhole && value >= smallest && value <= largest) return value;
    const range = largest < Number.MAX_SAFE_INTEGER ? `to ${largest}` : "on";
    throw new InvalidArgumentError(`Expected a whole number from ${smallest} ${range}.`);
  };
}

/** Limits of a number: `from` and `to` may be reached, `above` and `below` may not. */
export interface Limits {
  readonly from?: number;
  readonly above?: number;
  readonly below?: number;
  readonly to?: number;
}

/** Turns a text into a number between the limits that fits float32. */
export function number(limits: Limits): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && isBetween(value, limits)) return value;
    throw new InvalidArgumentError(`Expected a number ${describeLimits(limits)}.`);
  };
}

function isBetween(
  value: number,
  { from = -Infinity, above = -Infinity, below = Infinity, to = Infinity }: Limits,
): boolean {
  return (
    Number.isFinite(Math.fround(value)) && value >= from && value > above && value < below && value <= to
  );
}

function describeLimits({ from, above, below, to }: Limits): string {
  const parts = [
    from === undefined ? "" : `from ${from} on`,
    above === undefined ? "" : `above ${above}`,
    below === undefined ? "" : `below ${below}`,
    to === undefined ? "" : `at most ${to}`,
  ];
  return parts.filter((part) => part !== "").join(" and ");
}

/** Turns "64,64" into sizes and "none" into none. */
export function sizes(text: string): number[] {
  if (text === "none") return [];
  const values = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (values.every((value) => Number.isSafeInteger(value) && value >= 1 && value <= 65536)) return values;
  throw new InvalidArgumentError("Expected sizes from 1 to 65536 such as 64,64, or none for a linear model.");
}

/** Samples to judge by: a part of the table, or a file of their own. */
export type Held = { readonly share: number } | { readonly file: string };

/** Turns "0.2" into a share and anything that is no number into the name of a file. */
export function shareOrFile(text: string): Held {
  const value = Number(text);
  if (text.trim() !== "" && Number.isNaN(value)) return { file: text };
  if (text.trim() !== "" && value > 0 && value < 1) return { share: value };
  throw new InvalidArgumentError("Expected a share above 0 and below 1, or a table's file name.");
}

/** How samples are drawn, and the column that decides it where one is named. */
export interface Sampling {
  readonly how: (typeof samplingNames)[number];
  readonly column?: string;
}

/** Ways to draw, as they are typed. The last three go by a column. */
export const samplingNames = [
  "shuffle",
  "with-replacement",
  "stratified",
  "class-balanced",
  "weighted",
] as const;

/** Turns "shuffle", "stratified", "stratified:region" and "weighted:importance" into what they say. */
export function sampling(text: string): Sampling {
  const at = text.indexOf(":");
  const named = at < 0 ? text : text.slice(0, at);
  const column = at < 0 ? undefined : text.slice(at + 1);
  const how = samplingNames.find((name) => name === named);
  const mayHaveColumn = how !== "shuffle" && how !== "with-replacement";
  const isSound = column === undefined ? how !== "weighted" : mayHaveColumn && column !== "";
  if (how !== undefined && isSound) return { how, ...(column !== undefined && { column }) };
  throw new InvalidArgumentError(
    "Expected shuffle, with-replacement, stratified, class-balanced, stratified:<column>, class-balanced:<column> " +
      "or weighted:<column>.",
  );
}

/** A metric that is good enough. */
export interface Until {
  readonly metric: string;
  readonly below?: number;
  readonly above?: number;
}

/** Turns "validation.rmse<=0.5" into what it says; "validation." may be left out, and < and > reach their limit too. */
export function until(text: string): Until {
  const [, name, sign, limit] = /^\s*([^<>=]+?)\s*([<>])=?\s*(\S+)\s*$/.exec(text) ?? [];
  const value = Number(limit);
  if (name === undefined || Number.isNaN(value)) {
    throw new InvalidArgumentError('Expected a metric and its limit, such as "validation.rmse<=0.5".');
  }
  const metric = name.startsWith("validation.") ? name : `validation.${name}`;
  return sign === "<" ? { metric, below: value } : { metric, above: value };
}

/** What lies between two checkpoints. */
export type Every = { readonly everySteps: number } | { readonly everySeconds: number };

/** Turns "100" into steps, and "30s", "5m" and "1h" into seconds. */
export function every(text: string): Every {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(s|m|h)?$/.exec(text) ?? [];
  const value = Number(number);
  if (unit !== undefined && value > 0) return { everySeconds: value * { s: 1, m: 60, h: 3600 }[unit as "s"] }; // or m or h
  if (unit === undefined && Number.isSafeInteger(value) && value >= 1) return { everySteps: value };
  throw new InvalidArgumentError("Expected a number of steps such as 100, or a time such as 30s, 5m or 1h.");
}

/** Turns "800MB" and "1.5GB" (1e9 bytes), "512MiB" and "2GiB" (2^30 bytes) into bytes. */
export function bytes(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(MB|GB|MiB|GiB)$/i.exec(text) ?? [];
  const scale = { mb: 1e6, gb: 1e9, mib: 2 ** 20, gib: 2 ** 30 }[(unit ?? "").toLowerCase()] ?? 0;
  const value = Math.floor(Number(number) * scale);
  if (value >= 1 && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("Expected bytes such as 800MB, 1.5GB, 512MiB or 2GiB.");
}

/** What a column is said to be: a kind, or its categories from least to most. */
export type TypeOf = "number" | "category" | "date" | "text" | readonly string[];

/** What a table is told of types: texts are asked for in another way. */
export function typesWithoutTexts(
  types: Readonly<Record<string, TypeOf>>,
): Record<string, Exclude<TypeOf, "text">> {
  return Object.fromEntries(
    Object.entries(types).flatMap(([name, type]) => (type === "text" ? [] : [[name, type] as const])),
  );
}

/** Collects "zip=category" and "size=small<medium<large" under their columns. */
export function typeOf(text: string, before: Readonly<Record<string, TypeOf>> = {}): Record<string, TypeOf> {
  const at = text.lastIndexOf("=");
  const column = text.slice(0, at);
  const type = text.slice(at + 1);
  const categories = type.split("<").map((category) => category.trim());
  const isKind = type === "number" || type === "category" || type === "date" || type === "text";
  if (at < 1 || !(isKind || (categories.length > 1 && categories.every((category) => category !== "")))) {
    throw new InvalidArgumentError(
      'Expected a column and what it is: "zip=category", "year=number", "sold=date", "note=text" or "size=small<medium<large".',
    );
  }
  if (Object.hasOwn(before, column)) throw new InvalidArgumentError(`"${column}" has a type already.`);
  return { ...before, [column]: isKind ? type : categories };
}

/** --threads of a command that runs a saved model. */
export const threadsOption = () =>
  new Option(
    "--threads <n>",
    "how many threads predict, each with a copy of the model: speed only (default: 1)",
  ).argParser(wholeNumber(1, 256));

/** Takes "bytes", "characters" and the path of a tokenizer, which is a file of JSON. */
export function tokens(text: string): string {
  if (text === "bytes" || text === "characters" || /\.json$/i.test(text)) return text;
  throw new InvalidArgumentError("Expected bytes, characters, or the path of a tokenizer.json.");
}

/** Collects an option that may be repeated. */
export function repeated(text: string, before: readonly string[] = []): string[] {
  if (text === "") throw new InvalidArgumentError("Expected the name of a column.");
  return [...before, text];
}
