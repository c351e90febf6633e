import assert from "node:assert/strict";
import { test } from "node:test";
import { plan } from "../../test/plan.ts";
import { arrays } from "../data/arrays.ts";
import type { Tensor } from "../graph/tensor.ts";
import { l2, linear, mean, squaredError } from "../index.ts";
import { fit } from "./fit.ts";
import type { Plan, Row } from "./plan.ts";
import { afterSteps } from "./stop.ts";

/** A plan with fields of any kind, as a caller without types writes it. */
const odd = (change: object) => fit({ ...plan({ stop: afterSteps(1) }), ...change } as Plan);

test("a field of the wrong kind is refused with what to write, before anything is traced", async () => {
  const kinds: Readonly<Record<string, readonly [unknown, string]>> = {
    data: [
      [1, 2],
      "a dataset, got a list. Fix: for example arrays({ x: [1, 2], y: [3, 4] }), or await table(path, { target })",
    ],
    model: [5, "a function (row) => prediction, got 5. Fix: write (row) => prediction"],
    loss: [
      null,
      "a function (predicted, row) => loss of each sample, got null. Fix: write (predicted, row) => loss of each sample",
    ],
    optimizer: ["adam", 'an optimizer, got "adam". Fix: for example adamw({ learningRate: 1e-3 })'],
    batchSize: ["8", 'a whole number from 1 on, got "8". Fix: leave it out to have it decided'],
    sampler: [() => 1, "a sampler, got a function. Fix: for example shuffled(), with the brackets"],
    clip: [1, "a clip, got 1. Fix: for example clipByGlobalNorm(1)"],
    penalty: [[l2(1), 1], "a penalty or a list of them, got a list. Fix: for example l2(1e-4)"],
    ema: [0.9, "an average of the weights, got 0.9. Fix: for example ema({ decay: 0.999 })"],
    validation: [
      arrays({ x: [1] }),
      "{ data: a dataset } with metrics that are functions, if any, got an object. " +
        "Fix: for example { data: validation, metrics: { mae: (predicted, row) => mae(predicted, row.y) } }",
    ],
    stop: [
      [], // would never end
      "a stop rule or a list with at least one, got a list. Fix: for example afterEpochs(10)",
    ],
    signal: [
      new AbortController(),
      "an AbortSignal, got an AbortController. Fix: pass the signal of an AbortController: controller.signal",
    ],
    serve: [
      {},
      "a function (predicted) => ({ name: tensor }), got an object. Fix: write (predicted) => ({ name: tensor })",
    ],
    replay: [
      { version: 2 },
      'the record of an earlier run, version 1, got an object. Fix: pass the plan of the "started" event or of a model: model.plan',
    ],
  };
  for (const [field, [value, message]] of Object.entries(kinds)) {
    await assert.rejects(odd({ [field]: value }), {
      name: "MicrobatchError",
      message: `plan.${field}: expected ${message}`,
    });
  }
  for (const [value, got] of [
    [undefined, "undefined"],
    ["x", '"x"'],
  ]) {
    await assert.rejects(fit(value as unknown as Plan), {
      message: `plan: expected an object of fields, got ${got}. Fix: { data, model, loss, optimizer }`,
    });
  }
});

test("a model or a loss that returns what it must not is told what it returned", async () => {
  const model = "plan.model: expected a tensor, or an object of tensors, got ";
  const fix = ". Fix: write a function that returns what it predicts and is not async";
  for (const [made, got] of [
    [undefined, "undefined"],
    [null, "null"],
    [3, "3"],
    [Promise.resolve(1), "a Promise"],
  ])
    await assert.rejects(odd({ model: () => made }), { message: `${model}${got}${fix}` });
  await assert.rejects(odd({ loss: () => null }), {
    message:
      "plan.loss: expected one float32 number per sample or token, [batch] or [batch, …], or { loss, weight }, got null. " +
      "Fix: return the loss of each sample, not their mean: the trainer divides once per step",
  });
  await assert.rejects(
    odd({ loss: (p: Tensor, row: Row) => ({ loss: squaredError(p, row.y!), weight: 2 }) }),
    {
      message:
        "plan.loss weight: expected a float32 tensor, got 2. " +
        "Fix: leave it out for the weight 1, or give one weight per number of the loss",
    },
  );
  await assert.rejects(odd({ loss: (p: Tensor) => mean(p) }), /mean: expected axes of fixed size/);
  await assert.rejects(odd({ serve: (p: Tensor) => p }), {
    message:
      "plan.serve: expected an object of tensors, got a tensor. " +
      "Fix: for example (predicted) => ({ prediction: predicted })",
  });
});

test("a column that is not there is told by its name, with the one that was probably meant", async () => {
  const data = arrays({ width: [[1], [2]], y: [[1], [2]] });
  await assert.rejects(odd({ data, model: (row: Row) => linear(1)(row.widt!) }), {
    message:
      'arrays, column "widt": expected one of the columns width, y, got "widt". Fix: did you mean "width"?',
  });
});

test("a column may not be called what programs or JavaScript need", async () => {
  for (const name of ["#weight", "__proto__"]) {
    const data = arrays({ [name]: [[1], [2]], y: [[1], [2]] });
    await assert.rejects(odd({ data }), {
      message:
        `arrays, column "${name}": expected a name that does not begin with #, and not __proto__, got "${name}". ` +
        "Fix: rename the column: names with # belong to the programs, __proto__ to JavaScript",
    });
  }
  const data = arrays({ prediction: [[1], [2]], y: [[1], [2]] });
  await assert.rejects(odd({ data, model: (row: Row) => linear(1)(row.prediction!) }), {
    message:
      'column "prediction": expected columns and outputs of the model under different names, got an output "prediction" too. ' +
      "Fix: rename the column, or name the outputs yourself with plan.serve",
  });
});
