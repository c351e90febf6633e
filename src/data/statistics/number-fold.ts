/** Columns of numbers as they go by, some thousand samples at a time, in two passes. */
import type { NumberColumn, NumberStatistics } from "../../array/schema.ts";
import { ModeFold } from "./mode-fold.ts";
import { QuartileFold } from "./quartile-fold.ts";

/**
 * Mean, deviation and extremes of numbers, NaN where they are missing: `add` them all, then `addSquares` of
 * them all.
 */
export class NumberFold {
  #count = 0;
  #weight = 0;
  #missing = 0;
  #sum = 0;
  #minimum = Number.POSITIVE_INFINITY;
  #maximum = Number.NEGATIVE_INFINITY;
  #squares = 0;

  add(values: ArrayLike<number>, weights?: Float32Array): void {
    for (let index = 0; index < values.length; index++) {
      const value = values[index]!;
      if (Number.isNaN(value)) {
        this.#missing++;
        continue;
      }
      const weight = weights?.[index] ?? 1;
      this.#count++;
      this.#weight += weight;
      this.#sum += weight * value;
      if (value < this.#minimum) this.#minimum = value;
      if (value > this.#maximum) this.#maximum = value;
    }
  }

  /**
   * Once all were added: of equal numbers exactly their value, since float64 has 29 bits to spare for a sum
   * of float32.
   */
  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#weight;
  }

  /** The second pass. Deviations are taken from the mean, since Σx² − (Σx)²/n would cancel. */
  addSquares(values: ArrayLike<number>, weights?: Float32Array): void {
    const { mean } = this;
    for (let index = 0; index < values.length; index++) {
      const value = values[index]!;
      if (!Number.isNaN(value)) this.#squares += (weights?.[index] ?? 1) * (value - mean) ** 2;
    }
  }

  /** The population's, once all were added twice. */
  get deviation(): number {
    return this.#count === 0 ? 0 : Math.sqrt(this.#squares / this.#weight);
  }

  statistics(name: string): NumberStatistics {
    const { mean, deviation } = this;
    const [minimum, maximum] = this.#count === 0 ? [0, 0] : [this.#minimum, this.#maximum];
    return { kind: "number", name, mean, deviation, minimum, maximum, missing: this.#missing, fill: mean };
  }
}

/**
 * Everything an encoder may ask about a feature: its numbers, their logarithms, their quartiles, what stands
 * in for them.
 */
export class FeatureFold {
  readonly #column: NumberColumn;
  readonly #numbers = new NumberFold();
  readonly #logarithms = new NumberFold();
  readonly quartiles = new QuartileFold();
  /** Where the most frequent number stands in for missing ones. It takes passes of its own. */
  readonly mode: ModeFold | undefined;

  constructor(column: NumberColumn) {
    this.#column = column;
    this.mode = column.whenMissing?.fill === "mode" ? new ModeFold() : undefined;
  }

  add(values: Float32Array): void {
    this.mode?.count(values);
    this.#numbers.add(values);
    this.#logarithms.add(signedLogarithms(values));
    this.quartiles.count(values);
  }

  /**
   * The second pass; that of the quartiles is made apart, since it may need more memory than there is for all
   * at once.
   */
  addSquares(values: Float32Array): void {
    this.#numbers.addSquares(values);
    this.#logarithms.addSquares(signedLogarithms(values));
  }

  statistics(): NumberStatistics {
    const numbers = this.#numbers.statistics(this.#column.name);
    const { mean, deviation } = this.#logarithms;
    return {
      ...numbers,
      ...this.#column,
      fill: this.#fill(numbers.mean),
      quartiles: this.quartiles.quartiles,
      // Equal logarithms, unlike equal float32 numbers, fill float64 to its last bit, and their mean may be
      // another number.
      logarithm: { mean, deviation: numbers.deviation === 0 ? 0 : deviation },
    };
  }

  #fill(mean: number): number {
    const { fill = "mean" } = this.#column.whenMissing ?? {};
    if (fill === "mean") return mean;
    if (fill === "median") return this.quartiles.quartiles[1];
    return fill === "mode" ? this.mode!.mode : fill;
  }
}

/** sign(x) · ln(1 + |x|), in float64. */
function signedLogarithms(values: Float32Array): Float64Array {
  const logarithms = new Float64Array(values.length);
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    logarithms[index] = value < 0 ? -Math.log1p(-value) : Math.log1p(value);
  }
  return logarithms;
}
