/** Measures anything that is computed from a dataset's columns alone: the trivial baseline a model must beat, for one. */
import type { ColumnSpecs, Dataset } from "../data/dataset.ts";
import { allSamples, withWeight } from "../data/samples.ts";
import { fail } from "../errors.ts";
import { buildProgram } from "../graph/program.ts";
import { parametersOf, statisticsOf } from "../graph/walk.ts";
import type { Metric } from "../nn/metric.ts";
import { evaluateOnce } from "../parallel/evaluation.ts";
import { nodeRuntime } from "../runtime/ort-node.ts";
import { foldMetrics, metricOutputs } from "./evaluate.ts";
import { loadable } from "./loadable.ts";
import { placeholders } from "./placeholders.ts";
import type { LossResult, Plan, Row } from "./plan.ts";
import { lossOutputs, weightedLoss } from "./weighted-loss.ts";

/** What is measured: a loss per sample and metrics, as functions of the columns. */
export interface Measured {
  readonly loss: LossResult;
  readonly metrics: Readonly<Record<string, Metric>>;
}

/** The mean loss and the metrics over a dataset, with its weights. Throws for what has parameters: nothing has trained them. */
export async function measure<Columns extends ColumnSpecs>(
  data: Dataset<Columns>,
  of: (row: Row<Columns>) => Measured,
): Promise<Record<string, number>> {
  // One placeholder for each of the dataset's columns, which is what a row of them is.
  const { loss, metrics } = of(placeholders(data) as Row<Columns>);
  const weighted = weightedLoss(loss);
  const traced = metricOutputs("measure", metrics);
  const measured = [weighted.loss, weighted.weights, ...Object.values(traced.outputs)];
  if (parametersOf(measured).length + statisticsOf(measured).length > 0) {
    fail("measure", {
      expected: "a loss and metrics of the columns alone",
      got: "parameters",
      fix: "measure a trained model with model.evaluate(data)",
    });
  }
  const program = buildProgram({ name: "measure", outputs: { ...lossOutputs(weighted), ...traced.outputs } });
  const ready = loadable(program, {
    columns: Object.keys(data.columns),
    parameterNames: new Map(),
    masks: [],
  });
  const samples = await withWeight(data, allSamples(data));
  const parts = { program: ready, dataset: data, parameters: new Map(), microbatchSize: 1024 };
  return foldMetrics(evaluateOnce(await nodeRuntime(), parts, samples), traced.metrics);
}

/**
 * How good the plan's trivial prediction is on a dataset with the plan's columns (by default its validation samples), under
 * the names that `model.evaluate` uses. Undefined where the plan has no baseline, or nothing to measure it on.
 */
export async function measureBaseline<Columns extends ColumnSpecs, Prediction>(
  plan: Pick<Plan<Columns, Prediction>, "baseline" | "loss" | "validation">,
  data: Dataset<Columns> | undefined = plan.validation?.data,
): Promise<Record<string, number> | undefined> {
  const { baseline, loss, validation } = plan;
  if (baseline === undefined || data === undefined) return undefined;
  return measure(data, (row) => {
    const predicted = baseline(row);
    const makers = Object.entries(validation?.metrics ?? {});
    return {
      loss: loss(predicted, row),
      metrics: Object.fromEntries(makers.map(([name, make]) => [name, make(predicted, row)])),
    };
  });
}
