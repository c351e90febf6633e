/** Several classes on one line of positions, each as evenly as can be. */
/**
 * Gives every position a class, so that class c comes counts[c] times and the first P positions, whatever P, hold its share
 * P · counts[c] / positions to less than one. Of classes that are equally due comes first the one whose turn has the least
 * `tie`, a number from 0 up to 1.
 *
 * The n-th turn of a class may come from ⌊n / share⌋ on and must come before ⌈(n + 1) / share⌉, and the turn that must
 * come first is taken. Such windows can always be kept, and who keeps them is never one whole sample away from the share.
 * Source: Baruah, Cohen, Plaxton, Varvel, "Proportionate progress: a notion of fairness in resource allocation",
 * Algorithmica 15, 1996. Takes log(classes) per position.
 */
export function spread(
  counts: Uint32Array,
  tie: (index: number, turn: number) => number,
  place: (position: number, index: number) => void,
): void {
  const positions = counts.reduce((sum, count) => sum + count, 0);
  const left = counts.slice();
  // ⌊n / share⌋ of each class's next turn as whole + part / count: exact for any number of positions.
  const whole = new Float64Array(counts.length);
  const part = new Float64Array(counts.length);
  const ready = new Queue(counts.length); // by the end of the window; the tie is the fraction
  const waiting = new Queue(counts.length); // by its beginning
  const nextTurn = (index: number) => {
    const count = counts[index]!;
    whole[index]! += Math.floor(positions / count);
    part[index]! += positions % count;
    if (part[index]! >= count) {
      part[index]! -= count;
      whole[index]!++;
    }
    const end = whole[index]! + (part[index]! > 0 ? 1 : 0);
    return end + tie(index, count - left[index]!);
  };
  for (let index = 0; index < counts.length; index++) ready.push(nextTurn(index), index);
  for (let position = 0; position < positions; position++) {
    while (waiting.least <= position) {
      const index = waiting.pop();
      ready.push(nextTurn(index), index);
    }
    const index = ready.pop();
    place(position, index);
    if (--left[index]! > 0) waiting.push(whole[index]!, index);
  }
}

/** A binary heap: gives the item with the least key first. */
class Queue {
  readonly #keys: Float64Array;
  readonly #items: Uint32Array;
  #length = 0;

  constructor(capacity: number) {
    this.#keys = new Float64Array(capacity);
    this.#items = new Uint32Array(capacity);
  }

  /** The least key, infinity where there is none. */
  get least(): number {
    return this.#length === 0 ? Number.POSITIVE_INFINITY : this.#keys[0]!;
  }

  push(key: number, item: number): void {
    let at = this.#length++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#keys[parent]! <= key) break;
      this.#set(at, this.#keys[parent]!, this.#items[parent]!);
      at = parent;
    }
    this.#set(at, key, item);
  }

  /** Takes the item with the least key out. */
  pop(): number {
    const first = this.#items[0]!;
    const length = --this.#length;
    const key = this.#keys[length]!;
    const item = this.#items[length]!;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && this.#keys[child + 1]! < this.#keys[child]!) child++;
      if (this.#keys[child]! >= key) break;
      this.#set(at, this.#keys[child]!, this.#items[child]!);
      at = child;
    }
    this.#set(at, key, item);
    return first;
  }

  #set(at: number, key: number, item: number): void {
    this.#keys[at] = key;
    this.#items[at] = item;
  }
}
