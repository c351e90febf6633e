/** Tables of wrong calls with the whole text of the error each must give. */
import assert from "node:assert/strict";
import { test } from "node:test";

/** What is wrong · the call · the whole message. */
export type Refusal = readonly [what: string, call: () => unknown, message: string];

/** One test per wrong call: its error has exactly this text. */
export function refuses(where: string, cases: readonly Refusal[]): void {
  for (const [what, call, message] of cases) {
    test(`${where} refuses ${what}`, () => {
      assert.throws(call, { name: "MicrobatchError", message });
    });
  }
}
