/**
 * The quartiles of float32 numbers, exact, in two passes over numbers that need not fit into memory. Numbers
 * in order have their bits in order (with the sign turned around), so the first pass counts by the upper 16
 * bits and the second looks at the lower 16 bits of those few counts in which a quartile lies: radix
 * selection.
 */
import { bitsOf, floatOf, isNanBits, orderOf } from "./float-order.ts";
import { LowerHalves } from "./lower-halves.ts";

/** Takes all numbers twice, `count` first, then `refine`; after that it knows the quartiles. NaN is no number. */
export class QuartileFold {
  /** How many numbers have each upper half: pages of 256, most of which never come (a page spans a factor of 4). */
  #pages: (Uint32Array | undefined)[] = Array(256);
  #numbers = 0;
  #buckets: readonly LowerHalves[] | undefined;

  /** The first pass. */
  count(values: Float32Array): void {
    for (const bits of bitsOf(values)) {
      if (isNanBits(bits)) continue;
      const upper = orderOf(bits) >>> 16;
      this.#pages[upper >>> 8] ??= new Uint32Array(256);
      this.#pages[upper >>> 8]![upper & 255]!++;
      this.#numbers++;
    }
  }

  /** What the second pass will take, at most 1.5 MiB. Ends the first pass, whose memory it gives back. */
  get bytes(): number {
    return this.#found().reduce((sum, bucket) => sum + bucket.bytes, 0);
  }

  /** The second pass, over the same numbers. */
  refine(values: Float32Array): void {
    const buckets = this.#found();
    for (const bits of bitsOf(values)) {
      if (isNanBits(bits)) continue;
      const order = orderOf(bits);
      for (const bucket of buckets) {
        if (bucket.upper === order >>> 16) bucket.add(order & 0xffff);
      }
    }
  }

  /** A quarter, a half and three quarters of the numbers are at most these; 0 where there are none. */
  get quartiles(): readonly [number, number, number] {
    return [this.#quantile(0.25), this.#quantile(0.5), this.#quantile(0.75)];
  }

  /**
   * Between two numbers it lies on the line from one to the other. Source: numpy.quantile, method "linear"
   * (its default).
   */
  #quantile(share: number): number {
    if (this.#numbers === 0) return 0;
    const { below, above, part } = placeOf(share, this.#numbers);
    const from = this.#ranked(below) + 0; // −0 becomes 0
    return part === 0 ? from : from + (this.#ranked(above) - from) * part;
  }

  /** The number of a rank from 0 on. */
  #ranked(rank: number): number {
    const bucket = this.#found().find(({ first, numbers }) => rank >= first && rank < first + numbers)!;
    return floatOf(((bucket.upper << 16) | bucket.lowerOf(rank - bucket.first)) >>> 0);
  }

  /** The counts in which the quartiles lie: one to six. */
  #found(): readonly LowerHalves[] {
    if (this.#buckets !== undefined) return this.#buckets;
    const ranks = [0.25, 0.5, 0.75].flatMap((share) => {
      const { below, above } = placeOf(share, this.#numbers);
      return [below, above];
    });
    const buckets: LowerHalves[] = [];
    let first = 0;
    this.#pages.forEach((page, at) => {
      page?.forEach((numbers, place) => {
        const isSought = ranks.some((rank) => rank >= first && rank < first + numbers);
        if (isSought) buckets.push(new LowerHalves((at << 8) | place, first, numbers));
        first += numbers;
      });
    });
    this.#pages = [];
    this.#buckets = buckets;
    return buckets;
  }
}

function placeOf(share: number, numbers: number): { below: number; above: number; part: number } {
  const place = share * (numbers - 1);
  const below = Math.floor(place);
  return { below, above: Math.min(below + 1, numbers - 1), part: place - below };
}
