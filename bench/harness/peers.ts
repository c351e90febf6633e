/** The contenders: us, and the peers with the settings their users would choose. */
import os from "node:os";
import path from "node:path";
import type { ContenderSpec } from "./contender.ts";
import { type Python, pytorchScript } from "./python.ts";

const script = (name: string) => path.join(import.meta.dirname, "../contenders", name);

/** This package, on one thread. `id` tells several of them apart in one table. */
export function ours(id = "microbatch"): ContenderSpec {
  return { id, family: "microbatch", threads: 1, command: [process.execPath, script("ours.ts")] };
}

/** TensorFlow.js on WebAssembly; it has no threads in Node.js. */
export function tensorflow(): ContenderSpec {
  const id = "TensorFlow.js wasm";
  return { id, family: id, threads: 1, command: [process.execPath, script("tfjs-wasm.mjs")] };
}

/** jax-js on WebAssembly: as it is in Node.js, on one thread, and given the Worker that its threads need. */
export function jax(): ContenderSpec[] {
  const command = [process.execPath, script("jax-js.mjs")];
  const cores = os.availableParallelism();
  const family = "jax-js wasm";
  const single = { id: `${family}, 1 thread`, family, threads: 1, command };
  return cores === 1 ? [single] : [single, { ...single, id: `${family}, ${cores} threads`, threads: cores }];
}

/**
 * PyTorch on one thread, and on two with both ways of waiting: by default OpenMP's threads spin, which takes the cores
 * that OpenBLAS's own threads compute on; where that hurts, OMP_WAIT_POLICY=PASSIVE helps.
 */
export function pytorch(python: Python | undefined): ContenderSpec[] {
  if (python === undefined) return [];
  const variant = (threads: number, policy?: string): ContenderSpec => ({
    id: `PyTorch, ${threads} thread${threads > 1 ? "s" : ""}${policy ? `, ${policy.toLowerCase()}` : ""}`,
    family: "PyTorch",
    threads,
    command: [python.file, pytorchScript],
    environment: {
      OMP_NUM_THREADS: String(threads),
      OPENBLAS_NUM_THREADS: String(threads),
      ...(python.blasCore && { OPENBLAS_CORETYPE: python.blasCore }),
      ...(policy && { OMP_WAIT_POLICY: policy }),
    },
  });
  return os.availableParallelism() === 1 ? [variant(1)] : [variant(1), variant(2), variant(2, "PASSIVE")];
}
