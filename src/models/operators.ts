/** Every ONNX operator that is known. A family is one more line here. */
import { activation } from "./activation.ts";
import { attentions } from "./attention.ts";
import { contributed } from "./contributed.ts";
import { convolutions } from "./convolution.ts";
import { elementwise } from "./elementwise.ts";
import { fouriers } from "./fourier.ts";
import { generators } from "./generators.ts";
import { gridSamples } from "./grid-sample.ts";
import { indexing } from "./indexing.ts";
import { losses } from "./losses.ts";
import { normalization } from "./normalization.ts";
import type { Operators } from "./operator.ts";
import { poolings } from "./pooling.ts";
import { products } from "./products.ts";
import { quantization } from "./quantization.ts";
import { recurrents } from "./recurrent.ts";
import { reductions } from "./reduction.ts";
import { resizing } from "./resize.ts";
import { shapes } from "./shapes.ts";

export const operators: Operators = {
  ...activation,
  ...attentions,
  ...contributed,
  ...convolutions,
  ...elementwise,
  ...fouriers,
  ...generators,
  ...gridSamples,
  ...indexing,
  ...losses,
  ...normalization,
  ...poolings,
  ...products,
  ...quantization,
  ...recurrents,
  ...reductions,
  ...resizing,
  ...shapes,
};
