import assert from "node:assert/strict";
import { test } from "node:test";
import { buildProgram } from "../graph/program.ts";
import { input } from "../graph/tensor.ts";
import * as ops from "../ops/index.ts";
import { elementOperations, evaluateScalars, interpret, scalarSteps } from "./interpreter.ts";

/** Operands and results, written by hand from the ops' documentation. */
const meanings: Readonly<Record<string, readonly (readonly [readonly number[], number])[]>> = {
  add: [[[1, 2], 3]],
  sub: [[[1, 2], -1]],
  mul: [[[3, -2], -6]],
  div: [
    [[1, 4], 0.25],
    [[1, -0], Number.NEGATIVE_INFINITY],
  ],
  pow: [[[2, 10], 1024]],
  minimum: [
    [[1, 2], 1],
    [[Number.NaN, 2], Number.NaN],
    [[0, -0], -0],
  ],
  maximum: [
    [[1, 2], 2],
    [[1, Number.NaN], Number.NaN],
    [[-0, 0], 0],
  ],
  neg: [[[0], -0]],
  abs: [[[-0], 0]],
  sign: [
    [[-3], -1],
    [[1e-45], 1],
    [[-0], 0],
    [[Number.NaN], Number.NaN],
  ],
  sqrt: [
    [[9], 3],
    [[-1], Number.NaN],
  ],
  exp: [[[0], 1]],
  log: [[[1], 0]],
  less: [
    [[1, 2], 1],
    [[2, 2], 0],
    [[Number.NaN, 2], 0],
  ],
  lessOrEqual: [
    [[2, 2], 1],
    [[3, 2], 0],
  ],
  greater: [
    [[2, 1], 1],
    [[2, 2], 0],
  ],
  greaterOrEqual: [
    [[2, 2], 1],
    [[1, 2], 0],
  ],
  equal: [
    [[-0, 0], 1],
    [[Number.NaN, Number.NaN], 0],
  ],
  isNan: [
    [[Number.NaN], 1],
    [[1], 0],
  ],
  not: [
    [[1], 0],
    [[0], 1],
  ],
  where: [
    [[1, 5, 6], 5],
    [[0, 5, 6], 6],
  ],
  cast: [[[1], 1]],
};

test("every operation means what it is documented to", () => {
  assert.deepEqual(Object.keys(meanings).sort(), Object.keys(elementOperations).sort());
  for (const [name, cases] of Object.entries(meanings)) {
    for (const [[a, b, c], expected] of cases) {
      const result = elementOperations[name]!(a!, b ?? Number.NaN, c ?? Number.NaN);
      assert.ok(Object.is(result, expected), `${name}(${a}, ${b}, ${c}) is ${result}, not ${expected}`);
    }
  }
});

test("arrays are rounded to float32 after every operation, scalars never", () => {
  const [x, s] = [input("x", [2]), input("s", [])];
  const program = buildProgram({ name: "rounding", outputs: { y: ops.sub(ops.add(x, ops.mul(s, 3)), x) } });
  const { y } = interpret(program, { x: Float32Array.of(1, 2 ** 24) }, { s: 0.1 });
  const third = Math.fround(0.1 * 3);
  assert.deepEqual([...y!], [Math.fround(Math.fround(1 + third) - 1), 0]);
  const { steps, stepOf } = scalarSteps(program);
  const scalar = [...stepOf].find(([tensor]) => tensor.op.name === "mul")![1];
  assert.equal(evaluateScalars("here", steps, { s: 0.1 })[scalar], 0.1 * 3);
});
