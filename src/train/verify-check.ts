/** CONTRACT of a certificate's checks, and the clock that they share. */

/** What is checked, in the order in which it is told. */
export type CheckName =
  | "splits"
  | "company"
  | "layers"
  | "threads"
  | "resume"
  | "saved"
  | "kill"
  | "encoding"
  | "batches";

/** One promise, tried. Plain data. */
export interface Check {
  readonly name: CheckName;
  readonly holds: boolean | "skipped";
  /** The figures by what they are of: gaps as shares of what `limit` is a share of, or SHA-256. */
  readonly measured: Readonly<Record<string, number | string>>;
  /** The largest gap that holds; null where equal is meant. */
  readonly limit: number | null;
  /** A sentence: what holds, what does not and why, or why it was skipped. */
  readonly why: string;
}

/** Time that is spent and left. */
export class VerifyClock {
  readonly allowed: number;
  readonly #began = performance.now();

  constructor(allowed: number) {
    this.allowed = allowed;
  }

  get seconds(): number {
    return (performance.now() - this.#began) / 1000;
  }

  get left(): number {
    return this.allowed - this.seconds;
  }

  /** Why there is no time for what is expected to take so many seconds; undefined where there is. */
  refusal(seconds: number): string | undefined {
    if (seconds <= this.left) return undefined;
    return `for time: it would take about ${seconds.toFixed(1)} s, and ${Math.max(0, this.left).toFixed(1)} of ${this.allowed.toFixed(1)} s are left`;
  }
}

/** A gap in words: "5.3e-8". */
export const inWords = (gap: number) => (gap === 0 ? "nothing" : gap.toExponential(1));
