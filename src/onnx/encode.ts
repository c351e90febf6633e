/** Program → ONNX bytes: opset 21, weights in PyTorch's layout, every node named so that runtime errors can be read. */
import { create, toBinary } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "onnx-buf";
import { contentKey, type NdArray } from "../array/array.ts";
import { type DType, type NumericDType, onnxDType, typedArrayOf } from "../array/dtype.ts";
import { type Dim, factorOf, formatShape, isBatchDim, type Shape, sameShape } from "../array/shape.ts";
import { bug, fail } from "../errors.ts";
import type { EmitContext, OnnxAttribute } from "../graph/op.ts";
import type { Program } from "../graph/program.ts";
import type { Tensor } from "../graph/tensor.ts";

/** What encodeOnnx adds to the program. */
export interface EncodeOptions {
  /** Inputs that become constants of the file, by name: trained parameters in a saved model. */
  readonly values?: ReadonlyMap<string, NdArray>;
  /**
   * Convolutions are written in ONNX Runtime's own blocked form, so many channels to a block (Runtime.channelBlock): for
   * sessions of the very runtime that says so, never for a file.
   */
  readonly channelBlock?: number | undefined;
  /** Metadata of the file: columns, labels, training run. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The operator set that is written: axes are inputs everywhere, and ONNX Runtime's kernels for it are complete. */
export const opset = 21;
/** The file-format version that belongs to opset 21. */
const irVersion = 10n;

/**
 * The program as the bytes of an ONNX file. The same program gives the same bytes.
 * Throws when `values` names something that is no input, or does not fit it.
 */
export function encodeOnnx(program: Program, options: EncodeOptions = {}): Uint8Array<ArrayBuffer> {
  const values = options.values ?? new Map<string, NdArray>();
  for (const [name, value] of values) {
    const tensor = program.inputs.find((input) => input.name === name)?.tensor;
    if (tensor === undefined) {
      fail(`encodeOnnx("${program.name}")`, {
        expected: `values for inputs (${program.inputs.map((input) => input.name).join(", ")})`,
        got: `"${name}"`,
        fix: "remove it, or use the tensor in the program",
      });
    }
    if (value.dtype !== tensor.dtype || !sameShape(value.shape, tensor.shape)) {
      fail(`encodeOnnx("${program.name}"), value "${name}"`, {
        expected: `${tensor.dtype} ${formatShape(tensor.shape)}`,
        got: `${value.dtype} ${formatShape(value.shape)}`,
        fix: "pass an array of that dtype and shape",
      });
    }
  }
  const pen = new Pen(program, values, options.channelBlock);
  const model = create(ModelProtoSchema, {
    irVersion,
    producerName: "microbatch",
    opsetImport: [{ domain: "", version: BigInt(opset) }, ...pen.domains()],
    metadataProps: Object.entries(options.metadata ?? {}).map(([key, value]) => ({ key, value })),
    graph: {
      name: program.name,
      node: pen.nodes,
      initializer: pen.initializers,
      input: program.inputs
        .filter(({ name }) => !values.has(name))
        .map(({ name, tensor }) => valueInfo(name, tensor)),
      output: program.outputs.map(({ name, tensor }) => valueInfo(name, tensor)),
      valueInfo: pen.shapes,
    },
  });
  return toBinary(ModelProtoSchema, model);
}

/** Versions of the operator domains beside the standard one. */
const domainVersions: Readonly<Record<string, number>> = { "ai.onnx.ml": 3, "com.microsoft": 1 };

/**
 * From how many tensors on shapes are written: an LSTM of 64 steps (2763 with its gradient) then loads in 0.3 s instead of 1.5.
 * A transformer of 686 loads at once in any case, and would take 9 % more memory: the runtime then plans it as one block.
 */
const longProgram = 1000;

/**
 * Operators whose outputs behind the first may be left out. (Not batch normalisation's: ONNX Runtime demands them when it
 * trains. Not MaxPool's: whoever writes them reads them.)
 */
const optionalOutputs: ReadonlySet<string> = new Set(["LayerNormalization"]);

/** Writes nodes in the program's order and keeps constants shared. */
class Pen {
  readonly nodes: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];
  /**
   * The shapes of reshaped tensors, in long programs: all that the runtime cannot infer itself. Without them it keeps looking
   * for memory to reuse, at a cost that grows with the square of the nodes.
   */
  readonly shapes: ValueInfoProto[] = [];
  readonly #names = new Map<Tensor, string>();
  readonly #taken = new Set<string>();
  /** How far the numbers behind a stem are taken: a program of a thousand slices does not try all of them each time. */
  readonly #counts = new Map<string, number>();
  readonly #shared = new Map<string, string>();
  /** The outputs behind the first, by the first. */
  readonly #further = new Map<string, readonly string[]>();
  readonly #usedDomains = new Set<string>();
  readonly #program: Program;
  readonly #channelBlock: number | undefined;

