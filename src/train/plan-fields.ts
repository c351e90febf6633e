/** What each field of a plan must be, for callers without types: a table with one entry per field. */
import { fail, kindOf } from "../errors.ts";
import type { Plan } from "./plan.ts";

interface Field {
  readonly expected: string;
  readonly holds: (value: unknown) => boolean;
  readonly fix: string;
}

const isFunction = (value: unknown) => typeof value === "function";
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
/** True for an object whose named members are functions. */
const hasFunctions = (value: unknown, ...names: readonly string[]) =>
  isRecord(value) && names.every((name) => isFunction(value[name]));
const isOneOrSome = (value: unknown, holds: (one: unknown) => boolean) =>
  Array.isArray(value) ? value.length > 0 && value.every(holds) : holds(value);

const isArray = (value: unknown) =>
  isRecord(value) && Array.isArray(value.shape) && ArrayBuffer.isView(value.data);

const isArrays = (value: unknown) =>
  value instanceof Map && [...value.values()].every((array) => isArray(array));

/** A column of a dataset of the caller's own. */
const isColumn = (spec: unknown) =>
  isRecord(spec) &&
  ["float32", "int32", "uint8"].includes(String(spec.dtype)) &&
  Array.isArray(spec.shape) &&
  spec.shape.every((dim) => Number.isSafeInteger(dim) && dim >= 1);
const isDataset = (value: unknown) =>
  hasFunctions(value, "read", "fingerprint") &&
  isRecord(value) &&
  typeof value.name === "string" &&
  Number.isSafeInteger(value.size) &&
  isRecord(value.columns) &&
  Object.values(value.columns).every(isColumn) &&
  (value.weight === undefined || Object.hasOwn(value.columns, String(value.weight)));

const aDataset: Field = {
  expected: "a dataset",
  holds: isDataset,
  fix: "for example arrays({ x: [1, 2], y: [3, 4] }), or await table(path, { target })",
};
const aFunction = (signature: string): Field => ({
  expected: `a function ${signature}`,
  holds: isFunction,
  fix: `write ${signature}`,
});
/** Checked where the other sizes are, with their limits. */
const aSize: Field = { expected: "", holds: () => true, fix: "" };

