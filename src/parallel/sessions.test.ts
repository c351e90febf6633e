import assert from "node:assert/strict";
import { test } from "node:test";
import type { Runtime, Session } from "../runtime/runtime.ts";
import type { LoadableProgram } from "./crew.ts";
import { Sessions } from "./sessions.ts";

const program = (name: string): LoadableProgram => ({
  name,
  bytes: new Uint8Array(0),
  columns: [],
  parameters: {},
  masks: [],
  bounds: [],
});

test("a program that does not load keeps no other one's session open", async () => {
  const closed: string[] = [];
  const load = async (name: string): Promise<Session> => {
    if (name === "large") throw new Error("no memory");
    const bind = () => assert.fail("not run");
    return { inputs: [], outputs: [], bind, close: async () => void closed.push(name) };
  };
  const sessions = new Sessions({ load, loadInPlace: load } as unknown as Runtime);
  await sessions.of(program("small"));
  await assert.rejects(sessions.inPlace(program("large")), { message: "no memory" });
  await sessions.of(program("other"));
  await sessions.close();
  assert.deepEqual(closed, ["small", "other"]);
});
