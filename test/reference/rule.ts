/** CONTRACT of the float64 reference: what an op computes, written a second time, independently and plainly. */
import type { Attributes } from "../../src/graph/op.ts";
import type { Value } from "./value.ts";

/** The output of an op. `batch` is the number of samples, for attributes that hold shapes. */
export type Rule = (inputs: readonly Value[], attributes: Attributes, batch: number) => Value;

/** A table of rules by op name; one per family of src/ops/. */
export type Rules = Readonly<Record<string, Rule>>;

/** A rule that knows what its op's attributes are. */
export function rule<A>(compute: (inputs: readonly Value[], attributes: A, batch: number) => Value): Rule {
  // The op named beside the rule makes its attributes of type A; the table cannot say so.
  return (inputs, attributes, batch) => compute(inputs, attributes as A, batch);
}
