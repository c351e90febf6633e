/** A program that no runtime could load, for tests that never run one. */
import type { LoadableProgram } from "../src/parallel/crew.ts";

/** columns: what it is fed with. */
export const madeUpProgram = (name: string, columns: readonly string[] = []): LoadableProgram => ({
  name,
  bytes: new Uint8Array(0),
  columns: columns.map((column) => ({ input: column, column })),
  parameters: {},
  masks: [],
  bounds: [],
});
