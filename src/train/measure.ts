/** Measures anything that is computed from a dataset's columns alone: the trivial baseline a model must beat, for one. */
import type { Dataset } from "../data/dataset.ts";
import { allSamples, withWeight } from "../data/samples.ts";
import { buildProgram } from "../graph/program.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Metric } from "../nn/metric.ts";
import { evaluateOnce } from "../parallel/evaluation.ts";
import { nodeRuntime } from "../runtime/ort-node.ts";
import { foldMetrics, metricOutputs } from "./evaluate.ts";
import { loadable } from "./loadable.ts";
import { names } from "./names.ts";
import { placeholders } from "./placeholders.ts";
import type { Row } from "./plan.ts";

/** What is measured: a loss per sample and metrics, as functions of the columns. */
export interface Measured {
  readonly loss: Tensor;
  readonly metrics: Readonly<Record<string, Metric>>;
}

/** The mean loss and the metrics over a dataset, with its weights. */
export async function measure(data: Dataset, of: (row: Row) => Measured): Promise<Record<string, number>> {
  const { loss, metrics } = of(placeholders(data));
  const traced = metricOutputs("measure", metrics);
  const program = buildProgram({ name: "measure", outputs: { [names.loss]: loss, ...traced.outputs } });
  const ready = loadable(program, {
    columns: Object.keys(data.columns),
    parameterNames: new Map(),
    masks: [],
  });
  const samples = await withWeight(data, allSamples(data));
  const parts = { program: ready, dataset: data, parameters: new Map(), microbatchSize: 1024 };
  return foldMetrics(evaluateOnce(await nodeRuntime(), parts, samples), traced.metrics);
}
