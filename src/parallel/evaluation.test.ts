import assert from "node:assert/strict";
import { test } from "node:test";
import { madeUpProgram } from "../../test/made-up-program.ts";
import { arrays } from "../data/arrays.ts";
import { createArena, layout } from "../runtime/arena.ts";
import type { Runtime, Session } from "../runtime/runtime.ts";
import type { EvaluationJob } from "./crew.ts";
import { Evaluations } from "./evaluation.ts";
import { Sessions } from "./sessions.ts";

test("an evaluation is opened once for a program, its data, a size and a region, whichever its samples", async () => {
  const load = async (): Promise<Session> => {
    const bind = () => assert.fail("not run");
    return { inputs: [], outputs: [], bind, close: async () => {} };
  };
  const regions = ["parameters", "best"];
  const arena = createArena({ layout: layout([{ name: "w", shape: [2] }]), regions });
  const evaluations = new Evaluations(new Sessions({ load } as unknown as Runtime), arena);
  const job: EvaluationJob = {
    program: madeUpProgram("evaluation"),
    dataset: arrays({ x: [1, 2, 3] }),
    samples: Uint32Array.of(0, 1),
    microbatchSize: 2,
    parameterRegion: "parameters",
  };
  const first = await evaluations.of(job);
  assert.equal(await evaluations.of({ ...job, samples: Uint32Array.of(2) }), first);
  const others: readonly Partial<EvaluationJob>[] = [
    { program: madeUpProgram("evaluation") },
    { dataset: arrays({ x: [1, 2, 3] }) },
    { microbatchSize: 3 },
    { parameterRegion: "best" },
  ];
  const opened = new Set([first]);
  for (const other of others) opened.add(await evaluations.of({ ...job, ...other }));
  assert.equal(opened.size, 1 + others.length);
});
