import assert from "node:assert/strict";
import { test } from "node:test";
import { madeUpProgram } from "../../test/made-up-program.ts";
import type { Runtime, Session } from "../runtime/runtime.ts";
import { Sessions } from "./sessions.ts";

test("a program that does not load keeps no other one's session open", async () => {
  const closed: string[] = [];
  const load = async (name: string): Promise<Session> => {
    if (name === "large") throw new Error("no memory");
    const bind = () => assert.fail("not run");
    return { inputs: [], outputs: [], bind, close: async () => void closed.push(name) };
  };
  const sessions = new Sessions({ load, loadInPlace: load } as unknown as Runtime);
  await sessions.of(madeUpProgram("small"));
  await assert.rejects(sessions.inPlace(madeUpProgram("large")), { message: "no memory" });
  await sessions.of(madeUpProgram("other"));
  await sessions.close();
  assert.deepEqual(closed, ["small", "other"]);
});
