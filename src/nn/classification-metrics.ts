/**
 * Metrics of predicted classes, from logits. Two kinds are told apart by their shapes: classes, logits [batch, C] with
 * labels [batch] (0 … C − 1); binary, logits [batch] or [batch, 1] with as many labels (0 or 1).
 */
import { formatShape, isBatchDim, sameShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import { cast } from "../ops/selection.ts";
import { requireAlike, withoutLastOne } from "./alike.ts";
import type { Metric, MetricChunk, MetricFold } from "./metric.ts";
import { WeightedMean } from "./metric-fold.ts";
import { RocArea } from "./roc-area.ts";

/**
 * The part of samples whose class is predicted: that of the largest logit (the first of equal ones), or 1 for a binary
 * logit from 0 on, a probability of one half. A NaN logit predicts no class. Logits [batch, k] with labels [batch, k]
 * are k binary answers per sample. NaN without samples.
 */
export function accuracy(logits: Tensor, labels: Tensor): Metric {
  return classMetric("accuracy", "higher", logits, labels, (classes) => {
    const mean = new WeightedMean();
    return {
      add: (chunk) =>
        forEachPosition("accuracy", classes, chunk, (at, label, weight) =>
          mean.add(predictedClass(chunk.values[0]!, at, classes) === label ? 1 : 0, weight),
        ),
      finish: () => mean.finish(),
    };
  });
}

/**
 * Mean of −log(predicted probability of the label), in nats, from logits and so finite for every finite logit. Logits
 * [batch, k] with labels [batch, k] are k binary answers per sample. NaN without samples.
 */
export function logLoss(logits: Tensor, labels: Tensor): Metric {
  return classMetric("logLoss", "lower", logits, labels, (classes) => {
    const mean = new WeightedMean();
    return {
      add: (chunk) =>
        forEachPosition("logLoss", classes, chunk, (at, label, weight) =>
          mean.add(surprise(chunk.values[0]!, at, classes, label), weight),
        ),
      finish: () => mean.finish(),
    };
  });
}

/**
 * F1 = 2·TP / (2·TP + FP + FN), the harmonic mean of precision and recall. Binary: of class 1. Classes: the plain mean over
 * the classes that occur, in labels or predictions ("macro"). NaN where nothing occurs: no samples, or no 1 in a binary task.
 */
export function f1(logits: Tensor, labels: Tensor): Metric {
  if (classesOf("f1", logits, labels) === 1) requireOnePerSample("f1", logits);
  return classMetric("f1", "higher", logits, labels, (classes) => {
    const counts = Array.from({ length: Math.max(classes, 2) }, () => ({ hit: 0, wrong: 0 }));
    return {
      add: (chunk) =>
        forEachPosition("f1", classes, chunk, (at, label, weight) => {
          const predicted = predictedClass(chunk.values[0]!, at, classes);
          if (predicted === label) counts[label]!.hit += weight;
          else {
            counts[label]!.wrong += weight;
            if (predicted >= 0) counts[predicted]!.wrong += weight;
          }
        }),
      finish: () => {
        const occurring = (classes === 1 ? counts.slice(1) : counts).filter(
          ({ hit, wrong }) => hit + wrong > 0,
        );
        const scores = occurring.map(({ hit, wrong }) => (2 * hit) / (2 * hit + wrong));
        return scores.reduce((total, score) => total + score, 0) / scores.length;
      },
    };
  });
}

/**
 * Area under the ROC curve: how often a 1 is scored above a 0; equal scores count half. Binary logits, or any score that
 * grows with the probability. Exact: all scores are kept (8 bytes per sample, 16 while they are sorted).
 *
 * Classes: the plain mean over the classes of the area of that class against the rest, by its softmax probability
 * (scikit-learn's roc_auc_score with multi_class="ovr", average="macro"). Scored by its log-odds, log(p / (1 − p)), in
 * float32, which rank as p does and tell apart what p rounds to 0 or 1; kept for each class. A class without weight, or with
 * all of it, has no area and is left out of the mean, where scikit-learn would refuse.
 *
 * NaN where only one class has weight, and where a score is NaN.
 */
export function auc(logits: Tensor, labels: Tensor): Metric {
  if (classesOf("auc", logits, labels) === 1) requireOnePerSample("auc", logits);
  return classMetric("auc", "higher", logits, labels, (classes) =>
    classes === 1 ? binaryArea() : classAreas(classes),
  );
}

function binaryArea(): MetricFold {
  const area = new RocArea();
  return {
    add: (chunk) =>
      forEachPosition("auc", 1, chunk, (at, label, weight) =>
        area.add(chunk.values[0]![at]!, label === 1, weight),
      ),
    finish: () => area.finish() ?? Number.NaN,
  };
}

function classAreas(classes: number): MetricFold {
  const areas = Array.from({ length: classes }, () => new RocArea());
  const scores = new Float64Array(classes);
  return {
    add: (chunk) =>
      forEachPosition("auc", classes, chunk, (at, label, weight) => {
        logOdds(chunk.values[0]!, at, scores);
        areas.forEach((area, index) => {
          area.add(scores[index]!, label === index, weight);
        });
      }),
    finish: () => {
      const defined = areas.map((area) => area.finish()).filter((area) => area !== undefined);
      return defined.reduce((total, area) => total + area, 0) / defined.length;
    },
  };
}

function classMetric(
  name: string,
  better: Metric["better"],
  logits: Tensor,
  labels: Tensor,
  start: (classes: number) => MetricFold,
): Metric {
  const classes = classesOf(name, logits, labels);
  return Object.freeze({
    name,
    better,
    tensors: [cast(logits, "float32"), cast(labels, "float32")],
    start: () => start(classes),
  });
}

/** The number of classes; 1 for binary logits. */
function classesOf(where: string, logits: Tensor, labels: Tensor): number {
  const last = logits.shape.at(-1);
  const isClasses =
    last !== undefined &&
    !isBatchDim(last) &&
    last > 1 &&
    sameShape(logits.shape.slice(0, -1), withoutLastOne(labels.shape));
  if (isClasses) return last;
  requireAlike(where, logits.shape, labels.shape);
  return 1;
}

function requireOnePerSample(where: string, logits: Tensor): void {
  if (withoutLastOne(logits.shape).length === 1) return;
  fail(where, {
    expected: "one logit per sample, [batch] or [batch, 1], or one label per sample",
    got: formatShape(logits.shape),
    fix: "measure one column: slice(logits, { start: 0, end: 1 })",
  });
}

type Visit = (at: number, label: number, weight: number) => void;

/** Visits every labelled position: where its logits start, its label and its sample's weight. */
function forEachPosition(where: string, classes: number, chunk: MetricChunk, visit: Visit): void {
  const labels = chunk.values[1]!;
  const perSample = labels.length / chunk.weights.length;
  const count = Math.max(classes, 2);
  for (let position = 0; position < labels.length; position++) {
    const label = labels[position]!;
    if (!(Number.isInteger(label) && label >= 0 && label < count)) {
      fail(where, {
        expected: `labels from 0 to ${count - 1}`,
        got: String(label),
        fix: classes === 1 ? "labels of a binary task are 0 or 1" : "give the model one output per class",
      });
    }
    visit(position * classes, label, chunk.weights[Math.floor(position / perSample)]!);
  }
}

/** −1 where a logit is NaN. */
function predictedClass(logits: Float32Array, at: number, classes: number): number {
  if (classes === 1) return Number.isNaN(logits[at]) ? -1 : logits[at]! >= 0 ? 1 : 0;
  let best = 0;
  for (let index = 0; index < classes; index++) {
    const logit = logits[at + index]!;
    if (Number.isNaN(logit)) return -1;
    if (logit > logits[at + best]!) best = index;
  }
  return best;
}

/** −log of the label's probability. */
function surprise(logits: Float32Array, at: number, classes: number, label: number): number {
  if (classes === 1) {
    const against = label === 1 ? -logits[at]! : logits[at]!;
    return Math.max(against, 0) + Math.log1p(Math.exp(-Math.abs(against)));
  }
  const own = logits.subarray(at, at + classes);
  const largest = own.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return largest + Math.log(own.reduce((total, logit) => total + Math.exp(logit - largest), 0)) - own[label]!;
}

/**
 * log(p / (1 − p)) of every class's softmax probability: its logit minus the log of the sum of the others' exponentials.
 * That sum is taken without the largest logit where the class has it: subtracting it from the whole would cancel.
 */
function logOdds(logits: Float32Array, at: number, into: Float64Array): void {
  let [best, second] = [0, -1];
  for (let index = 1; index < into.length; index++) {
    if (logits[at + index]! > logits[at + best]!) [best, second] = [index, best];
    else if (second < 0 || logits[at + index]! > logits[at + second]!) second = index;
  }
  const [largest, next] = [logits[at + best]!, logits[at + second]!];
  let [rest, restOfNext] = [0, 0]; // of all but the largest: Σ exp(z − largest), Σ exp(z − next)
  for (let index = 0; index < into.length; index++) {
    if (index === best) continue;
    const logit = logits[at + index]!;
    rest += Math.exp(logit - largest);
    restOfNext += Math.exp(logit - next);
  }
  for (let index = 0; index < into.length; index++) {
    const below = logits[at + index]! - largest;
    into[index] = below - Math.log1p(rest - Math.exp(below));
  }
  // Where all others are −∞ there is no sum of theirs to take.
  into[best] = largest - next - (next === Number.NEGATIVE_INFINITY ? 0 : Math.log(restOfNext));
}
