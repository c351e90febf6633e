/** Batch normalisation: in training by the statistics of the microbatch, else by running ones. */
import { isFloat } from "../array/dtype.ts";
import { factorOf, formatShape, isBatchDim } from "../array/shape.ts";
import { fail, kindOf } from "../errors.ts";
import { constant, type Initializer, parameter, statistic, type Tensor } from "../graph/tensor.ts";
import { batchNormalization, normalizeByBatch } from "../ops/batch-normalization.ts";
import { cast } from "../ops/selection.ts";
import { ones, zeros } from "./initializer.ts";
import type { Layer } from "./layer.ts";
import { isTraining, type RunningStatistics, requestStatistics } from "./mode.ts";

/** Options of `batchNorm`. The defaults are PyTorch's. */
export interface BatchNormOptions {
  /** The part of a batch's statistics in the next running ones, from 0 to 1. Default 0.1. */
  readonly momentum?: number;
  /** Added to the variance, so that a channel of equal values is not divided by 0. Default 1e-5. */
  readonly epsilon?: number;
  /** Whether channels are then scaled and shifted by parameters. Default true. */
  readonly affine?: boolean;
  /** First scales. Default ones; zeros, in the last layer of a residual branch, let the branch start as nothing. */
  readonly initializer?: Initializer;
  /** First shifts. Default zeros. */
  readonly biasInitializer?: Initializer;
  /**
   * Whether the running statistics are used in training too, and stay as they are: for fine-tuning a model on few samples.
   * Scale and shift are trained all the same. Default false.
   */
  readonly frozen?: boolean;
  /** What its numbers are called: "batchNorm" gives "batchNorm.weight", ".bias", ".runningMean" and ".runningVariance". */
  readonly name?: string;
}

/**
 * Each channel less its mean, divided by its deviation, then · weight + bias: x [batch, channels] or [batch, channels, …]
 * → the same shape. Weight, bias and the running statistics are [channels].
 *
 * In training mean and variance are those of the MICROBATCH, over its samples and all further axes. So this layer is an
 * exception to the law that microbatches do not change the result: another microbatch size is another model ("ghost batch
 * normalisation"), and `train` says so once. With a fixed size, lanes and threads change nothing.
 *
 * Elsewhere, and in the saved model, the running statistics are used. Once per step they move towards those of the whole
 * batch: running = (1 − momentum) · running + momentum · (mean, variance with one less in the divisor), where the microbatches'
 * are merged exactly in float64 (Chan et al. 1983). PyTorch, which knows no batch of microbatches, moves once per microbatch;
 * with one microbatch per batch both are the same. They are part of the state, hashed and saved with the parameters, kept
 * with the best weights, and copied, not averaged, by `ema`. Applied to several tensors, a layer observes all their values.
 *
 * Every sample counts as one, whatever its weight, as in PyTorch; samples of weight 0 never get here. Tokens of weight 0 do.
 * In training a microbatch needs more than one value per channel: with one, everything is normalised to the bias.
 * Throws for tensors without a batch axis before the channels, and where the number of channels changes.
 * Source: Ioffe and Szegedy 2015; PyTorch's BatchNorm1d, 2d and 3d, whose momentum None is not here.
 */
export function batchNorm(options: BatchNormOptions = {}): Layer {
  if (typeof options !== "object" || options === null) {
    fail("batchNorm", {
      expected: "options, or nothing",
      got: kindOf(options),
      fix: "write batchNorm(): the number of channels is taken from the tensor",
    });
  }
  const { momentum = 0.1, epsilon = 1e-5, affine = true, frozen = false } = options;
  checkNumber("momentum", momentum, momentum >= 0 && momentum <= 1, "a number from 0 to 1", "0.1");
  checkNumber("epsilon", epsilon, epsilon > 0 && epsilon < 1, "a number between 0 and 1", "1e-5");
  let own: BatchNormNumbers | undefined;
  return (x) => {
    const channels = channelsOf(x, own?.channels);
    own ??= numbersOf(channels, affine, options);
    const [scale, bias] = [cast(own.weight, x.dtype), cast(own.bias, x.dtype)];
    if (frozen || !isTraining()) {
      const [mean, variance] = [cast(own.running.mean, x.dtype), cast(own.running.variance, x.dtype)];
      return batchNormalization(x, { scale, bias, mean, variance }, epsilon);
    }
    const normalized = normalizeByBatch(x, scale, bias, epsilon);
    const perSample = x.shape.filter((_, axis) => axis !== 1).map(factorOf);
    requestStatistics({
      ...normalized,
      valuesPerSample: perSample.reduce((product, factor) => product * factor, 1),
      running: own.running,
      momentum,
    });
    return normalized.output;
  };
}

interface BatchNormNumbers {
  readonly channels: number;
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly running: RunningStatistics;
}

function numbersOf(channels: number, affine: boolean, options: BatchNormOptions): BatchNormNumbers {
  const { initializer = ones, biasInitializer = zeros, name = "batchNorm" } = options;
  const owner = {};
  const shape = [channels];
  const first = (label: string, values: Initializer, value: number) =>
    affine
      ? parameter(shape, values, `${name}.${label}`, owner)
      : constant({ dtype: "float32", shape, data: new Float32Array(channels).fill(value) });
  return {
    channels,
    weight: first("weight", initializer, 1),
    bias: first("bias", biasInitializer, 0),
    running: {
      mean: statistic(shape, zeros, `${name}.runningMean`, owner),
      variance: statistic(shape, ones, `${name}.runningVariance`, owner),
    },
  };
}

function channelsOf(x: Tensor, known: number | undefined): number {
  const [batch, channels] = x.shape;
  const isBatchFirst = batch !== undefined && isBatchDim(batch);
  if (!isBatchFirst || typeof channels !== "number" || !isFloat(x.dtype)) {
    const order = isBatchFirst
      ? "move the channels to the second axis, for example by transpose"
      : "give it what is computed from the samples, the batch axis first and the channels second";
    fail("batchNorm", {
      expected: "floats [batch, channels] or [batch, channels, …]",
      got: `${x.dtype} ${formatShape(x.shape)}`,
      fix: isFloat(x.dtype) ? order : `cast(x, "float32") first`,
    });
  }
  if (known !== undefined && channels !== known) {
    fail("batchNorm", {
      expected: `${known} channels, as in the tensor it saw first`,
      got: formatShape(x.shape),
      fix: "make another batchNorm() for it",
    });
  }
  return channels;
}

function checkNumber(option: string, value: number, isFit: boolean, expected: string, usual: string): void {
  if (typeof value === "number" && isFit) return;
  fail(`batchNorm, ${option}`, { expected, got: kindOf(value), fix: `leave it out for ${usual}` });
}
