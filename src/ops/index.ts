/** Every op. A new family is one more line here. */
export * from "./arithmetic.ts";
export * from "./gradient.ts";
export * from "./matmul.ts";
export * from "./movement.ts";
export * from "./reduction.ts";
export * from "./selection.ts";
