/** A safetensors file on disk. */
import { readFile } from "../data/files.ts";
import { decodeSafetensors, type Safetensors } from "../safetensors/decode.ts";

/**
 * Reads a safetensors file: arrays by name, and its metadata.
 *
 *     const { arrays } = await loadSafetensors("model.safetensors");
 *     await fit({ …, initialWeights: arrays });
 *
 * Throws when there is no such file, and for all that decodeSafetensors refuses.
 */
export async function loadSafetensors(path: string): Promise<Safetensors> {
  return decodeSafetensors(await readFile(path), path);
}
