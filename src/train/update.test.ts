import assert from "node:assert/strict";
import { it } from "node:test";
import { arrays } from "../data/arrays.ts";
import { linear, squaredError } from "../nn/index.ts";
import { adam, matricesOnly, sgd } from "../optim/index.ts";
import { Update } from "../parallel/update.ts";
import { createArena, layout } from "../runtime/arena.ts";
import { interpret } from "../runtime/interpreter.ts";
import type { Plan } from "./plan.ts";
import { regions } from "./regions.ts";
import { updateJob, updateProgram } from "./update.ts";

const line = linear(1);
const planWith = (optimizer: Plan["optimizer"]): Plan => ({
  data: arrays({ x: [[1]], y: [[1]] }) as unknown as Plan["data"],
  model: (row) => line(row.x!),
  loss: (predicted, row) => squaredError(predicted, row.y!),
  optimizer,
});

/** An arena with one parameter of five elements, its slots and a sum. */
function open(plan: Plan) {
  const names = [regions.parameters, ...Object.keys(plan.optimizer.slots).map(regions.slot), "sum"];
  const arena = createArena({ layout: layout([{ name: "p", shape: [5] }]), regions: names });
  const values = (region: string) => arena.region(region).tensors.get("p")!.data as Float32Array;
  return {
    arena,
    values,
    update: new Update(arena, updateJob(arena.layout, updateProgram(plan), plan, "sum")),
  };
}
const scalars = { learningRate: 0.1, step: 1, gradientScale: 1, averageDecay: 0 };

it("a unit that gets no gradient any more ends with a momentum of 0, not with a subnormal one", () => {
  const { values, update } = open(planWith(sgd({ learningRate: 0.1, momentum: 0.9 })));
  values("sum").set([1, -1e-20, 1e-42, 0, 3e30]);
  update.apply(scalars);
  assert.equal(values("slot velocity")[2], 0); // a subnormal gradient counts as none
  values("sum").fill(0);
  let isEverSubnormal = false;
  for (let step = 2; step < 2000; step++) {
    update.apply({ ...scalars, step });
    isEverSubnormal ||= values("slot velocity").some((value) => value !== 0 && Math.abs(value) < 2 ** -126);
  }
  assert.ok(!isEverSubnormal);
  assert.deepEqual([...values("slot velocity")], [0, 0, 0, 0, 0]);
});

it("the compiled update gives the interpreter's bytes, tiny numbers and NaN included", () => {
  const plan = planWith(adam({ learningRate: 0.1, weightDecay: 0.01 }));
  const { values, update } = open(plan);
  const start = { parameter: [1, -2, 1e-33, 4, 5], sum: [1e-40, 1e-20, Number.NaN, -3, 2 ** -100] };
  values(regions.parameters).set(start.parameter);
  values("sum").set(start.sum);
  const program = updateProgram(plan);
  const inputs = Object.fromEntries(
    program.inputs
      .filter(({ tensor }) => tensor.shape.length > 0)
      .map(({ name }) => [name, Float32Array.from(start[name as keyof typeof start] ?? [0, 0, 0, 0, 0])]),
  );
  const expected = interpret(program, inputs, { ...scalars, weightDecay: 0.01 });
  update.apply(scalars);
  assert.deepEqual([...values(regions.parameters)], [...expected["updated parameter"]!]);
  for (const slot of Object.keys(plan.optimizer.slots)) {
    assert.deepEqual([...values(regions.slot(slot))], [...expected[`updated slot:${slot}`]!]);
  }
});

it("weight decay reaches only the parameters that decay", () => {
  const plan = planWith(sgd({ learningRate: 1, weightDecay: 0.5, decays: matricesOnly }));
  const arena = createArena({
    layout: layout([
      { name: "weight", shape: [2, 2] },
      { name: "bias", shape: [2] },
      { name: "weight2", shape: [1, 3] },
    ]),
    regions: [regions.parameters, ...Object.keys(plan.optimizer.slots).map(regions.slot), "sum"],
  });
  for (const { data } of arena.region(regions.parameters).tensors.values()) (data as Float32Array).fill(2);
  new Update(arena, updateJob(arena.layout, updateProgram(plan), plan, "sum")).apply({
    ...scalars,
    learningRate: 1,
  });
  const after = [...arena.region(regions.parameters).tensors.values()].map(({ data }) => [...data]);
  assert.deepEqual(after, [
    [1, 1, 1, 1],
    [2, 2],
    [1, 1, 1],
  ]);
});
