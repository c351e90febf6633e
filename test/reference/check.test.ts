import assert from "node:assert/strict";
import { test } from "node:test";
import type { Shape } from "../../src/array/shape.ts";
import { type EmitContext, type Op, type OpSample, registeredOps } from "../../src/graph/op.ts";
import { apply, type Tensor } from "../../src/graph/tensor.ts";
import { sorted } from "../../src/graph/walk.ts";
import { fill, mul, tanh } from "../../src/ops/index.ts";
import { dtypeProblemsOf, problemsOf } from "./check.ts";
import { reference } from "./evaluate.ts";

const ops = registeredOps();
const named = (name: string) => ops.find((op) => op.name === name)!;

/** A copy of an op with some of its rules replaced, and samples that use the copy. The registry keeps the original. */
function changed(op: Op, rules: Partial<Op>): Op {
  const copy: Op = { ...op, ...rules };
  const samples = op.samples.map(
    (sample): OpSample => ({ ...sample, build: (...leaves) => rebuilt(sample.build(...leaves), copy) }),
  );
  return { ...copy, samples: rules.samples ?? samples };
}

/** The same expression with every node of the op made by the copy instead. */
function rebuilt(output: Tensor, copy: Op): Tensor {
  const made = new Map<Tensor, Tensor>();
  for (const tensor of sorted([output])) {
    const inputs = tensor.inputs.map((value) => made.get(value)!);
    const op = tensor.op.name === copy.name ? copy : tensor.op;
    made.set(tensor, tensor.leaf === undefined ? apply(op, inputs, tensor.attributes) : tensor);
  }
  return made.get(output)!;
}

/** The first problem of an op with some rules replaced, or "" where the checker is content. */
async function firstProblem(op: Op, rules: Partial<Op>): Promise<string> {
  const [problem = ""] = await problemsOf(changed(op, rules), { seed: 1, isQuick: true });
  return problem;
}

/** Some ops read what the node of another computes besides; behind a node in between they do not find it, and say so. */
const isNotFound = /threw bug: no \w+ beside/;

/** Emission with nodes behind the last one. */
function emittedThen(op: Op, last: (context: EmitContext, right: string) => void): Partial<Op> {
  return {
    onnx: (context) => {
      const right = `${context.output} as it should be`;
      if (typeof op.onnx === "string") context.node(op.onnx, context.inputs, {}, right);
      else op.onnx({ ...context, output: right });
      last(context, right);
    },
  };
}

test("a copy with the same rules has no problems", async () => {
  for (const op of ops) assert.equal(await firstProblem(op, {}), "");
});

test("a gradient that is wrong by one part in a thousand is rejected, for every op and every input", async () => {
  for (const op of ops) {
    const { gradient } = op;
    if (gradient === undefined) continue;
    const arity = Math.max(...op.samples.map(({ build, inputs }) => build.length + inputs.length));
    for (let wrong = 0; wrong < arity; wrong++) {
      let isUsed = false;
      const problem = await firstProblem(op, {
        gradient: (context) =>
          gradient(context).map((part, index) => {
            if (index !== wrong || part === undefined) return part;
            isUsed = true;
            return mul(part, 1.001);
          }),
      });
      if (isUsed) assert.match(problem, /gradient \d+: element \d+ is/, `${op.name}, input ${wrong}`);
    }
  }
});

test("an emission that writes other numbers is rejected, for every op", async () => {
  for (const op of ops) {
    const problem = await firstProblem(
      op,
      emittedThen(op, ({ node, constant, outputTensor: { dtype }, output }, right) => {
        if (dtype === "bool") node("Not", [right], {}, output);
        else if (dtype === "int32" || dtype === "int64") {
          node("Add", [right, constant([1], [], dtype)], {}, output);
        } else if (dtype === "string") node("StringConcat", [right, right], {}, output);
        else node("Mul", [right, constant([1.001])], {}, output);
      }),
    );
    if (!isNotFound.test(problem)) assert.match(problem, /of ONNX Runtime: element \d+ is/, op.name);
  }
});

