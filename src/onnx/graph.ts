/** ONNX bytes → the graph in them, as plain data in an order in which it can be computed. */
import type { AttributeProto, GraphProto, ModelProto, NodeProto } from "onnx-buf";
import type { NdArray } from "../array/array.ts";
import { fail } from "../errors.ts";
import { describeValue, isStandard, type OnnxValue, parseOnnx } from "./decode.ts";
import type { ExternalData } from "./external-data.ts";
import { storedArray } from "./stored-tensor.ts";

export type { ExternalData } from "./external-data.ts";

/** What an attribute holds. A graph inside an attribute is told, not read. */
export type DecodedAttribute =
  | number
  | string
  | readonly number[]
  | readonly string[]
  | NdArray
  | { readonly unread: string };

/** A node of a graph. */
export interface OnnxNode {
  /** As the file has it; may be empty. */
  readonly name: string;
  /** "Conv"; with its domain where that is not the standard one: "com.microsoft.Gelu". */
  readonly operator: string;
  /** Names of values; "" where an input is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, DecodedAttribute>;
}

/** A graph that can be computed from the first node to the last. */
export interface OnnxGraph {
  readonly name: string;
  /** Version of the standard operators. */
  readonly opset: number;
  /** What has to be fed, in the file's order. */
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly initializers: ReadonlyMap<string, NdArray>;
  /** Each after those whose values it reads. */
  readonly nodes: readonly OnnxNode[];
}

/**
 * Reads a graph. `source` is what errors call the file; `external` holds the bytes of files beside it.
 * Throws when the bytes are no ONNX file, for an operator set after 26, one before 7 for operators that are not read as they
 * were then, values that are written twice or by nobody, cycles, and stored tensors whose data is not what their shapes say.
 */
export function decodeOnnx(
  bytes: Uint8Array,
  source = "model",
  external: ExternalData = new Map(),
): OnnxGraph {
  const { model, graph } = parseOnnx(bytes, source);
  const opset = standardOpset(model, graph, source);
  if (graph.sparseInitializer.length > 0) {
    fail(source, {
      expected: "dense stored tensors",
      got: `${graph.sparseInitializer.length} sparse ones`,
      fix: "export the model with dense weights",
    });
  }
  const initializers = new Map<string, NdArray>();
  for (const tensor of graph.initializer) {
    if (initializers.has(tensor.name)) notOnce(source, tensor.name);
    initializers.set(tensor.name, storedArray(tensor, `${source}, tensor "${tensor.name}"`, external));
  }
  const nodes = graph.node.map((node, index) => decodeNode(node, index, source, external));
  const inputs = graph.input.filter(({ name }) => !initializers.has(name)).map(describeValue);
  const sorted = inOrder(source, nodes, [...inputs.map(({ name }) => name), ...initializers.keys()]);
  const outputs = graph.output.map(describeValue);
  requireOutputs(source, graph, sorted, initializers);
  return { name: graph.name, opset, inputs, outputs, initializers, nodes: sorted };
}

/** The newest operator set whose differences are known here; of those before 7, only what 7 left as it was. */
const newestOpset = 26;

/** Operators of older sets that are not read: Dropout trains where it is not told otherwise, the others had other inputs. */
const changedBySet7: ReadonlySet<string> = new Set(["Dropout", "GRU", "LSTM", "RNN", "Upsample"]);
/** Operators that sets 2 to 6 defined anew. */
const changedBefore: ReadonlySet<string> = new Set([
  "Cast",
  "Concat",
  "Hardmax",
  "Pad",
  "Reshape",
  "Split",
  "Tile",
]);

function standardOpset(model: ModelProto, graph: GraphProto, source: string): number {
  const opset = Number(model.opsetImport.find(({ domain }) => isStandard(domain))?.version ?? 0n);
  if (opset >= 7 && opset <= newestOpset) return opset;
  const standard = graph.node.filter(({ domain }) => isStandard(domain)).map(({ opType }) => opType);
  const isOld = opset >= 1 && opset < 7;
  const changed = standard.find((type) => changedBySet7.has(type) || (opset < 6 && changedBefore.has(type)));
  if (isOld && changed === undefined) return opset;
  return fail(source, {
    expected: `operators of set 7 to ${newestOpset}`,
    got:
      opset === 0
        ? "no version of the standard operators"
        : `set ${opset}${isOld ? `, with ${changed}` : ""}`,
    fix: "convert the model with onnx.version_converter, or export it again for opset 21",
  });
}

function decodeNode(node: NodeProto, index: number, source: string, external: ExternalData): OnnxNode {
  const operator = isStandard(node.domain) ? node.opType : `${node.domain}.${node.opType}`;
  const where = `${source}, ${nodeName({ name: node.name, operator, outputs: node.output }, index)}`;
  const attributes = new Map(
    node.attribute.map((one) => [one.name, decodeAttribute(one, where, external)] as const),
  );
  return { name: node.name, operator, inputs: node.input, outputs: node.output, attributes };
}

/** What errors call a node: `node "conv1" (Conv)`, after its first output where it has no name. */
export function nodeName(node: Pick<OnnxNode, "name" | "operator" | "outputs">, index?: number): string {
  const name = node.name || node.outputs.find((output) => output !== "") || String(index ?? "");
  return `node "${name}" (${node.operator})`;
}

const utf8 = new TextDecoder();

/** By AttributeType, since a field at its default is not in the bytes. Source: AttributeProto. */
function decodeAttribute(one: AttributeProto, where: string, external: ExternalData): DecodedAttribute {
  switch (one.type) {
    case 1:
      return one.f;
    case 2:
      return Number(one.i);
    case 3:
      return utf8.decode(one.s);
    case 4:
      return one.t === undefined
        ? { unread: "no tensor" }
        : storedArray(one.t, `${where}, attribute "${one.name}"`, external);
    case 6:
      return one.floats;
    case 7:
      return one.ints.map(Number);
    case 8:
      return one.strings.map((bytes) => utf8.decode(bytes));
    default:
      return { unread: one.type === 5 || one.type === 10 ? "graph" : `attribute of type ${one.type}` };
  }
}

function notOnce(source: string, name: string): never {
  return fail(source, {
    expected: "every value written once",
    got: `"${name}" twice`,
    fix: "the file is damaged: export the model again",
  });
}

/** Sorts nodes so that each comes after those it reads; keeps the file's order where that is one. */
function inOrder(source: string, nodes: readonly OnnxNode[], given: readonly string[]): OnnxNode[] {
  const known = new Set<string>();
  const declare = (name: string) => {
    if (name === "") return;
    if (known.has(name)) notOnce(source, name);
    known.add(name);
  };
  given.forEach(declare);
  const producer = new Map<string, OnnxNode>();
  for (const node of nodes) {
    for (const name of node.outputs) {
      declare(name);
      producer.set(name, node);
    }
  }
  requireProducers(source, nodes, known);
  const sorted: OnnxNode[] = [];
  const state = new Map<OnnxNode, "open" | "done">();
  const stack: { readonly node: OnnxNode; next: number }[] = [];
  for (const start of nodes) {
    if (!state.has(start)) stack.push({ node: start, next: 0 });
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      state.set(top.node, "open");
      const name = top.node.inputs[top.next++];
      if (name === undefined) {
        state.set(top.node, "done");
        sorted.push(top.node);
        stack.pop();
        continue;
      }
      const before = producer.get(name);
      if (before === undefined || state.get(before) === "done") continue;
      if (state.get(before) === "open") cycle(source, before);
      stack.push({ node: before, next: 0 });
    }
  }
  return sorted;
}

