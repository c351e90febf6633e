/** A file's network with its own head or a new one: which of its weights are trained, and what it says of a microbatch. */

import { isFloat } from "../../array/dtype.ts";
import { elementCount, type Shape } from "../../array/shape.ts";
import { fail, MicrobatchError } from "../../errors.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { patternExpression } from "../../models/name-pattern.ts";
import { onnxFunction } from "../../models/onnx-function.ts";
import { linear } from "../../nn/index.ts";
import { cast, flatten, slice, sub } from "../../ops/index.ts";
import type { ParameterGroup } from "../../train/groups.ts";
import type { FinetuneFlags } from "./finetune-flags.ts";
import { type FoundHead, findHead } from "./finetune-head.ts";
import type { OpenedModel } from "./finetune-open.ts";
import {
  exactly,
  openedWith,
  type Reach,
  reachIn,
  readableOutputs,
  type ToldWeight,
  type Traced,
} from "./finetune-reach.ts";
import type { Head } from "./heads.ts";

/** What goes into the file: its inputs by name, with every size. */
export type FedShapes = Readonly<Record<string, Shape>>;
/** The tensors that go in. */
export type Fed = Readonly<Record<string, Tensor>>;

/** The network of a file, before it is known what it shall predict. */
export interface FoundNetwork {
  readonly model: OpenedModel;
  readonly fed: FedShapes;
  /** The way to its output; undefined where a tensor was named as its features. */
  readonly head: FoundHead | undefined;
  /** How many numbers per sample its head gives; 0 where there is none. */
  readonly units: number;
}

/** Looks for the head. Throws where no output can be read, and for a file that takes a fixed number of samples. */
export function findNetwork(model: OpenedModel, fed: FedShapes, { features }: FinetuneFlags): FoundNetwork {
  const [output] = readableOutputs(model);
  if (output === undefined) {
    if (features !== undefined) return { model, fed, head: undefined, units: 0 };
    fail(model.file, {
      expected: "an output of numbers that is computed by operators which are known here",
      got: model.graph.outputs.map(({ name, dtype }) => `"${name}" ${dtype}`).join(", "),
      fix: `name the tensor whose numbers a new head shall read: --features <tensor> (microbatch inspect ${model.file})`,
    });
  }
  const head = findHead(model.graph, output);
  return { model, fed, head, units: unitsOf(model, fed, head.logits) };
}

/** How many numbers per sample a tensor of the file has. */
function unitsOf(model: OpenedModel, fed: FedShapes, name: string): number {
  const { made } = tracedTo(model, fed, name);
  return widthOf(made[0]!);
}

/** The file up to a tensor. Throws where it cannot be computed, reads other inputs, or takes a fixed number of samples. */
function tracedTo(model: OpenedModel, fed: FedShapes, name: string): Traced {
  const opened = openedWith(model, { outputs: [name], shapes: fed });
  if (opened instanceof MicrobatchError) throw opened;
  const { read, made } = opened;
  const names = read.inputs.map((one) => one.name);
  if (!names.every((one) => Object.hasOwn(fed, one))) {
    fail(model.file, {
      expected: `a model that reads ${Object.keys(fed).join(", ")} alone`,
      got: `one that reads ${names.join(", ")}`,
      fix: "write a plan: loadOnnx takes models of any inputs",
    });
  }
  const { shape } = made[0]!;
  const isFree = shape[0] === "batch" && shape.slice(1).every((size) => typeof size === "number");
  if (read.fixedBatch !== undefined || !isFree || !isFloat(made[0]!.dtype)) {
    fail(`${model.file}, tensor "${name}"`, {
      expected: "float numbers of each of any number of samples, which come first",
      got: read.fixedBatch ?? `${made[0]!.dtype} [${shape.join(", ")}]`,
      fix: "export the model again with a free batch, or name another tensor: --features <tensor>",
    });
  }
  return opened;
}

/** Numbers per sample of what tracedTo gave: no size but the first grows with the microbatch. */
const widthOf = (tensor: Tensor) => flatten(tensor).shape[1] as number;

/** What lies up to a tensor. A model of one layer has its features fed: nothing lies in front of them. */
function partOf(
  model: OpenedModel,
  fed: FedShapes,
  name: string,
): { readonly width: number; readonly reach: Reach } {
  const shape = fedShape(fed, name);
  if (shape !== undefined) {
    return {
      width: elementCount(shape.slice(1).map(Number)),
      reach: { trainable: [], blocked: [], taken: {} },
    };
  }
  const traced = tracedTo(model, fed, name);
  return { width: widthOf(traced.made[0]!), reach: reachIn(model, traced) };
}

