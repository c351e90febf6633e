/** Programs: named outputs over named inputs. Builds one from tensors, merges equal nodes, guards memory reuse. */
import { contentKey, type NdArray } from "../array/array.ts";
import { formatShape, sameShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { IndexBound } from "./op.ts";
import type { Tensor } from "./tensor.ts";
import { sorted } from "./walk.ts";

/** A named value that is fed. */
export interface ProgramInput {
  readonly name: string;
  readonly tensor: Tensor;
}

/** A named value that is fetched. */
export interface ProgramOutput {
  readonly name: string;
  readonly tensor: Tensor;
  /** The input whose memory this output is written over. */
  readonly aliases?: string;
}

/** Everything numerical is a program. Plain data; encode it, compile it, count its bytes. */
export interface Program {
  readonly name: string;
  readonly inputs: readonly ProgramInput[];
  readonly outputs: readonly ProgramOutput[];
  /** Every tensor the outputs need, leaves too, each once, inputs before users. Equal nodes are merged. */
  readonly tensors: readonly Tensor[];
}

/** What buildProgram needs. */
export interface ProgramParts {
  readonly name: string;
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** Names of parameter leaves (input leaves carry their own). */
  readonly parameterNames?: ReadonlyMap<Tensor, string>;
  /** output name → input name whose memory it is written over. */
  readonly aliases?: Readonly<Record<string, string>>;
}

/**
 * Builds a program. Only what the outputs need is in it, so dead branches cost nothing.
 * Throws when two inputs share a name, when an output is called like an input, or when an aliased input has another reader.
 */
export function buildProgram(parts: ProgramParts): Program {
  const merged = mergeEqual(Object.values(parts.outputs));
  const tensors = sorted(merged);
  const inputs: ProgramInput[] = [];
  const seen = new Map<string, Tensor>();
  for (const tensor of tensors) {
    const name = leafName(tensor, parts.parameterNames);
    if (name === undefined) continue;
    if (seen.has(name)) {
      fail(`program "${parts.name}"`, {
        expected: "every input under a name of its own",
        got: `two inputs called "${name}"`,
        fix: "rename one of them, or use the same tensor twice",
      });
    }
    seen.set(name, tensor);
    inputs.push({ name, tensor });
  }
  const outputs = Object.keys(parts.outputs).map((name, index): ProgramOutput => {
    if (seen.has(name)) {
      fail(`program "${parts.name}"`, {
        expected: "outputs and inputs under different names",
        got: `an input and an output called "${name}"`,
        fix: "rename the output",
      });
    }
    const aliases = parts.aliases?.[name];
    const tensor = merged[index]!;
    return aliases === undefined ? { name, tensor } : { name, tensor, aliases };
  });
  const program = Object.freeze({ name: parts.name, inputs, outputs, tensors });
  checkAliases(program);
  return program;
}

function leafName(tensor: Tensor, parameterNames?: ReadonlyMap<Tensor, string>): string | undefined {
  if (tensor.leaf?.kind === "input") return tensor.leaf.name;
  if (tensor.leaf?.kind === "parameter") return parameterNames?.get(tensor) ?? tensor.leaf.label;
  return undefined;
}

/**
 * Refuses an output written over an input that anything else reads or is written over: ONNX Runtime does not run nodes in
 * the order they are written, so the other reader would sometimes see the new numbers, silently.
 */
export function checkAliases(program: Program): void {
  for (const output of program.outputs) {
    if (output.aliases === undefined) continue;
    const where = `program "${program.name}", output "${output.name}" written over input "${output.aliases}"`;
    const input = program.inputs.find(({ name }) => name === output.aliases)?.tensor;
    const first = program.outputs.find(({ aliases }) => aliases === output.aliases)!;
    if (first !== output) {
      fail(where, {
        expected: "one output per input's memory",
        got: `output "${first.name}" written over it too`,
        fix: "write one of them to memory of its own",
      });
    }
    if (input === undefined) {
      fail(where, {
        expected: "the name of an input",
        got: program.inputs.map(({ name }) => name).join(", "),
        fix: "name one of them",
      });
    }
    const readers = countReaders(program, input);
    if (readers !== 1) {
      fail(where, {
        expected: "that input to have exactly one reader",
        got: String(readers),
        fix: "write the output to memory of its own",
      });
    }
    if (!sorted([output.tensor]).includes(input)) {
      fail(where, {
        expected: "an output made from that input",
        got: "one that does not depend on it",
        fix: "write the output to memory of its own",
      });
    }
    if (!sameShape(input.shape, output.tensor.shape) || input.dtype !== output.tensor.dtype) {
      fail(where, {
        expected: `${input.dtype} ${formatShape(input.shape)}`,
        got: `${output.tensor.dtype} ${formatShape(output.tensor.shape)}`,
        fix: "reshape the output to the input's shape",
      });
    }
  }
}

function countReaders(program: Program, input: Tensor): number {
  let readers = 0;
  for (const tensor of program.tensors) {
    for (const value of tensor.inputs) if (value === input) readers++;
  }
  for (const output of program.outputs) if (output.tensor === input) readers++;
  return readers;
}

/** An index input of a program and what its elements must stay below. */
export interface InputIndexBound extends Omit<IndexBound, "input"> {
  readonly inputName: string;
}

/**
 * The fed inputs that some op uses as indices, so that they can be checked before a run: each input once per bound.
 * Looks through reshapes and casts.
 */
export function indexBounds(program: Program): InputIndexBound[] {
  const names = new Map(program.inputs.map(({ name, tensor }) => [tensor, name]));
  const bounds: InputIndexBound[] = [];
  for (const tensor of program.tensors) {
    for (const bound of tensor.op.indices?.(tensor.inputs, tensor.attributes) ?? []) {
      let source = tensor.inputs[bound.input]!;
      while (source.leaf === undefined && ["reshape", "cast"].includes(source.op.name))
        source = source.inputs[0]!;
      const inputName = names.get(source);
      const isKnown = bounds.some((known) => known.inputName === inputName && known.below === bound.below);
      if (inputName !== undefined && !isKnown) {
        bounds.push({ inputName, below: bound.below, meaning: bound.meaning });
      }
    }
  }
  return bounds;
}

/** Replaces nodes that compute the same thing by one node. Attributes are plain data, so their JSON tells. */
function mergeEqual(outputs: readonly Tensor[]): Tensor[] {
  const replacement = new Map<Tensor, Tensor>();
  const identity = new Map<Tensor, number>();
  const known = new Map<string, Tensor>();
  for (const tensor of sorted(outputs)) {
    const inputs = tensor.inputs.map((value) => replacement.get(value)!);
    const key = nodeKey(tensor, inputs, identity);
    let same = known.get(key);
    if (same === undefined) {
      const isChanged = inputs.some((value, index) => value !== tensor.inputs[index]);
      same = isChanged ? Object.freeze({ ...tensor, inputs: Object.freeze(inputs) }) : tensor;
      known.set(key, same);
      identity.set(same, identity.size);
    }
    replacement.set(tensor, same);
  }
  return outputs.map((output) => replacement.get(output)!);
}

function nodeKey(tensor: Tensor, inputs: readonly Tensor[], identity: ReadonlyMap<Tensor, number>): string {
  if (tensor.leaf?.kind === "constant") return constantKey(tensor.leaf.value, identity.size);
  if (tensor.leaf !== undefined) return `leaf ${identity.size}`;
  const attributes = JSON.stringify(tensor.attributes, spelledOut);
  return `${tensor.op.name} ${attributes} ${inputs.map((value) => identity.get(value))}`;
}

/** JSON writes NaN and both infinities as null and −0 as 0: filling with one of them is not filling with another. */
function spelledOut(_: string, value: unknown): unknown {
  const isLost = typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0));
  return isLost ? { number: Object.is(value, -0) ? "-0" : String(value) } : value;
}

/** Small constants merge by content; comparing large ones would cost more than it saves. */
function constantKey(value: NdArray, unique: number): string {
  return value.data.length > 64 ? `leaf ${unique}` : `constant ${contentKey(value)}`;
}
