/** Where the head of somebody's model begins: the last matrix product, whose input is what a new head reads instead. */
import { nodeName, type OnnxGraph, type OnnxNode } from "../../onnx/graph.ts";

/** The way from a model's features to its output. */
export interface FoundHead {
  /** The tensor in front of the last matrix product; undefined where the output comes from none. */
  readonly features: string | undefined;
  /** That product: 'node "fc" (Gemm)'. */
  readonly product: string | undefined;
  /** The output as the file gives it. */
  readonly output: string;
  /** What a softmax or sigmoid at the end reads: logits, which a loss can be made of. The output where there is neither. */
  readonly logits: string;
  /** The stored tensors that are read from the product on. */
  readonly weights: ReadonlySet<string>;
}

/** Follows an output back to the nearest product of a tensor with a stored matrix. */
export function findHead(graph: OnnxGraph, output: string): FoundHead {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const stored = storedNames(graph);
  const last = producers.get(output);
  const isSquashed = last !== undefined && /^(Softmax|Sigmoid)$/.test(last.operator);
  const logits = isSquashed ? last.inputs[0]! : output;
  const seen = new Set([logits]);
  for (const name of seen) {
    const node = producers.get(name); // a set that grows while it is walked is walked to its end
    if (node === undefined) continue;
    const features = factorOf(node, stored);
    if (features !== undefined) {
      return {
        features,
        product: nodeName(node),
        output,
        logits,
        weights: weightsFrom(graph, node, stored, logits),
      };
    }
    for (const input of node.inputs) if (input !== "" && !stored.has(input)) seen.add(input);
  }
  return { features: undefined, product: undefined, output, logits, weights: new Set() };
}

/** Names of what the file holds, and of what is made of that alone: a transposed weight is one too. */
function storedNames({ initializers, nodes }: OnnxGraph): ReadonlySet<string> {
  const stored = new Set(initializers.keys());
  for (const { inputs, outputs } of nodes) {
    if (!inputs.every((name) => name === "" || stored.has(name))) continue;
    for (const name of outputs) stored.add(name);
  }
  return stored;
}

/** The factor of a product that is computed, where the other one is stored. */
function factorOf(
  { operator, inputs, attributes }: OnnxNode,
  stored: ReadonlySet<string>,
): string | undefined {
  if (!/^(com\.microsoft\.Fused)?(Gemm|MatMul)$/.test(operator) || attributes.get("transA") === 1)
    return undefined;
  const [left, right] = inputs;
  return left !== undefined && right !== undefined && !stored.has(left) && stored.has(right)
    ? left
    : undefined;
}

/** What the product and the nodes behind it hold, on the way to the output. */
function weightsFrom(
  { nodes }: OnnxGraph,
  product: OnnxNode,
  stored: ReadonlySet<string>,
  output: string,
): ReadonlySet<string> {
  const behind = new Set(product.outputs);
  const held = new Set(product.inputs.filter((name) => stored.has(name)));
  for (const { inputs, outputs } of nodes) {
    if (behind.has(output) || !inputs.some((name) => behind.has(name))) continue;
    for (const name of outputs) behind.add(name);
    for (const name of inputs) if (stored.has(name)) held.add(name);
  }
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  for (const name of held)
    for (const input of producers.get(name)?.inputs ?? []) if (input !== "") held.add(input);
  return held;
}
