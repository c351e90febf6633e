/** Half of radix selection: float32 numbers whose upper 16 bits are the same, told apart by their lower 16 bits. */

/**
 * Numbers with the same upper half: their lower halves, each by itself or counted, whatever is smaller. 256
 * KiB at most.
 */
export class LowerHalves {
  readonly upper: number;
  /** The rank of its smallest number. */
  readonly first: number;
  readonly numbers: number;
  #list: Uint16Array | undefined;
  #counts: Uint32Array | undefined;
  #added = 0;

  constructor(upper: number, first: number, numbers: number) {
    this.upper = upper;
    this.first = first;
    this.numbers = numbers;
  }

  get bytes(): number {
    return Math.min(2 * this.numbers, 4 * 2 ** 16);
  }

  add(lower: number): void {
    if (2 * this.numbers <= 4 * 2 ** 16) {
      this.#list ??= new Uint16Array(this.numbers);
      this.#list[this.#added++] = lower;
    } else {
      this.#counts ??= new Uint32Array(2 ** 16);
      this.#counts[lower]!++;
    }
  }

  /** The lower half of the number of a rank within the bucket. Once all were added. */
  lowerOf(rank: number): number {
    if (this.#counts === undefined) return this.#list!.sort()[rank]!;
    let [lower, passed] = [0, this.#counts[0]!];
    while (passed <= rank) passed += this.#counts[++lower]!;
    return lower;
  }

  /**
   * The lower half that comes most often, the smallest of equally frequent ones, and how often. Once all were
   * added.
   */
  get mode(): { readonly lower: number; readonly count: number } {
    let best = { lower: 0, count: 0 };
    const take = (lower: number, count: number) => {
      if (count > best.count) best = { lower, count };
    };
    if (this.#counts !== undefined) this.#counts.forEach((count, lower) => void take(lower, count));
    let run = 0;
    const list = this.#list?.sort() ?? [];
    list.forEach((lower, at) => {
      run = lower === list[at - 1] ? run + 1 : 1;
      take(lower, run);
    });
    return best;
  }
}
