import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { evaluate } from "../../test/reference/evaluate.ts";
import { buildProgram } from "../graph/program.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { compileElementwise, instantiateElementwise } from "../runtime/elementwise.ts";
import * as optim from "./index.ts";
import type { Optimizer, UpdateContext } from "./optimizer.ts";
import * as rules from "./rules.ts";

interface Case {
  readonly name: string;
  readonly optimizer: string;
  readonly options: Readonly<Record<string, number | boolean>>;
  readonly learningRates?: readonly number[];
  readonly after: readonly (readonly number[])[];
  readonly afterFloat32: readonly (readonly number[])[];
}
interface Golden {
  readonly initial: readonly number[];
  readonly gradients: readonly (readonly number[])[];
  readonly cases: readonly Case[];
}
const golden: Golden = JSON.parse(
  await readFile(new URL("../../test/golden/optimizers.json", import.meta.url), "utf8"),
);
const count = golden.initial.length;
// The keys of a module are the names it exports; a rule takes options that the golden file spells as we do.
const makers = rules as unknown as Readonly<Record<string, (options: object) => Optimizer>>;

function optimizerOf({ optimizer, options, learningRates }: Case): Optimizer {
  const learningRate =
    learningRates === undefined ? {} : { learningRate: (step: number) => learningRates[step]! };
  return makers[optimizer]!({ ...options, ...learningRate });
}

/** The update of one parameter of `count` numbers, as tensors. */
function updateOf(optimizer: Optimizer, dtype: "float32" | "float64") {
  const array = (name: string) => input(name, [count], dtype);
  const scalar = (name: string) => input(name, [], dtype);
  const slots = Object.fromEntries(Object.keys(optimizer.slots).map((name) => [name, array(`slot:${name}`)]));
  const context: UpdateContext = {
    parameter: array("parameter"),
    gradient: array("gradient"),
    slots,
    learningRate: scalar("learningRate"),
    step: scalar("step"),
    weightDecay: scalar("weightDecay"),
  };
  const updated = optimizer.update(context);
  assert.deepEqual(Object.keys(updated.slots).sort(), Object.keys(optimizer.slots).sort());
  return { context, updated };
}

function scalarsOf(optimizer: Optimizer, step: number): Record<string, number> {
  return { learningRate: optimizer.learningRate(step), step: step + 1, weightDecay: optimizer.weightDecay };
}

/** Parameters after each step, in float64. */
function runFloat64(optimizer: Optimizer): number[][] {
  const { context, updated } = updateOf(optimizer, "float64");
  const state = new Map<Tensor, number[]>([[context.parameter, [...golden.initial]]]);
  for (const [name, start] of Object.entries(optimizer.slots)) {
    state.set(context.slots[name]!, Array(count).fill(start));
  }
  return golden.gradients.map((gradient, step) => {
    const scalars = scalarsOf(optimizer, step);
    const feeds = new Map([...state].map(([tensor, data]) => [tensor, { shape: [count], data }]));
    feeds.set(context.gradient, { shape: [count], data: [...gradient] });
    for (const name of ["learningRate", "step", "weightDecay"] as const) {
      feeds.set(context[name], { shape: [], data: [scalars[name]!] });
    }
    const leaves = [...state.keys()];
    const results = [updated.parameter, ...Object.keys(optimizer.slots).map((name) => updated.slots[name]!)];
    evaluate(results, feeds).forEach(({ data }, index) => void state.set(leaves[index]!, [...data]));
    return state.get(context.parameter)!;
  });
}

/** Parameters after each step, by the compiled kernel in float32, written over its inputs. */
function runFloat32(optimizer: Optimizer): number[][] {
  const { updated } = updateOf(optimizer, "float32");
  const slots = Object.entries(updated.slots).map(([name, tensor]) => [`new slot:${name}`, tensor] as const);
  const outputs = { "new parameter": updated.parameter, ...Object.fromEntries(slots) };
  const compiled = compileElementwise(buildProgram({ name: optimizer.name, outputs }));
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const names = ["gradient", "parameter", ...Object.keys(optimizer.slots).map((name) => `slot:${name}`)];
  const view = (name: string) => new Float32Array(memory.buffer, names.indexOf(name) * 128, count);
  view("parameter").set(golden.initial);
  for (const [name, start] of Object.entries(optimizer.slots)) view(`slot:${name}`).fill(start);
  const kernel = instantiateElementwise(compiled, memory);
  const places = [...compiled.arrayInputs, ...compiled.arrayOutputs].map(
    (name) => [name, names.indexOf(name.replace("new ", "")) * 128] as const,
  );
  return golden.gradients.map((gradient, step) => {
    view("gradient").set(gradient);
    const all = scalarsOf(optimizer, step);
    const scalars = Object.fromEntries(compiled.scalars.map((name) => [name, all[name]!]));
    kernel.run({ arrays: Object.fromEntries(places), count, scalars });
    return [...view("parameter")];
  });
}

