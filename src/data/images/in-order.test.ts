import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { inOrder } from "./in-order.ts";

test("results come in order, with no more work under way than allowed", async () => {
  let underWay = 0;
  let most = 0;
  const work = async (item: number) => {
    most = Math.max(most, ++underWay);
    await wait(item % 3);
    underWay--;
    return 10 * item;
  };
  for (const [count, limit] of [
    [20, 4],
    [3, 8],
    [0, 2],
  ] as const) {
    most = 0;
    const items = Array.from({ length: count }, (_, item) => item);
    const results: number[] = [];
    for await (const result of inOrder(items, limit, work)) results.push(result);
    assert.deepEqual(
      results,
      items.map((item) => 10 * item),
    );
    assert.equal(most, Math.min(count, limit));
  }
});

test("a reader that stops, or work that fails, waits for what is under way and begins nothing new", async () => {
  for (const fails of [false, true]) {
    let begun = 0;
    let ended = 0;
    const work = async (item: number) => {
      begun++;
      await wait(item);
      ended++;
      if (fails && item === 1) throw new Error("item 1");
      return item;
    };
    const read = async () => {
      for await (const item of inOrder([0, 1, 5, 5, 5, 5], 3, work)) if (item === 1) break;
    };
    if (fails) await assert.rejects(read(), { message: "item 1" });
    else await read();
    assert.equal(ended, begun);
    assert.ok(begun < 6);
  }
});
