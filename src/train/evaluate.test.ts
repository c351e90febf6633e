import { refuses } from "../../test/reference/refusals.ts";
import type { Tensor } from "../graph/tensor.ts";
import { input } from "../graph/tensor.ts";
import type { Metric } from "../nn/metric.ts";
import { metricOutputs } from "./evaluate.ts";

const metric = (tensor: Tensor): Metric => ({
  name: "mine",
  tensors: [tensor],
  better: "higher",
  start: () => ({ add: () => undefined, finish: () => 0 }),
});
const measured = (tensor: Tensor) => () => metricOutputs("plan.validation.metrics", { mine: metric(tensor) });
const fix = "Fix: keep the batch axis, since the metric folds over samples itself, and cast to float32";

refuses("an evaluation", [
  [
    "a metric of one number for all samples",
    measured(input("x", [3])),
    `plan.validation.metrics.mine: expected float32 tensors with one row per sample, got float32 [3]. ${fix}`,
  ],
  [
    "a metric of strings",
    measured(input("x", ["batch"], "string")),
    `plan.validation.metrics.mine: expected float32 tensors with one row per sample, got string [batch]. ${fix}`,
  ],
]);