test("an output that really has another shape than the rule promised is rejected, for every op", async () => {
  let seen = 0;
  for (const op of ops) {
    const problem = await firstProblem(
      op,
      emittedThen(op, ({ node, ints, output }, right) => node("Unsqueeze", [right, ints([0])], {}, output)),
    );
    // Where another node reads the output (its gradient often does), ONNX Runtime refuses the shape itself.
    if (!isNotFound.test(problem)) {
      assert.match(problem, /ONNX Runtime returned the shape|threw (Node|Non-zero status)/, op.name);
    }
    if (problem.includes("ONNX Runtime returned the shape")) seen++;
  }
  assert.ok(seen > ops.length / 2, `only ${seen} of ${ops.length} were seen by the checker itself`);
});

test("a shape rule that differs from the reference is rejected, for every op", async () => {
  for (const op of ops) {
    const infer: Op["infer"] = (inputs, attributes) => {
      const { shape, dtype } = op.infer(inputs, attributes);
      return { shape: [1, ...shape] satisfies Shape, dtype };
    };
    assert.match(await firstProblem(op, { infer }), /threw/, op.name);
  }
});

test("a dtype rule that ONNX Runtime contradicts is rejected", async () => {
  const less = named("less");
  const infer: Op["infer"] = (inputs, attributes) => ({
    ...less.infer(inputs, attributes),
    dtype: "float32",
  });
  assert.match(
    await firstProblem(less, { infer }),
    /less, sample 1, seed 1: threw .*float.*does not match expected type.*bool/,
  );
});

test("a gradient that is missing, or of another shape, is rejected", async () => {
  const missing: Op["gradient"] = () => [undefined];
  assert.match(
    await firstProblem(named("tanh"), { gradient: missing }),
    /rule of gradient 1: element 0 is 0/,
  );
  const scalar: Op["gradient"] = () => [fill([7], 1)];
  assert.match(await firstProblem(named("tanh"), { gradient: scalar }), /threw/);
});

test("a rule that is right once but wrong when differentiated again is rejected", async () => {
  const { gradient: _, ...stopped } = named("exp"); // eˣ that no gradient passes
  const gradient: Op["gradient"] = ({ inputs: [x], dy }) => [mul(dy, apply(stopped, [x!], {}))];
  assert.match(await firstProblem(named("exp"), { gradient }), /rule of second gradient 1: element 0 is 0/);
});

test("an op without a reference, without samples, or whose samples do not use it is rejected", async () => {
  const { tanh: _, ...others } = reference;
  assert.deepEqual(await problemsOf(named("tanh"), { seed: 1, rules: others }), [
    "tanh: no float64 reference",
  ]);
  assert.deepEqual(await problemsOf({ ...named("tanh"), samples: [] }, { seed: 1 }), ["tanh: no samples"]);
  const samples: OpSample[] = [{ inputs: [["batch", 2]], build: (x) => tanh(x) }];
  assert.deepEqual(await problemsOf({ ...named("exp"), samples }, { seed: 5 }), [
    "exp, sample 1, seed 5: does not use the op",
  ]);
});

test("a wrong reference is rejected", async () => {
  const rules = { ...reference, tanh: reference.sigmoid! };
  assert.match((await problemsOf(named("tanh"), { seed: 1, rules })).join("\n"), /should be/);
});

test("an op that takes a dtype ONNX Runtime has no kernel for is rejected", async () => {
  const infer: Op["infer"] = ([x]) => ({ shape: x!.shape, dtype: x!.dtype });
  const careless: Op = { ...named("exp"), infer };
  const samples: OpSample[] = [{ inputs: [["batch", 2]], build: (x) => apply(careless, [x], {}) }];
  const [problem] = await dtypeProblemsOf({ ...careless, samples });
  assert.match(problem!, /exp, sample 1, int32: .*Exp/);
});
