import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { madeUpProgram } from "../../test/made-up-program.ts";
import { arrays } from "../data/arrays.ts";
import { readColumns } from "../data/augment/ahead-ring.ts";
import type { AugmentedColumn } from "../data/augment/ring.ts";
import type { Dataset } from "../data/dataset.ts";
import { Feeder } from "./feeder.ts";
import { Feeds } from "./feeds.ts";
import { createLedgerMemory, Ledger } from "./ledger.ts";
import { createRing, MicrobatchRing } from "./microbatch-ring.ts";

/** Columns in the order in which they are read: the first comes late and fails, the second fails at once. */
const columns = ["late", "early"];
const samples = Uint32Array.of(0, 1);
const held = arrays({ late: [1, 2], early: [3, 4], w: Float32Array.of(1, 1) });
const failing = (weight?: string): Dataset => ({
  ...held,
  ...(weight !== undefined && { weight }),
  read: (column) => {
    if (column !== "late") throw new Error(`${column} cannot be read`);
    return setImmediate().then(() => Promise.reject(new Error("the disk is gone")));
  },
});

/** Nothing of a read that is left alone may reach the process, which it would end. */
async function rejectedOnce(work: () => void | Promise<void>, message: string): Promise<void> {
  const unheard: unknown[] = [];
  const hear = (cause: unknown) => unheard.push(cause);
  process.on("unhandledRejection", hear);
  try {
    await assert.rejects(async () => await work(), { message });
    for (let turn = 0; turn < 5; turn++) await setImmediate();
    assert.deepEqual(unheard, []);
  } finally {
    process.off("unhandledRejection", hear);
  }
}

test("where one column comes late and fails, and another fails at once, the second is the error and nothing is left unheard", async () => {
  const feeds = new Feeds(failing(), madeUpProgram("reading", columns), 2, 0);
  await rejectedOnce(() => feeds.fill({ samples, position: 0, step: 1 }), "early cannot be read");
});

test("so it is with weights that fail behind a column that comes late", async () => {
  const feeds = new Feeds(failing("w"), madeUpProgram("reading", ["late"]), 2, 0);
  await rejectedOnce(() => feeds.fill({ samples, position: 0, step: 1 }), "w cannot be read");
});

test("and with what a crew's ring is filled from", async () => {
  const plan = createRing(held, columns, 2, { most: 2, bytes: 0 });
  const size = { lanes: 1, slots: 1, parts: 1, isCrowded: false };
  const ledger = new Ledger(createLedgerMemory(size), size, 0);
  const parts = { dataset: failing(), ring: new MicrobatchRing(plan), plan, ledger, members: 1 };
  const feeder = new Feeder(parts);
  feeder.open([{ samples, position: 0, step: 1 }], [{ start: 0, end: 1 }]);
  ledger.openBatch(1, 1);
  await rejectedOnce(() => feeder.fill(1), "early cannot be read");
});

test("and with samples that are augmented", async () => {
  const augmented = columns.map((name) => ({ name }) as AugmentedColumn); // of which no more is read
  const values = columns.map(() => new Float32Array(2));
  await rejectedOnce(() => readColumns(failing(), augmented, samples, values), "early cannot be read");
});

test("what fails at once with nothing under way is thrown at once", () => {
  const feeds = new Feeds(failing(), madeUpProgram("reading", ["early"]), 2, 0);
  assert.throws(() => feeds.fill({ samples, position: 0, step: 1 }), { message: "early cannot be read" });
});