/** Numbers that pass near 0 lose relative precision, so 0.01 is added to what the tolerance is relative to. */
function assertClose(actual: number[][], expected: readonly (readonly number[])[], tolerance: number): void {
  assert.equal(actual.length, expected.length);
  expected.forEach((row, step) => {
    row.forEach((value, index) => {
      const got = actual[step]![index]!;
      const allowed = tolerance * (Math.abs(value) + 0.01);
      assert.ok(
        Math.abs(got - value) <= allowed,
        `step ${step + 1}, element ${index}: ${got} instead of ${value}`,
      );
    });
  });
}

for (const one of golden.cases) {
  // Same formula, other order of operations: float64 rounds at 1.1e-16, ten steps and a few operations each.
  test(`${one.name}: ten steps in float64 are PyTorch's`, () => {
    assertClose(runFloat64(optimizerOf(one)), one.after, 1e-12);
  });

  // Float32 rounds at 6e-8 relative; 1e-5 is what PyTorch's own float32 runs differ by between processors.
  test(`${one.name}: ten steps of the compiled kernel are PyTorch's float32 ones`, () => {
    assertClose(runFloat32(optimizerOf(one)), one.afterFloat32, 1e-5);
  });
}

test("every exported optimizer has recorded steps", () => {
  const recorded = new Set(golden.cases.map(({ optimizer }) => optimizer));
  assert.deepEqual(
    Object.keys(rules).filter((name) => !recorded.has(name)),
    [],
  );
});

test("every optimizer of the folder is exported as a rule", () => {
  const isOptimizer = (make: unknown) => {
    try {
      const made: unknown = typeof make === "function" && make({ learningRate: 0.1 });
      return typeof made === "object" && made !== null && "update" in made && "slots" in made;
    } catch {
      return false;
    }
  };
  const made = Object.entries(optim).filter(([, value]) => isOptimizer(value));
  assert.deepEqual(made.map(([name]) => name).sort(), Object.keys(rules).sort());
});

test("an optimizer records every option with its default", () => {
  assert.deepEqual(optim.adamw().options, {
    learningRate: 0.001,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weightDecay: 0.01,
    decays: "allParameters",
  });
  assert.deepEqual(
    optim.sgd({ learningRate: optim.cosineRate(0.1, { steps: 50 }), decays: optim.matricesOnly }).options,
    {
      learningRate: "cosineRate(rate: 0.1, steps: 50, final: 0, warmup: 0)",
      momentum: 0,
      nesterov: false,
      weightDecay: 0,
      decays: "matricesOnly",
    },
  );
  assert.equal(optim.sgd({ learningRate: () => 0.1 }).options.learningRate, "custom");
});

test("a rule for matrices leaves out what has one axis", () => {
  const { decays } = optim.adamw({ decays: optim.matricesOnly });
  assert.deepEqual(
    [decays("a", [3]), decays("b", [3, 4]), decays("c", [8, 3, 3, 3]), decays("d", [])],
    [false, true, true, false],
  );
});

/** The parameter after one step from slots of 0.5, with the scalar weight decay it is given. */
function oneStep(optimizer: Optimizer, gradient: readonly number[], weightDecay: number): number[] {
  const { context, updated } = updateOf(optimizer, "float64");
  const array = (data: readonly number[]) => ({ shape: [count], data });
  const feeds = new Map([
    [context.parameter, array(golden.initial)],
    [context.gradient, array(gradient)],
    [context.learningRate, { shape: [], data: [0.1] }],
    [context.step, { shape: [], data: [3] }],
    [context.weightDecay, { shape: [], data: [weightDecay] }],
    ...Object.values(context.slots).map((slot) => [slot, array(Array(count).fill(0.5))] as const),
  ]);
  return [...evaluate([updated.parameter], feeds)[0]!.data];
}

for (const [name, make] of Object.entries(makers)) {
  test(`${name}: a parameter that does not decay moves as without weight decay`, () => {
    const gradient = golden.gradients[0]!;
    const plain = oneStep(make({ learningRate: 0.1, weightDecay: 0 }), gradient, 0);
    const decaying = make({ learningRate: 0.1, weightDecay: 0.3 });
    assert.deepEqual(oneStep(decaying, gradient, 0), plain);
    assert.notDeepEqual(oneStep(decaying, gradient, 0.3), plain);
  });
}

for (const name of ["sgd", "adam", "rmsprop", "adagrad"]) {
  test(`${name}: weight decay is a gradient of weightDecay times the parameter`, () => {
    const gradient = golden.gradients[0]!;
    const pulled = gradient.map((value, index) => value + golden.initial[index]! * 0.3);
    assert.deepEqual(
      oneStep(makers[name]!({ learningRate: 0.1, weightDecay: 0.3 }), gradient, 0.3),
      oneStep(makers[name]!({ learningRate: 0.1, weightDecay: 0 }), pulled, 0),
    );
  });
}

