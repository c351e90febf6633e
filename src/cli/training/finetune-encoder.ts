/**
 * Where the encoder of a saved table model ends. Its texts and missing values are for raw rows; training reads a table's codes and
 * numbers instead, encodes them by the same layer, and feeds what comes out to the rest of the file.
 */
import { contentKey } from "../../array/array.ts";
import { schemaFromMetadata, statisticsFromMetadata, type TableStatistics } from "../../array/schema.ts";
import { buildProgram } from "../../graph/program.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { parametersOf } from "../../graph/walk.ts";
import { type EncoderOptions, encoder } from "../../nn/index.ts";
import { rawRow } from "../../nn/raw-row.ts";
import { encodeOnnx } from "../../onnx/encode.ts";
import { decodeOnnx, type OnnxGraph, type OnnxNode } from "../../onnx/graph.ts";
import type { Row } from "../../train/plan.ts";

/** A file that begins with this package's encoder. */
export interface FoundEncoder {
  /** What the encoder was fitted on. */
  readonly statistics: TableStatistics;
  /** The tensor of the file that its features are. */
  readonly name: string;
  /** How many features it gives. */
  readonly width: number;
  /** A table's columns → features [batch, width], as the file computes them of raw rows. */
  encode(row: Row): Tensor;
}

type Metadata = Readonly<Record<string, string>>;

/**
 * The encoder that the file's metadata tell of, if its first nodes are that encoder's, node by node and number by number: then
 * nothing rests on the metadata alone. Undefined for files of others, and where categories are embedded: those vectors are trained.
 */
export function findEncoder(graph: OnnxGraph, metadata: Metadata, source: string): FoundEncoder | undefined {
  const schema = schemaFromMetadata(metadata, source);
  const statistics = statisticsFromMetadata(metadata, source);
  if (schema === undefined || statistics === undefined || statistics.features.length === 0) return undefined;
  const encode = encoder(statistics, optionsIn(metadata));
  const features = encode(rawRow(schema));
  const width = features.shape[1];
  if (typeof width !== "number" || parametersOf([features]).length > 0) return undefined;
  const program = buildProgram({ name: "encoder", outputs: { features } });
  const name = endOf(graph, decodeOnnx(encodeOnnx(program)));
  return name === undefined ? undefined : { statistics, name, width, encode };
}

/** What train was asked to do with the columns. */
function optionsIn(metadata: Metadata): EncoderOptions {
  try {
    const { numbers, clip, categories } = JSON.parse(metadata["microbatch.encoder"] ?? "{}");
    return {
      ...(numbers !== undefined && { numbers }),
      ...(clip !== undefined && { clip }),
      ...(categories !== undefined && { categories }),
    };
  } catch {
    return {}; // of another writer: its nodes will not be those of the encoder
  }
}

/** The name in the file of what the encoder gives; undefined where the file does not begin with it. */
function endOf(file: OnnxGraph, wanted: OnnxGraph): string | undefined {
  const names = new Map<string, string>(wanted.inputs.map(({ name }) => [name, name]));
  const isSameInput = (name: string, other: string) => {
    const [stored, given] = [wanted.initializers.get(name), file.initializers.get(other)];
    if (stored === undefined || given === undefined) return names.get(name) === other;
    return contentKey(stored) === contentKey(given);
  };
  const isSame = (node: OnnxNode, other: OnnxNode) =>
    node.operator === other.operator &&
    node.inputs.length === other.inputs.length &&
    node.outputs.length === other.outputs.length &&
    node.inputs.every((name, index) => isSameInput(name, other.inputs[index]!)) &&
    JSON.stringify([...node.attributes]) === JSON.stringify([...other.attributes]);
  for (const [index, node] of wanted.nodes.entries()) {
    const other = file.nodes[index];
    if (other === undefined || !isSame(node, other)) return undefined;
    node.outputs.forEach((name, at) => {
      names.set(name, other.outputs[at]!);
    });
  }
  return names.get(wanted.outputs[0]!.name);
}