const fedShape = (fed: FedShapes, name: string) => (Object.hasOwn(fed, name) ? fed[name] : undefined);

/** The network with its head for a target. */
export interface Network {
  readonly isNew: boolean;
  /** What goes in → the prediction of the plan, in the target's units or as logits. */
  predict(fed: Fed): Tensor;
  /** The same by the file as it came, where its own head fits the target. */
  asItCame?(fed: Fed): Tensor;
  readonly groups: readonly ParameterGroup[];
  /** Whether anything in front of the head is trained. */
  readonly isDeep: boolean;
  /** The tensor of the file that its head is, or that a new one reads, and how many of its numbers are trained. */
  readonly tensor: string;
  readonly trained: number;
  /** For the description. */
  readonly words: readonly string[];
}

/**
 * Puts a head on the network and chooses what is trained. isSame: false where the file says that its classes are others than the
 * data's.
 */
export function networkFor(
  found: FoundNetwork,
  target: Head,
  isSame: boolean,
  flags: FinetuneFlags,
): Network {
  const { model, fed } = found;
  const own = isSame && found.head !== undefined && fitsTarget(target, found.units) ? found.head : undefined;
  const isNew = flags.head === "new" || flags.features !== undefined || own === undefined;
  if (flags.head === "keep" && isNew) refuseKeep(found, target, flags);
  const tail = isNew ? featuresOf(found, flags) : numbersOf(own, target);
  const { width, reach } = partOf(model, fed, tail);
  const choice = choose(reach, isNew ? new Set() : own.weights, flags, model.file);
  const run = runnerOf(found, tail, reach.trainable);
  const layer = linear(target.outputs, { name: freeName(reach.trainable) });
  const came = own && runnerOf(found, numbersOf(own, target), []);
  return {
    isNew,
    predict: (x) =>
      isNew ? target.prediction(layer(flatten(run(x)))) : ownPrediction(target, flatten(run(x))),
    ...(came && { asItCame: (x: Fed) => ownPrediction(target, flatten(came(x))) }),
    groups: groupsOf(choice, flags),
    isDeep: choice.deep.length > 0,
    tensor: tail,
    trained: numbersIn(choice.head) + numbersIn(choice.deep),
    words: [
      isNew
        ? `  head      new: ${target.outputs} ${target.outputs === 1 ? "output" : "outputs"} of "${tail}", ${width} numbers` +
          (found.head?.product === undefined || flags.features !== undefined
            ? ""
            : ` in front of ${found.head.product}`)
        : `  head      its own: "${tail}"${found.head?.product === undefined ? "" : `, from ${found.head.product} on`}`,
      `  trained   ${wordsOf(choice, isNew, flags)}`,
    ],
  };
}

/** One number tells two classes apart, and so does the difference of two. */
function fitsTarget({ task, outputs }: Head, units: number): boolean {
  return task === "binary" ? units === 1 || units === 2 : units === outputs;
}

/** The file's own numbers as the head's: of two logits their difference, since softmax tells no more of them. */
function ownPrediction({ task }: Head, made: Tensor): Tensor {
  if (task !== "binary" || made.shape[1] === 1) return made;
  return sub(slice(made, { start: 1, end: 2 }), slice(made, { start: 0, end: 1 }));
}

/** Classes are learnt from logits, numbers from what the file gives. */
const numbersOf = (head: FoundHead, { task }: Head) => (task === "regression" ? head.output : head.logits);

function refuseKeep({ model, head, units }: FoundNetwork, target: Head, { features }: FinetuneFlags): never {
  const has = head === undefined ? "none that can be read" : `${units} ${units === 1 ? "output" : "outputs"}`;
  return fail("--head keep", {
    expected: `a head for ${target.target}, of ${target.outputs}${target.task === "binary" ? " or 2" : ""}`,
    got:
      features === undefined
        ? `${model.file} with ${has}, or other classes`
        : "--features, which a new head reads",
    fix: features === undefined ? "leave it out: a new head is put on" : "leave one of them out",
  });
}

function featuresOf({ model, head }: FoundNetwork, { features }: FinetuneFlags): string {
  const name = features ?? head?.features;
  if (name !== undefined) return name;
  return fail(model.file, {
    expected: "a matrix product, in front of which a new head can be put",
    got: `none on the way to "${head?.output}"`,
    fix: "name the tensor whose numbers the head shall read: --features <tensor>",
  });
}

/** What is done with each weight. */
interface Choice {
  /** Those of the file's own head. */
  readonly head: readonly ToldWeight[];
  /** Those in front of it that --train names. */
  readonly deep: readonly ToldWeight[];
  readonly frozen: readonly ToldWeight[];
}

