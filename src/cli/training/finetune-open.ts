/** A model file, opened to be trained on: what it computes, what it says of itself, and where its numbers go in. */
import type { TableSchema } from "../../array/schema.ts";
import { schemaFromMetadata } from "../../array/schema.ts";
import { sha256 } from "../../array/sha256.ts";
import { readFile, readFileBeside } from "../../data/files.ts";
import { type OnnxSummary, summarizeOnnx } from "../../onnx/decode.ts";
import { externalLocations } from "../../onnx/external-data.ts";
import { decodeOnnx } from "../../onnx/graph.ts";
import { feedInside } from "../../onnx/inner-inputs.ts";
import { type FoundEncoder, findEncoder } from "./finetune-encoder.ts";
import type { ReadModel } from "./finetune-reach.ts";

/** A file and all that is known of it. Where it begins with an encoder, bytes and graph begin behind that one. */
export interface OpenedModel extends ReadModel {
  readonly summary: OnnxSummary;
  /** What its columns and targets mean, where this package has saved it. */
  readonly schema: TableSchema | undefined;
  readonly encoder: FoundEncoder | undefined;
  /** SHA-256 of the whole file. */
  readonly sha256: string;
}

/** Reads the file, and those beside it that hold its weights. Throws for what is no model, or a damaged one. */
export async function openModel(file: string): Promise<OpenedModel> {
  const whole = await readFile(file);
  const summary = summarizeOnnx(whole, file);
  const external = new Map<string, Uint8Array>();
  for (const location of externalLocations(whole, file)) {
    external.set(location, await readFileBeside(file, location));
  }
  const graph = decodeOnnx(whole, file, external);
  const encoder = findEncoder(graph, summary.metadata, file);
  const rest =
    encoder &&
    feedInside(whole, [{ name: encoder.name, dtype: "float32", shape: ["batch", encoder.width] }], file);
  return {
    file,
    summary,
    external,
    bytes: rest ?? whole,
    graph: rest === undefined ? graph : decodeOnnx(rest, file, external),
    schema: schemaFromMetadata(summary.metadata, file),
    encoder,
    sha256: await sha256(whole),
    trained: trainedNames(summary.metadata),
  };
}

/** The names in the record of the run; undefined where there is none, or one of somebody else. */
export function trainedNames(metadata: Readonly<Record<string, string>>): ReadonlySet<string> | undefined {
  try {
    const parameters: unknown = JSON.parse(metadata.microbatch ?? "null")?.plan?.parameters;
    if (!Array.isArray(parameters)) return undefined;
    return new Set(parameters.map((one) => String(one?.name)));
  } catch {
    return undefined; // somebody else's key of that name
  }
}
