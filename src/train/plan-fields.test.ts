import assert from "node:assert/strict";
import { test } from "node:test";
import { plan } from "../../test/plan.ts";
import { arrays } from "../data/arrays.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Tensor } from "../graph/tensor.ts";
import { l2, linear, mae, mean, squaredError } from "../index.ts";
import type { TrainEvent } from "./event.ts";
import { fit } from "./fit.ts";
import type { Plan, Row } from "./plan.ts";
import { afterSteps, whenReached, whenStale } from "./stop.ts";
import { train } from "./train.ts";

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
    lastBatch: [
      "omit",
      '"keep", "drop" or "carry", got "omit". Fix: leave it out to keep the last batch as it is',
    ],
    augment: [
      [1],
      "lists of augmentations by column, got a list. Fix: for example { image: [flip(), crop({ padding: 4 })] }",
    ],
    initialWeights: [
      { weight: [1] },
      "arrays by parameter's name, or { from: arrays, except, only }, got an object. " +
        "Fix: for example model.parameters, or the arrays of await loadSafetensors(path)",
    ],
    groups: [
      { parameters: "linear1.*" },
      'a list of groups, got an object. Fix: for example [{ parameters: "linear1.*", frozen: true }]',
    ],
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
  const body = linear(1);
  await assert.rejects(odd({ data, model: (row: Row) => body(row.prediction!) }), {
    message:
      'column "prediction": expected columns and outputs of the model under different names, got an output "prediction" too. ' +
      "Fix: rename the column, or name the outputs yourself with plan.serve",
  });
});

test("a layer made inside of the model is refused: every call would make another one", async () => {
  const message =
    'plan.model: expected predictions and metrics from parameters that the loss trains, got "linear.weight" [1, 3], ' +
    "which the loss does not reach. Fix: make layers once, outside of the function: const body = linear(1); " +
    "model: (row) => body(row.x). Leave out of plan.serve what is not trained";
  await assert.rejects(odd({ model: (row: Row) => linear(1)(row.x!) }), { message });
  const [used, unused] = [linear(1), linear(1)];
  const change = {
    model: (row: Row) => ({ used: used(row.x!), unused: unused(row.x!) }),
    loss: (p: { used: Tensor }, row: Row) => squaredError(p.used, row.y!),
  };
  await assert.rejects(odd(change), { message });
  await odd({ ...change, serve: (p: { used: Tensor }) => ({ used: p.used }) });
});

test("a rule that waits for a metric nobody evaluates is refused, since it would wait for ever", async () => {
  await assert.rejects(odd({ stop: whenStale("validation.loss", { patience: 1 }) }), {
    message:
      'plan.stop, whenStale: expected validation, which gives "validation.loss", got none. ' +
      "Fix: add validation: { data }, or stop by afterSteps or afterEpochs",
  });
  const validation = { data: plan({}).data };
  await assert.rejects(odd({ validation, stop: whenReached("validation.mae", { below: 1 }) }), {
    message:
      'plan.stop, whenReached: expected one of validation.loss, got "validation.mae". ' +
      "Fix: name one of them, or add the metric to validation.metrics",
  });
  await assert.rejects(odd({ validation: { ...validation, metrics: { loss: mae } } }), {
    message:
      'plan.validation.metrics: expected metrics under other names than loss, got "loss". ' +
      "Fix: rename it: validation.loss is the mean of the plan's loss, and always there",
  });
  await assert.rejects(odd({ validation: { ...validation, metrics: { mine: () => null } } }), {
    message:
      "plan.validation.metrics.mine: expected a metric, got null. Fix: for example (predicted, row) => mae(predicted, row.y)",
  });
  await assert.rejects(odd({ validation: { data: { ...validation.data, size: 0 } } }), {
    message:
      "plan.validation.data: expected at least one sample, got arrays with none. Fix: add samples, or leave validation out",
  });
  assert.throws(() => whenReached("validation.loss", { below: Number.NaN }), {
    message:
      "whenReached: expected a number for exactly one of below and above, got below NaN, above undefined. " +
      'Fix: for example whenReached("validation.loss", { below: 0.5 })',
  });
  assert.throws(() => whenStale("validation.loss", { patience: 1, better: "up" as "higher" }), {
    message:
      'whenStale: expected better: "lower" or "higher", and a minimumChange from 0 on, got better: "up", minimumChange: 0. ' +
      'Fix: for example whenStale("validation.loss", { patience: 5, better: "higher" })',
  });
});

test("a run aborted before it starts does no step", async () => {
  const events: TrainEvent[] = [];
  for await (const event of train({ ...plan({}), signal: AbortSignal.abort("no time") })) events.push(event);
  assert.deepEqual(
    events.map(({ type }) => type),
    ["started", "finished"],
  );
  const last = events.at(-1)!;
  assert.deepEqual(last.type === "finished" && [last.stop, last.steps], [
    { rule: "aborted", reason: "no time" },
    0,
  ]);
});

test("a trained model takes datasets of the columns it was trained on, and says which one is another", async () => {
  const model = await odd({});
  const y = [[1], [2]];
  await assert.rejects(model.predict(null as unknown as Dataset), {
    message:
      "model.predict: expected a dataset, got null. " +
      "Fix: for example arrays({ x: [1, 2], y: [3, 4] }), or await table(path, { target })",
  });
  await assert.rejects(model.evaluate(arrays({ x: y, y })), {
    message:
      'arrays, column "x": expected float32 [3], as in training, got float32 [1]. ' +
      "Fix: give the column the type and shape that the model was trained on",
  });
  await assert.rejects(model.save(5 as unknown as string), {
    message: "write: expected the path of a file, got 5. Fix: pass a text that is not empty",
  });
});
