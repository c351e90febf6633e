/** Adapters merged into plain weights: what is evaluated, predicted with and saved. */
import type { Arena } from "../runtime/arena.ts";
import type { Adapter } from "./lora.ts";
import { copyRegion } from "./regions.ts";

/** Copies a region with scale · B · A added to each adapter's weight, summed in float64 and rounded once. */
export function mergeAdapters(arena: Arena, from: string, into: string, adapters: readonly Adapter[]): void {
  copyRegion(arena, from, into);
  const { tensors } = arena.region(into);
  const floats = (name: string) => tensors.get(name)!.data as Float32Array; // parameters are float32
  for (const { weight, a, b, scale, isTransposed } of adapters) {
    const [rank, inputs] = tensors.get(a)!.shape as readonly [number, number]; // as adaptersOf made it
    addProduct(floats(weight), floats(a), floats(b), { rank, inputs, scale, isTransposed });
  }
}

interface Sizes {
  readonly rank: number;
  readonly inputs: number;
  readonly scale: number;
  readonly isTransposed: boolean;
}

function addProduct(weight: Float32Array, a: Float32Array, b: Float32Array, sizes: Sizes): void {
  const { rank, inputs, scale, isTransposed } = sizes;
  const outputs = weight.length / inputs;
  const row = new Float64Array(inputs);
  for (let output = 0; output < outputs; output++) {
    row.fill(0);
    for (let k = 0; k < rank; k++) {
      const factor = scale * b[output * rank + k]!;
      for (let input = 0; input < inputs; input++) row[input]! += factor * a[k * inputs + input]!;
    }
    for (let input = 0; input < inputs; input++) {
      weight[isTransposed ? input * outputs + output : output * inputs + input]! += row[input]!;
    }
  }
}
