/** Lines that are no samples: refused, or counted up to a limit. */
import { fail, type Proof } from "../../errors.ts";

/** What to do about a line that cannot be read: stop at the first, or leave out at most so many. */
export type OnBadLine = "error" | { readonly skip: number };

/** What was left out. */
export interface SkippedLines {
  readonly count: number;
  /** The first ten of them. */
  readonly first: readonly { readonly line: number; readonly reason: string }[];
}

/** Counts the bad lines of one file. */
export class BadLines {
  readonly #path: string;
  readonly #limit: number;
  readonly #first: { readonly line: number; readonly reason: string }[] = [];
  #count = 0;

  constructor(path: string, onBadLine: OnBadLine) {
    this.#path = path;
    this.#limit = onBadLine === "error" ? 0 : onBadLine.skip;
  }

  /** Throws where that is one too many. where: what of the line it is, such as a key. */
  add(line: number, proof: Proof, where = ""): void {
    if (this.#limit === 0) fail(`${this.#path}, line ${line}${where}`, proof);
    const reason = `${where === "" ? "" : `${where.slice(2)}: `}expected ${proof.expected}, got ${proof.got}`;
    if (this.#first.length < 10) this.#first.push({ line, reason });
    this.#count++;
    if (this.#count <= this.#limit) return;
    const [first] = this.#first;
    fail(`${this.#path}, line ${line}`, {
      expected: `at most ${this.#limit} bad lines`,
      got: `${this.#count}, the first at line ${first!.line} (${first!.reason})`,
      fix: `${proof.fix}, or skip more`,
    });
  }

  get skipped(): SkippedLines {
    return { count: this.#count, first: [...this.#first] };
  }
}
