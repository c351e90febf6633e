/** The penalties of a plan as a program of their own: it runs once per step, on the parameters alone. */
import { float32, type NdArray } from "../array/array.ts";
import { buildProgram } from "../graph/program.ts";
import { input, type Tensor } from "../graph/tensor.ts";
import { encodeOnnx } from "../onnx/encode.ts";
import { add, gradient } from "../ops/index.ts";
import type { Session } from "../runtime/runtime.ts";
import { parametersIn } from "./loadable.ts";
import { names } from "./names.ts";
import type { Plan } from "./plan.ts";

/** The penalties' program: adds W · ∂penalty to the sums and tells the penalties' value. */
export interface PenaltyProgram {
  readonly bytes: Uint8Array;
  readonly parameters: Readonly<Record<string, string>>;
  /** Output name → parameter name, and the input it is written over. */
  readonly sums: Readonly<Record<string, string>>;
  readonly sumInputs: Readonly<Record<string, string>>;
  readonly weight: string;
  readonly value: string;
}

/** Undefined for a plan without penalties. */
export function tracePenalty(
  plan: Plan,
  parameterNames: ReadonlyMap<Tensor, string>,
): PenaltyProgram | undefined {
  const penalties = plan.penalty === undefined ? [] : [plan.penalty].flat();
  if (penalties.length === 0) return undefined;
  const named = [...parameterNames].map(([tensor, name]) => ({ name, tensor }));
  const value = penalties.map((penalty) => penalty.value(named)).reduce((a, b) => add(a, b));
  const gradients = gradient(value, [...parameterNames.keys()], input(names.weight, []));
  const outputs: Record<string, Tensor> = { [names.penalty]: value };
  const sums: Record<string, string> = {};
  const sumInputs: Record<string, string> = {};
  named.forEach(({ name, tensor }, index) => {
    outputs[names.sum(name)] = add(gradients[index]!, input(names.into(name), tensor.shape));
    sums[names.sum(name)] = name;
    sumInputs[names.sum(name)] = names.into(name);
  });
  const program = buildProgram({ name: "penalty", outputs, parameterNames, aliases: sumInputs });
  return {
    bytes: encodeOnnx(program),
    parameters: parametersIn(program, parameterNames),
    sums,
    sumInputs,
    weight: names.weight,
    value: names.penalty,
  };
}

/** Runs the program on a step's sums, in place, and gives the penalties' value. */
export async function addPenalty(
  program: PenaltyProgram,
  session: Session,
  step: {
    readonly parameters: ReadonlyMap<string, NdArray>;
    readonly sums: ReadonlyMap<string, NdArray>;
    readonly weightSum: number;
  },
): Promise<number> {
  const feeds: Record<string, NdArray> = { [program.weight]: float32([step.weightSum], []) };
  const fetches: Record<string, NdArray> = {};
  for (const [input, name] of Object.entries(program.parameters)) feeds[input] = step.parameters.get(name)!;
  for (const [output, name] of Object.entries(program.sums)) {
    fetches[output] = step.sums.get(name)!;
    feeds[program.sumInputs[output]!] = fetches[output]!;
  }
  const results = await session.bind(feeds, fetches).run();
  return Number(results[program.value]!.data[0]);
}
