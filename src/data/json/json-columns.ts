/** The values of JSON objects, column by column: cells of a table, and lists of numbers. */
import { kindOf, type Proof } from "../../errors.ts";
import { cellOf } from "../numbers.ts";
import type { AppendedColumn } from "../table/cells/vectors.ts";
import type { JsonValue } from "./json-object.ts";

/** A key of the file. */
export interface JsonColumn {
  readonly key: string;
  /** What its values are: known from the first one that is not null on. */
  readonly kind: "unknown" | "cell" | "list";
  /** How many numbers a list has. */
  readonly elements: number;
}

/** A cell, the bytes of a list's float32 numbers, or nothing. */
type StoredValue = string | Uint8Array | null;

/** What is wrong with a line, and with which key, where it is one. */
export interface LineProblem {
  readonly key?: string;
  readonly proof: Proof;
}

interface GrowingColumn {
  readonly key: string;
  kind: JsonColumn["kind"];
  elements: number;
  /** The line that says what kind it is. */
  line: number;
  values: StoredValue[];
}

/** More than a table has, and less than an object whose keys are names of things. */
const mostKeys = 10_000;

/** Takes objects and gives columns, the keys in the order in which they come first. */
export class JsonColumns {
  readonly #columns = new Map<string, GrowingColumn>();
  readonly #wants: (key: string) => boolean;
  #lines: number[] = [];

  /** wants: whether the values of a key are looked at. */
  constructor(wants: (key: string) => boolean) {
    this.#wants = wants;
  }

  /** All keys. */
  get columns(): readonly JsonColumn[] {
    return [...this.#columns.values()];
  }

  /** How many objects there are that `take` has not given. */
  get size(): number {
    return this.#lines.length;
  }

  /** Adds the object of a line, whole or, where something is wrong with it, not at all. */
  add(object: { readonly [key: string]: JsonValue }, line: number): LineProblem | undefined {
    const entries: (readonly [key: string, kind: JsonColumn["kind"], value: StoredValue])[] = [];
    let added = 0;
    for (const key of Object.keys(object)) {
      const isWanted = this.#wants(key);
      if (isWanted && !this.#columns.has(key) && this.#columns.size + ++added > mostKeys)
        return tooManyKeys(key);
      const value = isWanted ? this.#read(key, object[key]!) : null;
      if (value !== null && !isStored(value)) return { key, proof: value };
      entries.push([key, value === null ? "unknown" : typeof value === "string" ? "cell" : "list", value]);
    }
    const row = this.#lines.push(line) - 1;
    for (const [key, kind, value] of entries) {
      if (this.#columns.size >= mostKeys && !this.#columns.has(key)) continue; // not wanted, or it would be refused above
      const column = this.#columns.get(key) ?? this.#addColumn(key);
      if (column.kind === "unknown" && kind !== "unknown") {
        column.kind = kind;
        column.line = line;
        if (value instanceof Uint8Array) column.elements = value.length / 4;
      }
      while (column.values.length < row) column.values.push(null); // it was not there
      column.values.push(value);
    }
    return undefined;
  }

  /** The lines, and what the columns of known kind have in each of them, from which on they are forgotten. */
  take(): { readonly lines: readonly number[]; readonly values: ReadonlyMap<string, AppendedColumn> } {
    const lines = this.#lines;
    const values = new Map<string, AppendedColumn>();
    for (const column of this.#columns.values()) {
      while (column.values.length < lines.length) column.values.push(null);
      const type = column.kind === "list" ? "blob" : "varchar";
      if (column.kind !== "unknown") values.set(column.key, { type, values: column.values });
      column.values = [];
    }
    this.#lines = [];
    return { lines, values };
  }

  #addColumn(key: string): GrowingColumn {
    const column: GrowingColumn = { key, kind: "unknown", elements: 0, line: 0, values: [] };
    this.#columns.set(key, column);
    return column;
  }

  /** What is stored of a value, or what is wrong with it. */
  #read(key: string, value: JsonValue): StoredValue | Proof {
    const column = this.#columns.get(key);
    const stored = storedValue(value);
    if (stored === null || !isStored(stored) || column === undefined || column.kind === "unknown")
      return stored;
    const isList = typeof stored !== "string";
    if (isList === (column.kind === "list") && (!isList || stored.length === 4 * column.elements))
      return stored;
    return {
      expected: `${column.kind === "list" ? listOf(column.elements) : "a single value"}, as in line ${column.line}`,
      got: isList ? listOf(stored.length / 4) : kindOf(value),
      fix: "correct the line, or leave the key out",
    };
  }
}

function tooManyKeys(key: string): LineProblem {
  const fix = "make the keys values, or name those to read: columns";
  return { key, proof: { expected: `at most ${mostKeys} different keys`, got: "another one", fix } };
}

const listOf = (count: number) => `a list of ${count} ${count === 1 ? "number" : "numbers"}`;

function isStored(value: StoredValue | Proof): value is StoredValue {
  return typeof value === "string" || value === null || value instanceof Uint8Array;
}

function storedValue(value: JsonValue): StoredValue | Proof {
  if (value === null) return null;
  if (typeof value === "string") {
    if (value.isWellFormed() && !value.includes("\0")) return cellOf(value);
    const got = `${kindOf(value)}, ${value.isWellFormed() ? "a zero byte" : "half a character"}`;
    return { expected: "Unicode text", got, fix: "correct the line" };
  }
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (typeof value === "boolean") return String(value);
  if (isList(value)) return storedList(value);
  const fix = "give its parts keys of their own, or name the keys to read: columns";
  return { expected: "a number, a text, true, false, null, or a list of numbers", got: "an object", fix };
}

/** Array.isArray does not narrow a readonly list. */
const isList = (value: JsonValue): value is readonly JsonValue[] => Array.isArray(value);

function storedList(list: readonly JsonValue[]): Uint8Array | Proof {
  const numbers = new Float32Array(list.length);
  for (let at = 0; at < list.length; at++) {
    const value = list[at]!;
    numbers[at] = value === null ? Number.NaN : Number(value);
    const isNumber = value === null || (typeof value === "number" && Number.isFinite(numbers[at]));
    if (!isNumber) {
      const got = `${kindOf(value)} at place ${at}`;
      return {
        expected: "numbers that fit float32 in a list",
        got,
        fix: "correct the line, or leave the key out",
      };
    }
  }
  if (numbers.length > 0) return new Uint8Array(numbers.buffer);
  return {
    expected: "at least one number in a list",
    got: "none",
    fix: "write null where the list is missing",
  };
}