function cycle(source: string, node: OnnxNode): never {
  return fail(source, {
    expected: "nodes that can be computed one after the other",
    got: `a cycle through ${nodeName(node)}`,
    fix: "the file is damaged: export the model again",
  });
}

function requireProducers(source: string, nodes: readonly OnnxNode[], known: ReadonlySet<string>): void {
  for (const node of nodes) {
    const missing = node.inputs.find((name) => name !== "" && !known.has(name));
    if (missing === undefined) continue;
    fail(`${source}, ${nodeName(node)}`, {
      expected: "inputs that the file gives, or that another node computes",
      got: `"${missing}", which nothing gives`,
      fix: "the file is damaged: export the model again",
    });
  }
}

function requireOutputs(
  source: string,
  { output, input }: GraphProto,
  nodes: readonly OnnxNode[],
  initializers: ReadonlyMap<string, NdArray>,
): void {
  const made = new Set([...nodes.flatMap(({ outputs }) => outputs), ...input.map(({ name }) => name)]);
  const missing = output.find(({ name }) => !made.has(name) && !initializers.has(name));
  const names = output.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (output.length > 0 && missing === undefined && twice === undefined) return;
  fail(source, {
    expected: "outputs that the graph computes, each once",
    got: missing ? `"${missing.name}", which nothing computes` : twice ? `"${twice}" twice` : "no output",
    fix: "the file is damaged: export the model again",
  });
}
