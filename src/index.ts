/** The public door: everything symbolic and the training loop, without a Node.js built-in. */
export { type AnyArray, float32, int32, type NdArray, ndarray, type StringArray } from "./array/array.ts";
export type { DType, NumericDType, TypedArray } from "./array/dtype.ts";
export * from "./array/schema.ts";
export type { Dim, Shape } from "./array/shape.ts";
export * from "./data/arrays.ts";
export type { Augmentation } from "./data/augment/augmentation.ts";
export type { Augment } from "./data/augment/changes.ts";
export { type ColourOptions, colour } from "./data/augment/colour.ts";
export { type CropOptions, crop } from "./data/augment/crop.ts";
export { type FlipOptions, flip } from "./data/augment/flip.ts";
export * from "./data/dataset.ts";
export * from "./data/draw/block-shuffled.ts";
export * from "./data/draw/class-balanced.ts";
export * from "./data/draw/stratified.ts";
export * from "./data/draw/weighted.ts";
export * from "./data/folds.ts";
export type { Names } from "./data/identity.ts";
export * from "./data/records.ts";
export * from "./data/sampler.ts";
export type { ShareOptions, Split } from "./data/shares.ts";
export { type SplitOptions, type SplitValues, split, splitSamples, subset } from "./data/split.ts";
export { splitByGroup, splitSamplesByGroup } from "./data/split-by-group.ts";
export { splitByTime, splitSamplesByTime, type TimeShares } from "./data/split-by-time.ts";
export { countBeyond, statistics } from "./data/statistics.ts";
export { MicrobatchError } from "./errors.ts";
export * from "./graph/memory.ts";
export { defineOp, type EmitContext, type GradientContext, type Op, type OpSample } from "./graph/op.ts";
export { buildProgram, type Program } from "./graph/program.ts";
export {
  apply,
  constant,
  type Initializer,
  input,
  parameter,
  statistic,
  type Tensor,
  type TensorLike,
} from "./graph/tensor.ts";
export { parametersOf, statisticsOf } from "./graph/walk.ts";
export {
  type OnnxFunction,
  type OnnxFunctionOptions,
  onnxFunction,
} from "./models/onnx-function.ts";
export type { OnnxWeight, Trainable } from "./models/weights.ts";
// Two things are called leakyRelu, the op and the layer; the layer is both.
export { leakyRelu } from "./nn/activation.ts";
export * from "./nn/index.ts";
export { type EncodeOptions, encodeOnnx } from "./onnx/encode.ts";
export * from "./ops/index.ts";
export * from "./optim/index.ts";
export type { CrewFactory, LaneReport } from "./parallel/crew.ts";
export { decodeSafetensors, type Safetensors } from "./safetensors/decode.ts";
export { encodeSafetensors } from "./safetensors/encode.ts";
export type { Checkpointing, CheckpointStore, SavedCheckpoint, Snapshot } from "./train/checkpoint.ts";
export { DivergedError } from "./train/divergence.ts";
export type {
  Divergence,
  GoBackAtDivergence,
  SettledDivergence,
  SkipDivergence,
  StopAtDivergence,
} from "./train/divergence-policy.ts";
export type { LastBatch } from "./train/drawing.ts";
export * from "./train/event.ts";
export { fit, type Reporter } from "./train/fit.ts";
export {
  type GenerateOptions,
  generate,
  type NextToken,
  type SamplingOptions,
  sampleTokens,
} from "./train/generate.ts";
export type { LoraOptions, ParameterGroup, SettledGroup, SettledLora } from "./train/groups.ts";
export type { PartOfWeights, Weights } from "./train/initial-weights.ts";
export { type Measured, measure, measureBaseline } from "./train/measure.ts";
export type { PredictedMemory } from "./train/memory-budget.ts";
export type { Model, ModelOptions } from "./train/model.ts";
export { definePlan, type LossResult, type Plan, type Row, type Validation } from "./train/plan.ts";
export type { ResolvedPlan } from "./train/resolve.ts";
export * from "./train/stop.ts";
export { train } from "./train/train.ts";