test("rmsprop centered stays finite where the gradient never changes", () => {
  const optimizer = optim.rmsprop({ centered: true, decay: 0.5, epsilon: 1e-3 });
  const { context, updated } = updateOf(optimizer, "float64");
  const start = golden.initial.map(() => 0);
  const below = { shape: [count], data: start.map(() => 0.3) }; // 0.3² rounds up: square − mean² is below 0
  const square = { shape: [count], data: start.map(() => 0.3 * 0.3 - 2 ** -40) };
  const feeds = new Map([
    [context.parameter, { shape: [count], data: start }],
    [context.gradient, below],
    [context.slots.mean!, below],
    [context.slots.square!, square],
    [context.learningRate, { shape: [], data: [0.1] }],
  ]);
  const [parameter] = evaluate([updated.parameter], feeds);
  assert.ok(parameter!.data.every(Number.isFinite), `${parameter!.data}`);
});

const refusals: readonly (readonly [() => unknown, string])[] = [
  [
    () => optim.adam({ learningRate: -0.1 }),
    "adam: expected learningRate to be a number from 0 on, or a schedule, got -0.1. Fix: for example 0.001, or cosineRate(0.001, { steps: 1000 })",
  ],
  [
    () => optim.sgd({} as { learningRate: number }), // as a caller without types writes it
    "sgd: expected learningRate to be a number from 0 on, or a schedule, got undefined. Fix: for example 0.001, or cosineRate(0.001, { steps: 1000 })",
  ],
  [
    () => optim.sgd({ learningRate: 0.1, momentum: 1 }),
    "sgd: expected momentum to be a number from 0 to below 1, got 1. Fix: for example 0.9, or 0 for none",
  ],
  [
    () => optim.sgd({ learningRate: 0.1, nesterov: true }),
    "sgd: expected momentum above 0 with nesterov, got 0. Fix: add momentum: 0.9, or remove nesterov",
  ],
  [
    () => optim.sgd({ learningRate: 0.1, lr: 1 } as { learningRate: number }), // as a caller without types writes it
    'sgd: expected options out of learningRate, momentum, nesterov, weightDecay, decays, got "lr". Fix: rename or remove it',
  ],
  [
    () => optim.adamw({ beta2: Number.NaN }),
    "adamw: expected beta2 to be a number from 0 to below 1, got NaN. Fix: for example 0.999",
  ],
  [
    () => optim.adamw({ epsilon: 0 }),
    "adamw: expected epsilon to be a number above 0, or a parameter without gradient becomes 0 / 0, got 0. Fix: for example 1e-8",
  ],
  [
    () => optim.adamw({ weightDecay: Number.POSITIVE_INFINITY }),
    "adamw: expected weightDecay to be a number from 0 on, got Infinity. Fix: for example 0.01, or 0 for none",
  ],
  [
    () => optim.rmsprop({ decay: -1 }),
    "rmsprop: expected decay to be a number from 0 to below 1, got -1. Fix: for example 0.99",
  ],
  [
    () => optim.rmsprop({ centered: 1 as unknown as boolean }), // as a caller without types writes it
    "rmsprop: expected centered to be true or false, got 1. Fix: true turns it on",
  ],
  [
    () => optim.adagrad({ initialAccumulator: -1 }),
    "adagrad: expected initialAccumulator to be a number from 0 on, got -1. Fix: for example 0.1, or 0",
  ],
  [
    () => optim.lion({ decays: true as unknown as optim.Decays }), // as a caller without types writes it
    "lion: expected decays to be a function of a parameter's name and shape, got true. Fix: for example matricesOnly",
  ],
  [
    () => optim.sgd({ learningRate: 1e39 }),
    "sgd: expected learningRate to fit float32, got 1e+39. Fix: for example 0.001, or cosineRate(0.001, { steps: 1000 })",
  ],
  [
    () => optim.adamw({ weightDecay: 1e300 }),
    "adamw: expected weightDecay to fit float32, got 1e+300. Fix: for example 0.01, or 0 for none",
  ],
  [
    () => optim.adam({ beta1: 0.999999999 }), // 1 in float32
    "adam: expected beta1 to be a number from 0 to below 1, got 0.999999999. Fix: for example 0.9",
  ],
  [
    () => optim.adam({ epsilon: 1e-50 }), // 0 in float32
    "adam: expected epsilon to be a number above 0, or a parameter without gradient becomes 0 / 0, got 1e-50. Fix: for example 1e-8",
  ],
  [
    () => optim.sgd({ learningRate: () => 1e39 }).learningRate(3),
    "sgd, schedule at step 3: expected a learning rate from 0 on that fits float32, got 1e+39. Fix: make the schedule return a number for every step",
  ],
  [
    () => optim.adam({ learningRate: () => Number.NaN }).learningRate(12),
    "adam, schedule at step 12: expected a learning rate from 0 on that fits float32, got NaN. Fix: make the schedule return a number for every step",
  ],
];

test("impossible options are refused in words that say what to type instead", () => {
  for (const [call, message] of refusals) assert.throws(call, { name: "MicrobatchError", message });
});
