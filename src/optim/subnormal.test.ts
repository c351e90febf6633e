import assert from "node:assert/strict";
import { it } from "node:test";
import { buildProgram } from "../graph/program.ts";
import { input } from "../graph/tensor.ts";
import { interpret } from "../runtime/interpreter.ts";
import * as rules from "./rules.ts";
import { withoutTiny } from "./subnormal.ts";

const like = [8];

it("tiny numbers become 0; NaN, infinities and all others stay what they are", () => {
  const program = buildProgram({ name: "tiny", outputs: { out: withoutTiny(input("x", like)) } });
  const x = Float32Array.of(1e-45, -7e-31, 8e-31, -1, Number.NaN, Number.POSITIVE_INFINITY, -0, 0);
  const expected = Float32Array.of(0, 0, 8e-31, -1, Number.NaN, Number.POSITIVE_INFINITY, 0, 0);
  assert.deepEqual(interpret(program, { x }, {}).out, expected);
});

it("no rule makes a subnormal number of a gradient that is a normal one", () => {
  for (const [name, rule] of Object.entries(rules)) {
    const optimizer = rule({ learningRate: 0.01 });
    const slots = Object.fromEntries(Object.keys(optimizer.slots).map((slot) => [slot, input(slot, like)]));
    const { parameter: _, slots: updated } = optimizer.update({
      parameter: input("parameter", like),
      gradient: input("gradient", like),
      slots,
      learningRate: input("learningRate", []),
      step: input("step", []),
      weightDecay: input("weightDecay", []),
    });
    if (Object.keys(updated).length === 0) continue;
    const program = buildProgram({
      name,
      outputs: Object.fromEntries(Object.entries(updated).map(([slot, value]) => [`new ${slot}`, value])),
    });
    const gradient = Float32Array.of(1e-30, -1e-25, 1e-22, 1e-19, -1e-18, 1e-17, 1e-10, 1);
    const arrays = Object.fromEntries(
      program.inputs
        .filter(({ tensor }) => tensor.shape.length > 0)
        .map(({ name: key }) => [key, new Float32Array(8)]),
    );
    const scalars = Object.fromEntries(
      program.inputs
        .filter(({ tensor }) => tensor.shape.length === 0)
        .map(({ name: key }) => [key, key === "step" ? 1 : 0.01]),
    );
    for (const [slot, values] of Object.entries(interpret(program, { ...arrays, gradient }, scalars))) {
      const subnormal = values.find((value) => value !== 0 && Math.abs(value) < 2 ** -126);
      assert.equal(subnormal, undefined, `${name}, ${slot}`);
    }
  }
});
