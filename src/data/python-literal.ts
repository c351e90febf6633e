/** Literals of Python as NumPy writes them into headers. Source: The Python Language Reference 3, chapters 2.4 and 6.2. */
import { fail } from "../errors.ts";

/** A text, a whole number, True, False, None, a list or tuple, or a dictionary whose keys are texts. */
export type PythonValue =
  | string
  | number
  | boolean
  | null
  | readonly PythonValue[]
  | ReadonlyMap<string, PythonValue>;

/**
 * The value that a text writes down. Throws at the first character that is out of place; `where` says what to call the
 * place of the character at an index, and `fix` what to do about it.
 */
export function parsePythonLiteral(text: string, where: (index: number) => string, fix: string): PythonValue {
  const reader: Reader = {
    text,
    at: 0,
    refuse: (expected, index) => fail(where(index), { expected, got: shown(text, index), fix }),
  };
  const value = readValue(reader, 0);
  skipBlanks(reader);
  if (reader.at < text.length) reader.refuse("nothing behind the value", reader.at);
  return value;
}

/** The text as Python writes it, in ASCII alone. */
export function pythonText(text: string): string {
  const escaped = text.replace(/[^ !#-&(-[\]-~]/gu, (character) => {
    const code = character.codePointAt(0)!;
    if (character === "'" || character === "\\") return `\\${character}`;
    if (character === '"') return character;
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
    if (code < 0x10000) return `\\u${code.toString(16).padStart(4, "0")}`;
    return `\\U${code.toString(16).padStart(8, "0")}`;
  });
  return `'${escaped}'`;
}

interface Reader {
  readonly text: string;
  at: number;
  refuse(expected: string, index: number): never;
}

/** Deeper than any header of sense; without a limit a million brackets would overflow the stack. */
const deepest = 32;

function readValue(reader: Reader, depth: number): PythonValue {
  skipBlanks(reader);
  const start = reader.at;
  if (depth > deepest) reader.refuse(`at most ${deepest} brackets within each other`, start);
  switch (reader.text[start]) {
    case "{":
      return readDictionary(reader, depth);
    case "[":
      return readItems(reader, "]", depth).items;
    case "(": {
      const { items, commas } = readItems(reader, ")", depth);
      return items.length === 1 && commas === 0 ? items[0]! : items; // (3) is 3, (3,) is a tuple
    }
    case "'":
    case '"':
      return readText(reader);
  }
  return readWord(reader);
}

function readItems(reader: Reader, end: string, depth: number): { items: PythonValue[]; commas: number } {
  const items: PythonValue[] = [];
  let commas = 0;
  reader.at++; // the opening bracket
  while (!skip(reader, end)) {
    if (items.length > commas) reader.refuse(`"," or "${end}"`, reader.at);
    items.push(readValue(reader, depth + 1));
    if (skip(reader, ",")) commas++;
  }
  return { items, commas };
}

function readDictionary(reader: Reader, depth: number): ReadonlyMap<string, PythonValue> {
  const entries = new Map<string, PythonValue>();
  let commas = 0;
  reader.at++; // the opening bracket
  while (!skip(reader, "}")) {
    if (entries.size > commas) reader.refuse('"," or "}"', reader.at);
    const start = reader.at;
    const key = readValue(reader, depth + 1);
    if (typeof key !== "string" || entries.has(key)) return reader.refuse("a new key in quotes", start);
    if (!skip(reader, ":")) reader.refuse('":" behind the key', reader.at);
    entries.set(key, readValue(reader, depth + 1));
    if (skip(reader, ",")) commas++;
  }
  return entries;
}

const escapes: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  a: "\x07",
  b: "\b",
  f: "\f",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
};
const hexDigits: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

function readText(reader: Reader): string {
  const { text } = reader;
  const start = reader.at;
  const quote = text[start]!;
  let value = "";
  for (let at = start + 1; at < text.length; at++) {
    const character = text[at]!;
    if (character === quote) {
      reader.at = at + 1;
      return value;
    }
    if (character !== "\\") value += character;
    else {
      const letter = text[at + 1] ?? "";
      const digits = hexDigits[letter];
      const code = digits === undefined ? "" : text.slice(at + 2, at + 2 + digits);
      const isCode = /^[0-9a-fA-F]+$/.test(code) && code.length === digits && Number(`0x${code}`) <= 0x10ffff;
      const meant = isCode ? String.fromCodePoint(Number(`0x${code}`)) : escapes[letter];
      if (meant === undefined) return reader.refuse("an escape of Python behind the backslash", at);
      value += meant;
      at += 1 + code.length;
    }
  }
  return reader.refuse(`a text that ends with ${quote}`, start);
}

const words: ReadonlyMap<string, boolean | null> = new Map([
  ["True", true],
  ["False", false],
  ["None", null],
]);

/** A whole number (Python 2 wrote an L behind large ones), True, False or None. */
function readWord(reader: Reader): number | boolean | null {
  const pattern = /-?(?:0+(?!\d)|[1-9]\d*)L?|[A-Za-z]+/y;
  pattern.lastIndex = reader.at;
  const [word = ""] = pattern.exec(reader.text) ?? [];
  const value = words.has(word) ? words.get(word)! : /\d/.test(word) ? Number.parseInt(word, 10) : undefined;
  if (value === undefined) return reader.refuse("a value of Python", reader.at);
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    reader.refuse(`a whole number up to ${Number.MAX_SAFE_INTEGER}`, reader.at);
  }
  reader.at += word.length;
  return value;
}

function skip(reader: Reader, character: string): boolean {
  skipBlanks(reader);
  if (reader.text[reader.at] !== character) return false;
  reader.at++;
  return true;
}

function skipBlanks(reader: Reader): void {
  const blanks = /[ \t\r\n\f]*/y;
  blanks.lastIndex = reader.at;
  blanks.exec(reader.text);
  reader.at = blanks.lastIndex;
}

function shown(text: string, index: number): string {
  if (index >= text.length) return "the end of the header";
  const rest = text.slice(index, index + 20);
  return JSON.stringify(index + 20 < text.length ? `${rest}…` : rest);
}
