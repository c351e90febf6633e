/**
 * The plain meaning of elementwise programs, in JavaScript numbers. It judges the compiled kernels byte for byte, and
 * computes what is made of scalars alone.
 */
import { fail } from "../errors.ts";
import type { Program } from "../graph/program.ts";
import type { Tensor } from "../graph/tensor.ts";

/** One step on scalars. Plain data: steps are sent along with the kernel that uses their results. */
export interface ScalarStep {
  /** "input", "constant", or the name of an operation. */
  readonly op: string;
  /** Earlier steps whose results it takes. */
  readonly inputs: readonly number[];
  /** Of an input. */
  readonly name?: string;
  /** Of a constant. */
  readonly value?: number;
}

/** What the operations mean for one element. Booleans are 0 and 1; NaN stays NaN, and minimum(−0, 0) is −0. */
export const elementOperations: Readonly<Record<string, (a: number, b: number, c: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: (a, b) => a ** b,
  minimum: (a, b) => Math.min(a, b),
  maximum: (a, b) => Math.max(a, b),
  neg: (a) => -a,
  abs: (a) => Math.abs(a),
  // ONNX Runtime's sign of −0 is 0, JavaScript's is −0.
  sign: (a) => Math.sign(a) + 0,
  sqrt: (a) => Math.sqrt(a),
  exp: (a) => Math.exp(a),
  log: (a) => Math.log(a),
  less: (a, b) => Number(a < b),
  lessOrEqual: (a, b) => Number(a <= b),
  greater: (a, b) => Number(a > b),
  greaterOrEqual: (a, b) => Number(a >= b),
  equal: (a, b) => Number(a === b),
  isNan: (a) => Number(Number.isNaN(a)),
  not: (a) => Number(a === 0),
  where: (condition, a, b) => (condition !== 0 ? a : b),
  cast: (a) => a,
};

/** The steps that compute a program's scalars: tensors of shape [], inputs first. */
export function scalarSteps(program: Program): { steps: ScalarStep[]; stepOf: Map<Tensor, number> } {
  const names = new Map(program.inputs.map(({ name, tensor }) => [tensor, name]));
  const steps: ScalarStep[] = [];
  const stepOf = new Map<Tensor, number>();
  for (const tensor of program.tensors) {
    if (tensor.shape.length > 0) continue;
    stepOf.set(tensor, steps.push(scalarStep(program, tensor, names.get(tensor), stepOf)) - 1);
  }
  return { steps, stepOf };
}

function scalarStep(
  program: Program,
  tensor: Tensor,
  name: string | undefined,
  stepOf: ReadonlyMap<Tensor, number>,
): ScalarStep {
  if (name !== undefined) return { op: "input", inputs: [], name };
  const value = constantOf(tensor);
  if (value !== undefined) return { op: "constant", inputs: [], value };
  const inputs = tensor.inputs.map((input) => stepOf.get(input) ?? -1);
  if (!(tensor.op.name in elementOperations) || inputs.includes(-1)) {
    fail(`elementwise program "${program.name}"`, {
      expected: `scalars made from scalars by ${Object.keys(elementOperations).join(", ")}`,
      got: tensor.op.name,
      fix: "write the rule with those, or compute the scalar outside and feed it",
    });
  }
  return { op: tensor.op.name, inputs };
}

/** The number a tensor is filled with, if it is known when the program is written. */
export function constantOf(tensor: Tensor): number | undefined {
  if (tensor.op.name === "fill") return Number(tensor.attributes.value);
  const value = tensor.leaf?.kind === "constant" ? tensor.leaf.value.data : undefined;
  return value?.length === 1 ? Number(value[0]) : undefined;
}

/**
 * The scalars of a program, one number per step. All in float64 and never rounded on the way, whatever their dtype: so
 * 1 − β^step of an optimizer comes out as where it is computed in Python. Throws when an input is missing.
 */
export function evaluateScalars(
  where: string,
  steps: readonly ScalarStep[],
  scalars: Readonly<Record<string, number>>,
): Float64Array {
  const values = new Float64Array(steps.length);
  steps.forEach(({ op, inputs, name, value }, index) => {
    values[index] =
      op === "input"
        ? (scalars[name!] ?? missingScalar(where, name!, scalars))
        : op === "constant"
          ? value!
          : elementOperations[op]!(values[inputs[0]!]!, values[inputs[1]!]!, values[inputs[2]!]!);
  });
  return values;
}

function missingScalar(where: string, name: string, scalars: Readonly<Record<string, number>>): never {
  return fail(where, {
    expected: `a number for the scalar "${name}"`,
    got: `numbers for ${Object.keys(scalars).join(", ") || "none"}`,
    fix: `add ${name} to scalars`,
  });
}

/** The outputs of an elementwise program, rounded to float32 after every operation on arrays. Slow: it is the judge. */
export function interpret(
  program: Program,
  arrays: Readonly<Record<string, Float32Array>>,
  scalars: Readonly<Record<string, number>>,
): Record<string, Float32Array> {
  const { steps, stepOf } = scalarSteps(program);
  const numbers = evaluateScalars(`interpret "${program.name}"`, steps, scalars);
  const names = new Map(program.inputs.map(({ name, tensor }) => [tensor, name]));
  const count = Object.values(arrays)[0]?.length ?? 0;
  const values = new Map<Tensor, Float32Array>();
  for (const tensor of program.tensors) {
    const step = stepOf.get(tensor);
    const constant = step === undefined ? constantOf(tensor) : numbers[step];
    const name = names.get(tensor);
    if (constant !== undefined) values.set(tensor, new Float32Array(count).fill(constant));
    else if (name !== undefined) values.set(tensor, arrays[name]!);
    else
      values.set(
        tensor,
        interpretArray(
          tensor,
          tensor.inputs.map((input) => values.get(input)!),
        ),
      );
  }
  return Object.fromEntries(program.outputs.map(({ name, tensor }) => [name, values.get(tensor)!]));
}

function interpretArray(tensor: Tensor, [a, b, c]: readonly Float32Array[]): Float32Array {
  const operation = elementOperations[tensor.op.name]!;
  return a!.map((value, index) =>
    Math.fround(operation(value, b?.[index] ?? Number.NaN, c?.[index] ?? Number.NaN)),
  );
}
