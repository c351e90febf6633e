/** Every op. A new family is one more line here. */
export * from "./activation.ts";
export * from "./arithmetic.ts";
export * from "./attention.ts";
export * from "./category.ts";
export * from "./classes.ts";
export * from "./cumulative.ts";
export * from "./date.ts";
export * from "./elements.ts";
export * from "./gather.ts";
export * from "./gradient.ts";
export * from "./logic.ts";
export * from "./matmul.ts";
export * from "./movement.ts";
export * from "./reduction.ts";
export * from "./rounding.ts";
export * from "./selection.ts";
export * from "./trigonometric.ts";
