/** Stands in for ort-node.ts where a bundler builds for a browser: the symbolic half works there, training not yet. */
import { fail } from "../errors.ts";
import type { Runtime } from "./runtime.ts";

/** Throws: there is no runtime for browsers yet. */
export async function nodeRuntime(): Promise<Runtime> {
  return fail("microbatch in a browser", {
    expected: "Node.js to train and predict in",
    got: "a browser",
    fix: "train in Node.js, save the model and run its .onnx file with onnxruntime-web",
  });
}
