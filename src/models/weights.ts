/** Which tensors of a file are weights, and which of them are trained. */
import type { NdArray } from "../array/array.ts";
import { fail } from "../errors.ts";
import { constant, parameter, type Tensor } from "../graph/tensor.ts";
import type { OnnxGraph } from "../onnx/graph.ts";
import { type NamePatterns, patternExpression } from "./name-pattern.ts";

/** Which weights are trained: all or none, or those whose names match. In a text * stands for anything. */
export type Trainable = boolean | NamePatterns;

/** A weight of a file. */
export interface OnnxWeight {
  /** Its name in the file; that of a Constant node's output where it lies in one. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly isTrainable: boolean;
  /** A parameter that begins with the file's numbers, or a constant of them. */
  readonly tensor: Tensor;
}

/** Inputs that are no weights, whatever is stored for them: exponents, bounds, scales, running statistics. */
const settings: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [3, 4],
  Clip: [1, 2],
  Dropout: [1, 2],
  Pad: [1, 2],
  Pow: [1],
  Resize: [1, 2, 3],
  Upsample: [1],
};

/** The weights of a graph: float32 tensors of at least one axis. Throws for a pattern that matches none. */
export function weightsOf(graph: OnnxGraph, trainable: Trainable, source: string): readonly OnnxWeight[] {
  const set = new Set(
    graph.nodes.flatMap(({ operator, inputs }) =>
      (settings[operator] ?? []).map((index) => inputs[index] ?? ""),
    ),
  );
  const used = new Set(graph.nodes.flatMap(({ inputs }) => inputs));
  const isWeight = (name: string, { dtype, shape, data }: NdArray) =>
    dtype === "float32" && shape.length > 0 && data.length > 0 && !set.has(name) && used.has(name);
  const stored = [...graph.initializers].filter(([name, array]) => isWeight(name, array));
  // One number in a Constant node is a factor that the exporter wrote, not something it learned.
  const inNodes = constantsOf(graph).filter(
    ([name, array]) => isWeight(name, array) && array.data.length > 1,
  );
  const all = [...stored, ...inNodes];
  const isChosen = chooser(
    trainable,
    all.map(([name]) => name),
    source,
  );
  const owner = {};
  return all.map(([name, array]) => {
    const isTrainable = isChosen(name);
    const tensor = isTrainable
      ? parameter(array.shape, initializerOf(name, array), name, owner)
      : constant(array);
    return Object.freeze({ name, shape: array.shape, isTrainable, tensor });
  });
}

function constantsOf(graph: OnnxGraph): (readonly [string, NdArray])[] {
  return graph.nodes.flatMap(({ operator, outputs, attributes }) => {
    const value = operator === "Constant" ? attributes.get("value") : undefined;
    return typeof value === "object" && "dtype" in value ? [[outputs[0]!, value] as const] : [];
  });
}

const initializerOf = (name: string, { data }: NdArray) => ({
  name: `"${name}" of the file`,
  fill: (values: Float32Array) => values.set(data as Float32Array), // weights are float32
});

function chooser(trainable: Trainable, names: readonly string[], source: string): (name: string) => boolean {
  if (typeof trainable === "boolean") return () => trainable;
  const patterns = typeof trainable === "string" || trainable instanceof RegExp ? [trainable] : trainable;
  const tests = patterns.map((pattern) => patternExpression(pattern));
  tests.forEach((test, index) => {
    if (names.some((name) => test.test(name))) return;
    const shown = names.slice(0, 12).join(", ");
    fail(`${source}, trainable`, {
      expected: "patterns that match weights",
      got: `${patterns[index]}, which matches none`,
      fix:
        names.length === 0
          ? "load it without: the file has no weights"
          : `its weights are ${shown}${names.length > 12 ? ` and ${names.length - 12} more` : ""}`,
    });
  });
  return (name) => tests.some((test) => test.test(name));
}
