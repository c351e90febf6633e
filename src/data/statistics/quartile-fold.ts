/**
 * The quartiles of float32 numbers, exact, in two passes over numbers that need not fit into memory. Numbers in order have
 * their bits in order (with the sign turned around), so the first pass counts by the upper 16 bits and the second looks at
 * the lower 16 bits of those few counts in which a quartile lies: radix selection.
 */

/** Takes all numbers twice, `count` first, then `refine`; after that it knows the quartiles. NaN is no number. */
export class QuartileFold {
  /** How many numbers have each upper half: pages of 256, most of which never come (a page spans a factor of 4). */
  #pages: (Uint32Array | undefined)[] = Array(256);
  #numbers = 0;
  #buckets: readonly Bucket[] | undefined;

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

  /** Between two numbers it lies on the line from one to the other. Source: numpy.quantile, method "linear" (its default). */
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
  #found(): readonly Bucket[] {
    if (this.#buckets !== undefined) return this.#buckets;
    const ranks = [0.25, 0.5, 0.75].flatMap((share) => {
      const { below, above } = placeOf(share, this.#numbers);
      return [below, above];
    });
    const buckets: Bucket[] = [];
    let first = 0;
    this.#pages.forEach((page, at) => {
      page?.forEach((numbers, place) => {
        const isSought = ranks.some((rank) => rank >= first && rank < first + numbers);
        if (isSought) buckets.push(new Bucket((at << 8) | place, first, numbers));
        first += numbers;
      });
    });
    this.#pages = [];
    this.#buckets = buckets;
    return buckets;
  }
}

/** Numbers with the same upper half: their lower halves, each by itself or counted, whatever is smaller. */
class Bucket {
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
}

function placeOf(share: number, numbers: number): { below: number; above: number; part: number } {
  const place = share * (numbers - 1);
  const below = Math.floor(place);
  return { below, above: Math.min(below + 1, numbers - 1), part: place - below };
}

const bitsOf = (values: Float32Array) => new Uint32Array(values.buffer, values.byteOffset, values.length);
const isNanBits = (bits: number) => (bits & 0x7fffffff) > 0x7f800000;
/** Turns bits into whole numbers that are in order as the floats are: −∞ first. */
const orderOf = (bits: number) => (bits & 0x80000000 ? ~bits : bits | 0x80000000) >>> 0;

function floatOf(order: number): number {
  const bits = order & 0x80000000 ? order & 0x7fffffff : ~order;
  return new Float32Array(Uint32Array.of(bits).buffer)[0]!;
}
