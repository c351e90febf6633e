/** Programs as a crew takes them: bytes and the names of what to feed, never closures. */
import { indexBounds, type Program } from "../graph/program.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { MaskRequest } from "../nn/mode.ts";
import { encodeOnnx } from "../onnx/encode.ts";
import type { LoadableProgram } from "../parallel/crew.ts";
import { names } from "./names.ts";

/** What the inputs of a plan's programs can be. */
export interface Sources {
  readonly columns: readonly string[];
  readonly parameterNames: ReadonlyMap<Tensor, string>;
  readonly masks: readonly MaskRequest[];
  /** What the runtime says of its blocked convolutions, which the programs are then written for. */
  readonly channelBlock?: number | undefined;
}

/** The program's bytes, and which source feeds each of its inputs. */
export function loadable(program: Program, sources: Sources): LoadableProgram {
  const inputs = new Set(program.inputs.map(({ name }) => name));
  return {
    name: program.name,
    bytes: encodeOnnx(program, { channelBlock: sources.channelBlock }),
    columns: sources.columns
      .filter((name) => inputs.has(name))
      .map((name) => ({ input: name, column: name })),
    masks: sources.masks.filter((mask) => inputs.has(mask.input)),
    bounds: indexBounds(program),
    ...(inputs.has(names.weight) && { weight: names.weight }),
    parameters: parametersIn(program, sources.parameterNames),
  };
}

/** The inputs that take parameters: input name → parameter name. */
export function parametersIn(
  program: Program,
  parameterNames: ReadonlyMap<Tensor, string>,
): Record<string, string> {
  const known = new Set(parameterNames.values());
  return Object.fromEntries(
    program.inputs.filter(({ name }) => known.has(name)).map(({ name }) => [name, name]),
  );
}
