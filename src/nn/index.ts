/** Layers, initializers, losses, penalties and metrics. A new one is one more line here. */
export * from "./activation.ts";
export * from "./classification-metrics.ts";
export * from "./dropout.ts";
export * from "./encoder.ts";
export * from "./initializer.ts";
export type { Layer } from "./layer.ts";
export * from "./linear.ts";
export * from "./loss.ts";
export * from "./metric.ts";
export * from "./mode.ts";
export * from "./penalty.ts";
export * from "./raw-row.ts";
export * from "./regression-metrics.ts";
export * from "./sequence.ts";
export * from "./standardize.ts";