/** Typed by Plan, so that a field that is missing here does not compile. */
const fields: Readonly<Record<keyof Plan, Field>> = {
  data: aDataset,
  model: aFunction("(row) => prediction"),
  loss: aFunction("(predicted, row) => loss of each sample"),
  optimizer: {
    expected: "an optimizer",
    holds: (value) =>
      hasFunctions(value, "update", "learningRate", "decays") && isRecord(value) && isRecord(value.slots),
    fix: "for example adamw({ learningRate: 1e-3 })",
  },
  batchSize: aSize,
  microbatchSize: aSize,
  lanes: aSize,
  parallel: {
    expected: "a crew",
    holds: (value) => hasFunctions(value, "open"),
    fix: "for example threads(2), from microbatch/node",
  },
  memoryBudget: aSize,
  seed: aSize,
  sampler: {
    expected: "a sampler",
    holds: (value) => hasFunctions(value, "epoch"),
    fix: "for example shuffled(), with the brackets",
  },
  lastBatch: {
    expected: '"keep", "drop" or "carry"',
    holds: (value) => value === "keep" || value === "drop" || value === "carry",
    fix: "leave it out to keep the last batch as it is",
  },
  augment: {
    expected: "lists of augmentations by column",
    holds: isRecord,
    fix: "for example { image: [flip(), crop({ padding: 4 })] }",
  },
  initialWeights: {
    expected: "arrays by parameter's name, or { from: arrays, except, only }",
    holds: (value) => isArrays(value) || (isRecord(value) && isArrays(value.from)),
    fix: "for example model.parameters, or the arrays of await loadSafetensors(path)",
  },
  groups: {
    expected: "a list of groups",
    holds: (value) => Array.isArray(value) && value.every(isRecord),
    fix: 'for example [{ parameters: "linear1.*", frozen: true }]',
  },
  clip: {
    expected: "a clip",
    holds: (value) => hasFunctions(value, "scale") || hasFunctions(value, "apply"),
    fix: "for example clipByGlobalNorm(1)",
  },
  penalty: {
    expected: "a penalty or a list of them",
    holds: (value) =>
      (Array.isArray(value) && value.length === 0) || isOneOrSome(value, (one) => hasFunctions(one, "value")),
    fix: "for example l2(1e-4)",
  },
  ema: {
    expected: "an average of the weights",
    holds: (value) => hasFunctions(value, "at"),
    fix: "for example ema({ decay: 0.999 })",
  },
  divergence: {
    expected: "an action with its options",
    holds: isRecord,
    fix: 'for example { action: "skip" }',
  },
  measureLanes: {
    expected: "true or false",
    holds: (value) => typeof value === "boolean",
    fix: "leave it out, unless something reads laneSquaredNorms",
  },
  validation: {
    expected: "{ data: a dataset } with metrics that are functions, if any",
    holds: (value) =>
      isRecord(value) &&
      isDataset(value.data) &&
      (value.metrics === undefined ||
        (isRecord(value.metrics) && Object.values(value.metrics).every(isFunction))),
    fix: "for example { data: validation, metrics: { mae: (predicted, row) => mae(predicted, row.y) } }",
  },
  stop: {
    expected: "a stop rule or a list with at least one", // an empty list would never end
    holds: (value) => isOneOrSome(value, (one) => hasFunctions(one, "next")),
    fix: "for example afterEpochs(10)",
  },
  signal: {
    expected: "an AbortSignal",
    holds: (value) => isRecord(value) && typeof value.aborted === "boolean",
    fix: "pass the signal of an AbortController: controller.signal",
  },
  serve: aFunction("(predicted) => ({ name: tensor })"),
  baseline: aFunction("(row) => prediction"),
  checkpoint: {
    expected: "a place for checkpoints",
    holds: (value) => isRecord(value) && hasFunctions(value.store, "open", "load", "save", "close"),
    fix: 'for example { store: runFolder("runs/first") }, from microbatch/node',
  },
  replay: {
    expected: "the record of an earlier run, version 1",
    holds: (value) => isRecord(value) && value.version === 1,
    fix: 'pass the plan of the "started" event or of a model: model.plan',
  },
};

/** Refuses what is no dataset, or one of the caller's own whose columns cannot be. */
export function requireDataset(where: string, value: unknown): void {
  const { expected, holds, fix } = aDataset;
  if (!holds(value)) fail(where, { expected, got: kindOf(value), fix });
}

/** Refuses options of a model that say anything but who computes. */
export function requireCrew(where: string, options: unknown): void {
  const { expected, holds, fix } = fields.parallel;
  if (!isRecord(options) || Object.keys(options).some((name) => name !== "parallel")) {
    const got = holds(options)
      ? "the crew alone"
      : isRecord(options)
        ? Object.keys(options).join(", ")
        : kindOf(options);
    fail(where, {
      expected: "options that say who computes",
      got,
      fix: "for example { parallel: threads(2) }",
    });
  }
  if (options.parallel === undefined || holds(options.parallel)) return;
  fail(`${where}, parallel`, { expected, got: kindOf(options.parallel), fix });
}

/** Refuses what is no plan, a required field that is missing, names that no field has and values of the wrong kind. */
export function checkFields(plan: unknown): void {
  if (!isRecord(plan)) {
    fail("plan", {
      expected: "an object of fields",
      got: kindOf(plan),
      fix: "{ data, model, loss, optimizer }",
    });
  }
  for (const field of ["data", "model", "loss", "optimizer"]) {
    if (plan[field] !== undefined) continue;
    fail("plan", { expected: "data, model, loss and optimizer", got: `no ${field}`, fix: `add ${field}` });
  }
  const unknown = Object.keys(plan).filter((name) => !Object.hasOwn(fields, name));
  if (unknown.length > 0) {
    fail("plan", {
      expected: `only ${Object.keys(fields).join(", ")}`,
      got: unknown.join(", "),
      fix: "correct the name",
    });
  }
  for (const [name, { expected, holds, fix }] of Object.entries(fields)) {
    const value = plan[name];
    if (value === undefined || holds(value)) continue;
    fail(`plan.${name}`, { expected, got: kindOf(value), fix });
  }
}
