/** Stands for `threads.ts` in a browser: there is one thread yet. */
import { fail } from "../errors.ts";
import type { CrewFactory } from "./crew.ts";

/** Throws: there are no threads for browsers yet. */
export function threads(): CrewFactory {
  return fail("threads", {
    expected: "Node.js, which has threads",
    got: "a browser",
    fix: "leave plan.parallel out, or train in Node.js",
  });
}
