import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryStore } from "../../test/memory-store.ts";
import { plan } from "../../test/plan.ts";
import { defineOp } from "../graph/op.ts";
import { apply } from "../graph/tensor.ts";
import type { Penalty } from "../nn/penalty.ts";
import { add, sum } from "../ops/index.ts";
import { alone } from "../parallel/alone.ts";
import type { CrewFactory } from "../parallel/crew.ts";
import { afterEpochs, type StopRule } from "./stop.ts";
import { train } from "./train.ts";

/** What the runtime does not know. */
const unknown = defineOp({
  name: "unknownToTheRuntime",
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  gradient: ({ dy }) => [dy],
  onnx: "UnknownToTheRuntime",
  samples: [],
});
const refused: Penalty = {
  name: "refused",
  options: {},
  value: (parameters) =>
    apply(unknown, [parameters.map(({ tensor }) => sum(tensor)).reduce((a, b) => add(a, b))], {}),
};

/** Opens crews and stores, and counts those that are closed. */
function counted() {
  const count = { crews: 0, stores: 0, closedCrews: 0, closedStores: 0 };
  const parallel: CrewFactory = {
    name: "counted",
    workers: 1,
    open: async (job) => {
      const crew = await alone(job);
      count.crews++;
      const { close } = crew;
      crew.close = async () => {
        count.closedCrews++;
        await close.call(crew);
      };
      return crew;
    },
  };
  const { store, saved } = memoryStore();
  const counting = {
    ...store,
    open: async () => {
      count.stores++;
    },
    close: async () => {
      count.closedStores++;
    },
  };
  return { count, parallel, checkpoint: { store: counting, resume: true }, saved };
}

test("a run whose penalty the runtime refuses closes its crew and its store", async () => {
  const { count, ...fields } = counted();
  const { parallel, checkpoint } = fields;
  await assert.rejects(
    train(plan({ penalty: refused, parallel, checkpoint })).next(),
    /^MicrobatchError: program "penalty": expected .*UnknownToTheRuntime/s,
  );
  assert.deepEqual(count, { crews: 1, stores: 1, closedCrews: 1, closedStores: 1 });
});

test("a run whose crew cannot be opened closes its store", async () => {
  const { count, checkpoint } = counted();
  const parallel = {
    name: "none",
    workers: 1,
    open: async () => {
      throw new Error("no crew today");
    },
  };
  await assert.rejects(train(plan({ parallel, checkpoint })).next(), { message: "no crew today" });
  assert.deepEqual(count, { crews: 0, stores: 1, closedCrews: 0, closedStores: 1 });
});

test("a run whose rules throw when they are asked whether it goes on closes everything", async () => {
  const { count, parallel, checkpoint } = counted();
  for await (const _ of train(plan({ stop: afterEpochs(1), parallel, checkpoint })));
  const throwing: StopRule = {
    ...afterEpochs(2),
    next: () => {
      throw new Error("a rule of one's own");
    },
  };
  await assert.rejects(train(plan({ stop: throwing, parallel, checkpoint })).next(), {
    message: "a rule of one's own",
  });
  assert.deepEqual(count, { crews: 2, stores: 2, closedCrews: 2, closedStores: 2 });
});
