/**
 * The mode of float32 numbers, exact, in passes over numbers that need not fit into memory: the first counts
 * them by the upper half of their bits, each further one looks at the lower half of those with the most
 * frequent upper halves, as many as there is memory for, until none is left that could hold a more frequent
 * number.
 */
import { bitsOf, floatOf, isNanBits, orderOf } from "./float-order.ts";
import { LowerHalves } from "./lower-halves.ts";

/** Takes all numbers in `count`, then, as long as `begin` says so, in `look`. NaN is no number, and −0 is 0. */
export class ModeFold {
  readonly #counts = new Map<number, number>();
  /** Upper halves that may hold the mode, the most frequent first. */
  #waiting: LowerHalves[] | undefined;
  #open = new Map<number, LowerHalves>();
  #best = { order: 0, count: 0 };

  /** The first pass. */
  count(values: Float32Array): void {
    for (const bits of bitsOf(values)) {
      if (isNanBits(bits)) continue;
      const upper = upperOf(bits);
      this.#counts.set(upper, (this.#counts.get(upper) ?? 0) + 1);
    }
  }

  /** Ends a pass. Whether another is needed, which then takes about so many bytes. */
  begin(bytes: number): boolean {
    this.#waiting ??= [...this.#counts]
      .map(([upper, numbers]) => new LowerHalves(upper, 0, numbers))
      .sort((a, b) => b.numbers - a.numbers || a.upper - b.upper);
    for (const half of this.#open.values()) this.#settle(half);
    this.#open = new Map();
    const waiting = this.#waiting.filter((half) => this.#mayHoldMode(half));
    let room = bytes;
    while (waiting.length > 0 && (this.#open.size === 0 || waiting[0]!.bytes <= room)) {
      const half = waiting.shift()!;
      this.#open.set(half.upper, half);
      room -= half.bytes;
    }
    this.#waiting = waiting;
    return this.#open.size > 0;
  }

  /** A further pass, over the same numbers. */
  look(values: Float32Array): void {
    for (const bits of bitsOf(values)) {
      if (!isNanBits(bits)) this.#open.get(upperOf(bits))?.add(orderOf(plain(bits)) & 0xffff);
    }
  }

  /** The most frequent number, the smallest of equally frequent ones; 0 where there is none. */
  get mode(): number {
    return this.#best.count === 0 ? 0 : floatOf(this.#best.order);
  }

  #settle(half: LowerHalves): void {
    const { lower, count } = half.mode;
    const order = ((half.upper << 16) | lower) >>> 0;
    const { count: most, order: first } = this.#best;
    if (count > most || (count === most && order < first)) this.#best = { order, count };
  }

  #mayHoldMode({ numbers, upper }: LowerHalves): boolean {
    const { count, order } = this.#best;
    return numbers > count || (numbers === count && upper <= order >>> 16);
  }
}

/** −0 has the bits of 0. */
const plain = (bits: number) => (bits === 0x80000000 ? 0 : bits);
const upperOf = (bits: number) => orderOf(plain(bits)) >>> 16;
