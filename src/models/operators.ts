/** Every ONNX operator that is known. A family is one more line here. */
import { activation } from "./activation.ts";
import { elementwise } from "./elementwise.ts";
import { generators } from "./generators.ts";
import { indexing } from "./indexing.ts";
import { losses } from "./losses.ts";
import { normalization } from "./normalization.ts";
import type { Operators } from "./operator.ts";
import { products } from "./products.ts";
import { reductions } from "./reduction.ts";
import { shapes } from "./shapes.ts";

export const operators: Operators = {
  ...activation,
  ...elementwise,
  ...generators,
  ...indexing,
  ...losses,
  ...normalization,
  ...products,
  ...reductions,
  ...shapes,
};
