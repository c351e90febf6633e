/** How threads wait for one another: a bell that wakes all of them, and a lock that one holds at a time. Both are a word of shared memory. */

/**
 * Milliseconds for which a thread that has nothing to do looks at the bell before it goes to sleep. To wake one took whoever rang
 * 0.02 ms and the sleeper 0.03 ms or more; a step of a small model, 2.5 ms, has four such moments.
 */
const awakeMs = 0.5;
/** Where there are more threads than cores: whoever stays awake keeps another from its work. */
const crowdedMs = 0.05;

/** Wakes threads that have nothing to do. */
export class Bell {
  readonly #word: Int32Array;
  readonly #awakeMs: number;

  constructor(word: Int32Array, isCrowded: boolean) {
    this.#word = word;
    this.#awakeMs = isCrowded ? crowdedMs : awakeMs;
  }

  /** Changes with every ring. Read it before looking for something to do, and wait for another value. */
  get value(): number {
    return Atomics.load(this.#word, 0);
  }

  /** Waits until the value differs from what was read, or so many milliseconds. False where nothing happened. */
  wait(value: number, milliseconds: number): boolean {
    for (const end = performance.now() + this.#awakeMs; performance.now() < end; )
      if (this.value !== value) return true;
    return Atomics.wait(this.#word, 0, value, milliseconds) !== "timed-out";
  }

  ring(): void {
    Atomics.add(this.#word, 0, 1);
    Atomics.notify(this.#word, 0);
  }
}

/** Looks at a lock that is taken before a thread sleeps over it: what is done under it takes a few microseconds. */
const looks = 1000;

/** What one member at a time may do. */
export class Lock {
  readonly #word: Int32Array;
  readonly #member: number;

  constructor(word: Int32Array, member: number) {
    this.#word = word;
    this.#member = member;
  }

  during<Result>(change: () => Result): Result {
    for (let look = 1; ; look++) {
      const holder = Atomics.compareExchange(this.#word, 0, 0, this.#member + 1);
      if (holder === 0) break;
      if (look >= looks) Atomics.wait(this.#word, 0, holder, 10);
    }
    try {
      return change();
    } finally {
      Atomics.store(this.#word, 0, 0);
      Atomics.notify(this.#word, 0, 1);
    }
  }

  /** Takes the lock from a member that is gone and cannot give it back. */
  free(member: number): void {
    Atomics.compareExchange(this.#word, 0, member + 1, 0);
  }
}