  constructor(program: Program, values: ReadonlyMap<string, NdArray>, channelBlock: number | undefined) {
    this.#program = program;
    this.#channelBlock = channelBlock;
    for (const { name, tensor } of program.inputs) {
      this.#names.set(tensor, name);
      this.#taken.add(name);
      const value = values.get(name);
      if (value !== undefined) this.initializers.push(tensorProto(name, value));
    }
    const outputNames = new Map<Tensor, string>();
    for (const { name, tensor } of program.outputs) {
      this.#taken.add(name);
      if (tensor.leaf === undefined && !outputNames.has(tensor)) outputNames.set(tensor, name);
    }
    for (const tensor of program.tensors) this.#write(tensor, outputNames.get(tensor));
    this.#copyRemainingOutputs(outputNames);
    this.#leaveOutUnread();
  }

  domains(): { domain: string; version: bigint }[] {
    return [...this.#usedDomains].map((domain) => ({ domain, version: BigInt(domainVersions[domain] ?? 1) }));
  }

  #write(tensor: Tensor, outputName: string | undefined): void {
    if (tensor.leaf?.kind === "constant") {
      this.#names.set(tensor, this.#initializer(tensor.leaf.value, "constant"));
      return;
    }
    if (tensor.leaf !== undefined) return;
    const output = outputName ?? this.#fresh(tensor.op.name);
    const inputs = tensor.inputs.map((value) => this.#names.get(value)!);
    const context = this.#context(tensor, inputs, output);
    if (typeof tensor.op.onnx === "string") context.node(tensor.op.onnx, inputs, {}, output);
    else tensor.op.onnx(context);
    this.#names.set(tensor, output);
    const isLong = this.#program.tensors.length > longProgram;
    const isInner = isLong && outputName === undefined && tensor.op.name === "reshape";
    if (isInner && tensor.shape.some(isBatchDim)) this.shapes.push(valueInfo(output, tensor));
  }

  #context(tensor: Tensor, inputs: readonly string[], output: string): EmitContext {
    return {
      tensors: tensor.inputs,
      inputs,
      outputTensor: tensor,
      output,
      attributes: tensor.attributes,
      ...(this.#channelBlock !== undefined && { channelBlock: this.#channelBlock }),
      node: (type, from, attributes = {}, to = undefined, domain = "", unread = 0) => {
        if (domain === "com.microsoft.nchwc" && to === undefined)
          return this.#inBlocks(type, from, attributes);
        return this.#node(type, from, attributes, to ?? this.#fresh(type), domain, unread);
      },
      further: (value) => this.#further.get(value) ?? [],
      ints: (values, shape = [values.length]) => this.#ints(values, shape),
      constant: (values, shape = [], dtype = "float32") => this.#constant(values, shape, dtype),
      size: (dim) => this.#size(dim),
      shape: (shape) => this.#shape(shape),
    };
  }

  /** What is computed in blocks of channels, once for all who read it: the runtime merges equal nodes, but not in its own domain. */
  #inBlocks(type: string, from: readonly string[], attributes: Readonly<Record<string, OnnxAttribute>>) {
    const key = `${type} of ${from} ${JSON.stringify(attributes)}`;
    let name = this.#shared.get(key);
    if (name === undefined) {
      name = this.#node(type, from, attributes, this.#fresh(type), "com.microsoft.nchwc");
      this.#shared.set(key, name);
    }
    return name;
  }

