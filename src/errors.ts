/** One voice for everything that can go wrong: where, what was expected, what came, what to type instead. */

/** The four parts of an error message. Build them from the variables the check looked at, never from memory. */
export interface Proof {
  /** What would have been right. */
  readonly expected: string;
  /** What came instead. */
  readonly got: string;
  /** What to type instead. */
  readonly fix: string;
}

/**
 * Every error this package throws on purpose. `message` reads
 * `where: expected …, got …. Fix: …`; the parts are also there one by one.
 */
export class MicrobatchError extends Error {
  override readonly name: string = "MicrobatchError";
  readonly where: string;
  readonly expected: string;
  readonly got: string;
  readonly fix: string;

  constructor(where: string, proof: Proof, options?: ErrorOptions) {
    super(`${where}: expected ${proof.expected}, got ${proof.got}. Fix: ${proof.fix}`, options);
    this.where = where;
    this.expected = proof.expected;
    this.got = proof.got;
    this.fix = proof.fix;
  }
}

/** Throws a MicrobatchError. Returns never, so it can stand where a value is expected. */
export function fail(where: string, proof: Proof, options?: ErrorOptions): never {
  throw new MicrobatchError(where, proof, options);
}

/** What something that was thrown says; anything may be thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** At most 60 characters of a text. */
export function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** What kind of value came, in a few words, where anything may come. */
export function kindOf(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(shorten(value));
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return "a list";
  const kind = value.constructor?.name ?? "Object";
  return kind === "Object" ? "an object" : `${/^[AEIOU]/.test(kind) ? "an" : "a"} ${kind}`;
}

/** Throws for something that cannot happen unless this package is wrong. */
export function bug(what: string): never {
  throw new Error(`bug: ${what}. Please report this message with the plan that led to it.`);
}
