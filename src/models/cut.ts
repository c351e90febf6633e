/** A graph cut at inner tensors: what lies behind them is left out, operators that nobody knows included. */
import { fail, kindOf, shorten } from "../errors.ts";
import type { OnnxGraph, OnnxNode } from "../onnx/graph.ts";

/**
 * The graph that computes these tensors and nothing else; they are its outputs, and inputs that only other tensors need are
 * gone. Throws for an empty list, a name that comes twice, and one that no node writes, with those that are called most like it.
 */
export function cutAt(graph: OnnxGraph, outputs: readonly string[], source: string): OnnxGraph {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  producers.delete(""); // an output that is left out
  checkNames(outputs, producers, `${source}, outputs`);
  const kept = new Set<OnnxNode>();
  const read = new Set(outputs);
  for (const name of read) {
    const node = producers.get(name); // a set that grows while it is walked is walked to its end
    if (node === undefined || kept.has(node)) continue;
    kept.add(node);
    for (const input of node.inputs) read.add(input);
  }
  const declared = new Map(graph.outputs.map((value) => [value.name, value]));
  return {
    ...graph,
    inputs: graph.inputs.filter(({ name }) => read.has(name)),
    outputs: outputs.map((name) => declared.get(name) ?? { name, dtype: "unknown", shape: [] }),
    nodes: graph.nodes.filter((node) => kept.has(node)),
  };
}

function checkNames(outputs: unknown, producers: ReadonlyMap<string, OnnxNode>, where: string): void {
  const expected = "a list of different names of tensors that the file computes";
  if (!Array.isArray(outputs) || outputs.length === 0) {
    const got = Array.isArray(outputs) ? "an empty list" : kindOf(outputs);
    fail(where, { expected, got, fix: 'for example outputs: ["features"]' });
  }
  outputs.forEach((name, index) => {
    if (outputs.indexOf(name) !== index) {
      fail(where, { expected, got: `${kindOf(name)} twice`, fix: "name it once" });
    }
    if (typeof name === "string" && producers.has(name)) return;
    const alike = nearest(String(name), [...producers.keys()]);
    const fix =
      alike.length === 0 ? "the file computes none" : `those called most like it are ${alike.join(", ")}`;
    fail(where, { expected, got: kindOf(name), fix });
  });
}

/** The names that share the most pairs of neighbouring letters with one, at most six. */
function nearest(name: string, names: readonly string[]): readonly string[] {
  const wanted = pairsOf(name);
  const rated = names.map((other) => {
    const pairs = pairsOf(other);
    const shared = [...pairs].filter((pair) => wanted.has(pair)).length;
    return { other, likeness: (2 * shared) / (wanted.size + pairs.size) };
  });
  const best = rated.toSorted((a, b) => b.likeness - a.likeness).slice(0, 6);
  return best.map(({ other }) => shorten(other));
}

/** Of the first hundred letters: names in a file may be of any length. */
function pairsOf(name: string): ReadonlySet<string> {
  const text = ` ${name.slice(0, 100).toLowerCase()} `;
  return new Set(Array.from({ length: text.length - 1 }, (_, at) => text.slice(at, at + 2)));
}