  /** An output that is a leaf, or a second name for the same tensor, gets a copy. */
  #copyRemainingOutputs(outputNames: ReadonlyMap<Tensor, string>): void {
    for (const { name, tensor } of this.#program.outputs) {
      if (outputNames.get(tensor) === name) continue;
      this.#node("Identity", [this.#names.get(tensor)!], {}, name);
    }
  }

  /** What only a gradient would read is in no file that has none. */
  #leaveOutUnread(): void {
    const read = new Set(this.nodes.flatMap(({ input }) => input));
    for (const { opType, output } of this.nodes) {
      if (!optionalOutputs.has(opType)) continue;
      while (output.length > 1 && !read.has(output.at(-1)!)) output.pop();
    }
  }

  #fresh(stem: string): string {
    let count = this.#counts.get(stem) ?? 1;
    let name = count === 1 ? stem : `${stem}_${count}`;
    while (this.#taken.has(name)) name = `${stem}_${++count}`;
    this.#counts.set(stem, count);
    this.#taken.add(name);
    return name;
  }

  #ints(values: readonly number[], shape: readonly number[]): string {
    return this.#initializer({ dtype: "int64", shape, data: BigInt64Array.from(values, BigInt) }, "ints");
  }

  #constant(values: readonly number[], shape: readonly number[], dtype: DType): string {
    return this.#initializer(
      { dtype: numeric(dtype), shape, data: typedArrayOf(numeric(dtype), values) },
      "constant",
    );
  }

  #initializer(value: NdArray, stem: string): string {
    const key = value.data.length <= 64 ? contentKey(value) : undefined;
    const known = key === undefined ? undefined : this.#shared.get(key);
    if (known !== undefined) return known;
    const name = this.#fresh(stem);
    this.initializers.push(tensorProto(name, value));
    if (key !== undefined) this.#shared.set(key, name);
    return name;
  }

  #size(dim: Dim): string {
    if (typeof dim === "number") return this.#ints([dim], [1]);
    const key = `size ${dim}`;
    let name = this.#shared.get(key);
    if (name === undefined) {
      const batch = this.#batchSize();
      name =
        factorOf(dim) === 1
          ? batch
          : this.#node(
              "Mul",
              [batch, this.#ints([factorOf(dim)], [1])],
              {},
              this.#fresh(`size_${factorOf(dim)}`),
            );
      this.#shared.set(key, name);
    }
    return name;
  }

  /** The number of samples, read off an input that has it as an axis, or else a multiple of it. */
  #batchSize(): string {
    const known = this.#shared.get("size batch");
    if (known !== undefined) return known;
    const axes = this.#program.inputs.flatMap(({ name, tensor }) =>
      tensor.shape.flatMap((dim, axis) => (isBatchDim(dim) ? [{ name, axis, factor: factorOf(dim) }] : [])),
    );
    const { name, axis, factor } = axes.find((one) => one.factor === 1) ?? axes[0] ?? this.#noBatchAxis();
    let size = this.#node("Shape", [name], { start: axis, end: axis + 1 }, this.#fresh("batch_size"));
    if (factor > 1) {
      size = this.#node("Div", [size, this.#ints([factor], [1])], {}, this.#fresh("batch_size"));
    }
    this.#shared.set("size batch", size);
    return size;
  }

  #noBatchAxis(): never {
    return fail(`encodeOnnx("${this.#program.name}")`, {
      expected: "an input with a batch axis, to read the number of samples from",
      got: "none",
      fix: "use fixed sizes, or make an input of shape [batch, …]",
    });
  }

  #shape(shape: Shape): string {
    if (!shape.some(isBatchDim)) return this.#ints(shape as number[], [shape.length]); // no batch dimension is left
    const key = `shape ${shape}`;
    let name = this.#shared.get(key);
    if (name === undefined) {
      const sizes = shape.map((dim) => this.#size(dim));
      name = sizes.length === 1 ? sizes[0]! : this.#node("Concat", sizes, { axis: 0 }, this.#fresh("shape"));
      this.#shared.set(key, name);
    }
    return name;
  }

  /** Writes a node and returns the name of its output. */
  #node(
    type: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>>,
    output: string,
    domain = "",
    unread = 0,
  ): string {
    if (domain !== "") this.#usedDomains.add(domain);
    const further = Array.from({ length: unread }, () => this.#fresh(`${output}_unread`));
    if (unread > 0) this.#further.set(output, further);
    this.nodes.push(
      create(NodeProtoSchema, {
        opType: type,
        name: `${output}:${type}`,
        ...(domain !== "" && { domain }),
        input: [...inputs],
        output: [output, ...further],
        attribute: Object.entries(attributes).map(([name, value]) => attributeProto(name, value)),
      }),
    );
    return output;
  }
}

function numeric(dtype: DType): NumericDType {
  return dtype === "string" ? bug("a string constant; strings are attributes") : dtype;
}

function attributeProto(name: string, value: OnnxAttribute): AttributeProto {
  const { FLOAT, INT, STRING, INTS, STRINGS } = AttributeType;
  if (typeof value === "number") return create(AttributeProtoSchema, { name, type: INT, i: BigInt(value) });
  if (typeof value === "string") return create(AttributeProtoSchema, { name, type: STRING, s: utf8(value) });
  if ("float" in value) return create(AttributeProtoSchema, { name, type: FLOAT, f: value.float });
  if ("strings" in value)
    return create(AttributeProtoSchema, { name, type: STRINGS, strings: value.strings.map(utf8) });
  return create(AttributeProtoSchema, { name, type: INTS, ints: value.map(BigInt) });
}

const utf8 = (text: string) => new TextEncoder().encode(text);

function tensorProto(name: string, value: NdArray): TensorProto {
  const { data } = value;
  // A copy: the numbers may lie in shared memory that goes on changing. ONNX is little-endian, as every machine here.
  const rawData = new Uint8Array(data.byteLength);
  rawData.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return create(TensorProtoSchema, {
    name,
    dims: value.shape.map(BigInt),
    dataType: onnxDType[value.dtype],
    rawData,
  });
}

function valueInfo(name: string, tensor: Tensor): ValueInfoProto {
  const dim = tensor.shape.map((size) =>
    typeof size === "number"
      ? { value: { case: "dimValue" as const, value: BigInt(size) } }
      : { value: { case: "dimParam" as const, value: size } },
  );
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: "tensorType", value: { elemType: onnxDType[tensor.dtype], shape: { dim } } } },
  });
}
