/** Columns of codes as they go by. */
import type { ColumnArray } from "../memory.ts";

/** How many samples have each code, and what they weigh; missing ones, and those of no listed category, are apart. */
export class CodeFold {
  readonly counts: number[];
  readonly weights: number[];
  missing = 0;
  unlisted = 0;

  constructor(categories: number) {
    this.counts = Array<number>(categories).fill(0);
    this.weights = Array<number>(categories).fill(0);
  }

  add(codes: ColumnArray, weights?: Float32Array): void {
    for (let index = 0; index < codes.length; index++) {
      const code = codes[index]!;
      if (code < 0) this.missing++;
      else if (code < this.counts.length) {
        this.counts[code]!++;
        this.weights[code]! += weights?.[index] ?? 1;
      } else this.unlisted++;
    }
  }
}
