/** An ONNX file on disk as a function of tensors, with the files beside it that hold its weights. */
import { readFile, readFileBeside } from "../data/files.ts";
import { type OnnxFunction, type OnnxFunctionOptions, onnxFunction } from "../models/onnx-function.ts";
import { externalLocations } from "../onnx/external-data.ts";

/**
 * Reads an ONNX file that anybody has exported as a function of tensors: its operators become our ops, its weights constants
 * or, where `trainable` names them, parameters that begin with the file's numbers. See onnxFunction.
 *
 *     const detector = await loadOnnx("detector.onnx", { trainable: "head.*" });
 *     model: ({ audio }) => detector({ input: audio }).output
 *
 * Throws when there is no such file, when its weights lie outside of its folder, also by a symbolic link, and for all that onnxFunction refuses.
 */
export async function loadOnnx(
  path: string,
  options: Omit<OnnxFunctionOptions, "external"> = {},
): Promise<OnnxFunction> {
  const bytes = await readFile(path);
  const external = new Map<string, Uint8Array>();
  for (const location of externalLocations(bytes, path)) {
    external.set(location, await readFileBeside(path, location));
  }
  return onnxFunction(bytes, { ...options, external }, path);
}
