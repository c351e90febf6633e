/** Stands for `threads.ts` in a browser: there is one thread yet. */
import { fail } from "../errors.ts";
import { alone } from "./alone.ts";
import type { CrewFactory } from "./crew.ts";

/** Throws: there are no threads for browsers yet. */
export function threads(): CrewFactory {
  return fail("threads", {
    expected: "Node.js, which has threads",
    got: "a browser",
    fix: "leave plan.parallel out, or train in Node.js",
  });
}

/** The crew of a plan that names none: one thread. */
export const defaultCrew = (): CrewFactory => ({ name: "alone", workers: 1, open: alone });
