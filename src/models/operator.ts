/**
 * CONTRACT of an ONNX operator: one entry in the table of its family. It reads a node's inputs and attributes, whatever
 * operator set they are written for, and answers with tensors made by our ops.
 */
import type { NdArray } from "../array/array.ts";
import { type Dim, formatShape, isBatchDim, normalizeAxis, type Shape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { DecodedAttribute, OnnxNode } from "../onnx/graph.ts";
import { type Known, tensorOf } from "./known.ts";

/** A value of a graph: a tensor, elements that are known, or both. */
export interface Value {
  readonly tensor: Tensor;
  readonly known?: Known | undefined;
}

/** What an operator's entry answers: a tensor per output, or elements that are known. */
export type Answer = Tensor | Known | readonly (Tensor | Known)[];
/** An operator's entry. */
export type Operator = (node: NodeReader) => Answer;
/** The operators of a family, by name. */
export type Operators = Readonly<Record<string, Operator>>;

/** The most elements of an array that an entry may make of a node's numbers: a file may claim any size. */
const mostElements = 2 ** 20;

/** Reads one node: inputs, attributes and what is known of them. Every problem is told with the node's name. */
export class NodeReader {
  readonly where: string;
  readonly opset: number;
  readonly node: OnnxNode;
  readonly #values: readonly (Value | undefined)[];

  constructor(where: string, opset: number, node: OnnxNode, values: readonly (Value | undefined)[]) {
    this.where = where;
    this.opset = opset;
    this.node = node;
    this.#values = values;
  }

  /** How many inputs the node names, those it leaves out in between counted. */
  get count(): number {
    return this.#values.length;
  }

  /** True where the node has the input. */
  has(index: number): boolean {
    return this.#values[index] !== undefined;
  }

  /** True where somebody may read the output. */
  gives(index: number): boolean {
    return (this.node.outputs[index] ?? "") !== "";
  }

  /** An input that the operator needs. */
  input(index: number): Tensor {
    return this.optional(index) ?? this.refuse(`an input ${index + 1}`, `${this.count} inputs`);
  }

  optional(index: number): Tensor | undefined {
    return this.#values[index]?.tensor;
  }

  /** All inputs, for operators that take any number of them. */
  inputs(): readonly Tensor[] {
    return this.#values.map((_, index) => this.input(index));
  }

  /** The elements of an input, where they are known. */
  known(index: number): Known | undefined {
    return this.#values[index]?.known;
  }

  /** The shape of an input that the operator needs. */
  shape(index: number): Shape {
    return this.input(index).shape;
  }

  /** The elements of an input that has to be known, all of them numbers; undefined where the node leaves it out. */
  numbers(index: number): readonly number[] | undefined {
    if (!this.has(index)) return undefined;
    const { elements } = this.known(index) ?? this.unknown(index);
    if (elements.some(isBatchDim)) {
      this.refuse(
        `numbers as input ${index + 1}`,
        `sizes that grow with the microbatch: ${elements.join(", ")}`,
      );
    }
    return elements as readonly number[]; // no element is a multiple of the microbatch
  }

  /** The elements of an input that has to be known, as sizes. */
  sizes(index: number): Shape {
    return (this.known(index) ?? this.unknown(index)).elements;
  }

  unknown(index: number): never {
    const name = this.node.inputs[index];
    return fail(this.where, {
      expected: `an input "${name}" that is known when the model is read, since shapes depend on it`,
      got: "one that is computed from what is fed",
      fix: `give its values: onnxFunction(bytes, { values: { "${name}": … } }), or simplify the model before loading it`,
    });
  }

  /** Indices or axes: an attribute in old operator sets, an input in new ones. */
  list(name: string, index: number): readonly number[] | undefined {
    return this.ints(name) ?? this.numbers(index);
  }

  int(name: string, otherwise: number): number {
    const value = this.node.attributes.get(name);
    if (value === undefined) return otherwise;
    return typeof value === "number" ? value : this.wrong(name, "a number", value);
  }

  /** A whole number or any other: the file's kind is not asked for. */
  float(name: string, otherwise: number): number {
    return this.int(name, otherwise);
  }

  flag(name: string, otherwise = false): boolean {
    return this.int(name, otherwise ? 1 : 0) !== 0;
  }

  text(name: string, otherwise: string): string {
    const value = this.node.attributes.get(name);
    if (value === undefined) return otherwise;
    return typeof value === "string" ? value : this.wrong(name, "a text", value);
  }

  ints(name: string): readonly number[] | undefined {
    const value = this.node.attributes.get(name);
    if (value === undefined) return undefined;
    const isList = Array.isArray(value) && value.every((one) => typeof one === "number");
    return isList ? value : this.wrong(name, "a list of numbers", value);
  }

  array(name: string): NdArray | undefined {
    const value = this.node.attributes.get(name);
    if (value === undefined) return undefined;
    return typeof value === "object" && "dtype" in value ? value : this.wrong(name, "a tensor", value);
  }

  /** An axis of input 1 as a number from 0 on. */
  axis(axis: number, rank = this.shape(0).length): number {
    return normalizeAxis(axis, rank, this.where);
  }

  axes(axes: readonly number[], rank = this.shape(0).length): number[] {
    const result = axes.map((axis) => this.axis(axis, rank));
    if (new Set(result).size !== result.length) this.refuse("every axis once", formatShape(axes));
    return result;
  }

  /** A size of input 1 that does not grow with the microbatch. */
  fixed(axis: number, index = 0): number {
    const size: Dim | undefined = this.shape(index)[axis];
    if (typeof size === "number") return size;
    return this.refuse(
      `an axis ${axis} of fixed size`,
      formatShape(this.shape(index)),
      "load the model with freeBatch: false, or give this input fixed sizes",
    );
  }

  /** Throws for an array that would take more memory than a file's claim is worth. */
  bounded(count: number, what: string, most = mostElements): number {
    if (count >= 0 && count <= most) return count;
    return this.refuse(`${what} of at most ${most} elements`, String(count), "do not trust this file");
  }

  /** Throws with the node's name. */
  refuse(
    expected: string,
    got: string,
    fix = "export the model again without it, or file an issue with the node",
  ): never {
    return fail(this.where, { expected, got, fix });
  }

  wrong(name: string, expected: string, value: DecodedAttribute): never {
    const got = typeof value === "object" && "unread" in value ? `a ${value.unread}` : JSON.stringify(value);
    return this.refuse(`${expected} as attribute "${name}"`, got.slice(0, 80));
  }
}

/** An answer's part as a value. */
export function asValue(part: Tensor | Known): Value {
  return "elements" in part ? { tensor: tensorOf(part), known: part } : { tensor: part };
}