function choose(reach: Reach, headNames: ReadonlySet<string>, flags: FinetuneFlags, file: string): Choice {
  const head = reach.trainable.filter(({ name }) => headNames.has(name));
  const rest = reach.trainable.filter(({ name }) => !headNames.has(name));
  const patterns = flags.train ?? (flags.lora === undefined ? [] : ["*"]);
  const tests = patterns.map((pattern) => ({ pattern, test: patternExpression(pattern) }));
  for (const { pattern, test } of tests) requireMatch(reach, pattern, test, file);
  const named = rest.filter(({ name }) => tests.some(({ test }) => test.test(name)));
  const deep = flags.lora === undefined ? named : named.filter(({ shape }) => holdsRank(shape, flags.lora!));
  if (flags.lora !== undefined && deep.length === 0) {
    fail("--lora", {
      expected: `a rank of at most that of a matrix in ${file}`,
      got: String(flags.lora),
      fix:
        named.length === 0 ? "leave it out: nothing in front of the head is trained" : "for example --lora 4",
    });
  }
  return { head, deep, frozen: rest.filter((one) => !deep.includes(one)) };
}

/** Of a convolution's weight the inputs count the kernel too. */
const holdsRank = ([outputs = 0, ...rest]: readonly number[], rank: number) =>
  rest.length > 0 &&
  Math.min(
    outputs,
    rest.reduce((product, size) => product * size, 1),
  ) >= rank;

function requireMatch({ trainable, blocked }: Reach, pattern: string, test: RegExp, file: string): void {
  if (trainable.some(({ name }) => test.test(name))) return;
  const group = blocked.find(({ weights }) => weights.some(({ name }) => test.test(name)));
  const names = trainable.map(({ name }) => name);
  const shown = `${names.slice(0, 8).join(", ")}${names.length > 8 ? ` and ${names.length - 8} more` : ""}`;
  fail("--train", {
    expected: `a pattern of weights of ${file} that can be trained`,
    got: `"${pattern}", ${group === undefined ? "which matches none" : `which matches only what is ${group.reason}`}`,
    fix:
      names.length === 0
        ? "leave it out: the head alone can be trained"
        : `those in front of the head are ${shown}`,
  });
}

function groupsOf({ deep, frozen }: Choice, { lora }: FinetuneFlags): ParameterGroup[] {
  return [
    ...(lora !== undefined ? [{ parameters: exactly(deep), lora: { rank: lora } }] : []),
    ...(frozen.length > 0 ? [{ parameters: exactly(frozen), frozen: true }] : []),
  ];
}

const numbersIn = (weights: readonly ToldWeight[]) =>
  weights.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);

/** "the head alone; 141 weights of 128,954 numbers stay as they are". */
function wordsOf({ head, deep, frozen }: Choice, isNew: boolean, { lora }: FinetuneFlags): string {
  const count = (weights: readonly ToldWeight[]) => numbersIn(weights).toLocaleString("en-US");
  const headWords = isNew ? "the head" : `the head (${count(head)} numbers)`;
  const how = lora === undefined ? "" : `, by changes of rank ${lora}`;
  const trained =
    deep.length === 0
      ? headWords.replace("the head", "the head alone")
      : `${headWords} and ${count(deep)} numbers in ${deep.length} weights in front of it${how}`;
  return frozen.length === 0
    ? trained
    : `${trained}; ${count(frozen)} numbers in ${frozen.length} weights stay as they are`;
}

/** The file up to a tensor as a function of what goes in. */
function runnerOf(
  { model, fed }: FoundNetwork,
  tail: string,
  trainable: readonly ToldWeight[],
): (fed: Fed) => Tensor {
  if (fedShape(fed, tail) !== undefined) return (given) => cast(given[tail]!, "float32");
  const { bytes, external, file } = model;
  const options = { outputs: [tail], shapes: fed, external };
  const read = onnxFunction(
    bytes,
    { ...options, trainable: trainable.length === 0 ? false : exactly(trainable) },
    file,
  );
  const names = read.inputs.map(({ name }) => name);
  return (given) => read(Object.fromEntries(names.map((name) => [name, given[name]!])))[tail]!;
}

/** "head", or with a number where the file has weights of that name: two layers of one name would both be renamed. */
function freeName(weights: readonly ToldWeight[]): string {
  const taken = new Set(weights.map(({ name }) => name.slice(0, Math.max(name.lastIndexOf("."), 0)) || name));
  let name = "head";
  for (let count = 2; taken.has(name); count++) name = `head_${count}`;
  return name;
}
