/** Finds threads that do not come back from a microbatch: in native code they can be neither asked nor ended. */
import type { Results } from "./results.ts";

/** The most that counts of the time between two looks: a process that was stopped, or a machine asleep, is nobody's fault. */
const longestLookMs = 1000;

/** Looked at by the thread that leads, whenever it waits for the others and has nothing to do. */
export class ThreadWatch {
  readonly limitMs: number;
  /** What each thread was at when it was looked at last, and for how long it has been. */
  readonly #waits = new Map<number, { readonly begun: number; milliseconds: number }>();
  #lookedAt = performance.now();

  constructor(limitMs: number) {
    this.limitMs = limitMs;
  }

  /** Once a thread has been at one microbatch for as long as a run waits: that one first, then others that have been half as long. */
  look(members: readonly number[], results: Results): readonly number[] {
    const now = performance.now();
    const passed = Math.min(now - this.#lookedAt, longestLookMs);
    this.#lookedAt = now;
    for (const member of members) {
      const { microbatch, begun } = results.running(member);
      const wait = this.#waits.get(member);
      if (microbatch < 0) this.#waits.delete(member);
      else if (wait?.begun === begun) wait.milliseconds += passed;
      else this.#waits.set(member, { begun, milliseconds: 0 });
    }
    const waited = (member: number) => this.#waits.get(member)?.milliseconds ?? 0;
    const longest = members
      .filter((member) => waited(member) >= this.limitMs / 2)
      .sort((a, b) => waited(b) - waited(a));
    return longest.length > 0 && waited(longest[0]!) >= this.limitMs ? longest : [];
  }
}
