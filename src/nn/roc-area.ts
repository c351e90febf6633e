/** The area under a ROC curve, from scores that arrive one by one: exact, on flat memory that sorts natively. */

/** How many scores one block holds: 512 KB. */
const blockScores = 2 ** 16;

/**
 * How often a sample of the class is scored above one of the rest; equal scores count half. Every score is kept, as a
 * float32: 8 bytes per sample, and as many again while they are sorted.
 */
export class RocArea {
  /** Two words per score: the bits of its signed weight, then a number that sorts as the score does. */
  readonly #blocks: Uint32Array[] = [];
  #count = 0;
  #hasNan = false;

  /** Weight 0 counts for nothing, whatever the score. */
  add(score: number, isOfClass: boolean, weight: number): void {
    if (weight === 0) return;
    this.#hasNan ||= Number.isNaN(score);
    const at = this.#count % blockScores;
    if (at === 0) this.#blocks.push(new Uint32Array(2 * blockScores));
    const block = this.#blocks[this.#blocks.length - 1]!;
    float[0] = isOfClass ? weight : -weight;
    block[2 * at] = bits[0]!;
    float[0] = score + 0; // −0 and 0 are equal scores
    block[2 * at + 1] = bits[0]! & 0x8000_0000 ? ~bits[0]! : bits[0]! | 0x8000_0000;
    this.#count++;
  }

  /** NaN where a score is NaN, undefined where only one side has weight. */
  finish(): number | undefined {
    const { words, weights } = this.#sorted();
    // Goes up through the scores: every sample of the class beats the others below it and half of those beside it.
    let [wins, ones, zeros] = [0, 0, 0];
    for (let at = 0; at < this.#count; ) {
      const score = words[2 * at + 1]!;
      let [onesHere, zerosHere] = [0, 0];
      for (; at < this.#count && words[2 * at + 1] === score; at++) {
        const weight = weights[2 * at]!;
        if (weight > 0) onesHere += weight;
        else zerosHere -= weight;
      }
      wins += onesHere * (zeros + zerosHere / 2);
      ones += onesHere;
      zeros += zerosHere;
    }
    if (ones === 0 || zeros === 0) return undefined;
    return this.#hasNan ? Number.NaN : wins / (ones * zeros);
  }

  /** All scores upwards. Each is one 64-bit number, on little-endian machines (every one here), whose upper half decides. */
  #sorted(): { readonly words: Uint32Array; readonly weights: Float32Array } {
    const pairs = new BigUint64Array(this.#count);
    const words = new Uint32Array(pairs.buffer);
    this.#blocks.forEach((block, index) => {
      const from = index * block.length;
      words.set(block.subarray(0, Math.min(block.length, words.length - from)), from);
    });
    pairs.sort(); // without a comparison of ours: 1e6 scores in 0.1 s instead of 0.6
    return { words, weights: new Float32Array(pairs.buffer) };
  }
}

/** One float32 and its bits. */
const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);
