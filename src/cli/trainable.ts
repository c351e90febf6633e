/** What inspect says of training: which weights of a file could be trained, and what blocks the others. */
import { MicrobatchError } from "../errors.ts";
import { openModel } from "./training/finetune-open.ts";
import { reachOf, type ToldWeight } from "./training/finetune-reach.ts";

/** Plain JSON. */
export interface Trainable {
  /** How many numbers the weights below are. */
  readonly count: number;
  readonly weights: readonly CountedWeight[];
  /** The others, by what blocks them. */
  readonly blocked: readonly {
    readonly reason: string;
    readonly count: number;
    readonly weights: readonly CountedWeight[];
  }[];
  /** Sizes that were taken for inputs whose file leaves them open. */
  readonly taken?: Readonly<Record<string, readonly (number | string)[]>>;
  /** Why nothing is known of the weights. */
  readonly unread?: string;
}

interface CountedWeight extends ToldWeight {
  readonly elements: number;
}

/** Reads the file as finetune does. What cannot be read is said, not thrown: the rest of the file is told all the same. */
export async function trainableOf(file: string): Promise<Trainable> {
  try {
    const { trainable, blocked, taken } = reachOf(await openModel(file));
    return {
      ...counted(trainable),
      blocked: blocked.map(({ reason, weights }) => ({ reason, ...counted(weights) })),
      ...(Object.keys(taken).length > 0 && { taken }),
    };
  } catch (error) {
    if (!(error instanceof MicrobatchError)) throw error;
    return { count: 0, weights: [], blocked: [], unread: error.message };
  }
}

function counted(weights: readonly ToldWeight[]): Pick<Trainable, "count" | "weights"> {
  const told = weights.map(({ name, shape }) => ({
    name,
    shape,
    elements: shape.reduce((a, b) => a * b, 1),
  }));
  return { count: told.reduce((sum, { elements }) => sum + elements, 0), weights: told };
}

const number = (value: number) => value.toLocaleString("en-US");

/** "could be trained: 5,315 numbers in 6 weights". */
export function trainableTitle({ count, weights, blocked, unread }: Trainable): string {
  if (unread !== undefined) return "could not be trained here";
  const others = blocked.reduce((sum, group) => sum + group.count, 0);
  const of = others === 0 ? "" : ` of ${number(count + others)}`;
  return `could be trained: ${number(count)}${of} numbers, in ${number(weights.length)} weights`;
}

/** What is not said by the names of the tensors, which stand above. */
export function trainableLines({ weights, blocked, taken = {}, unread }: Trainable): string[] {
  if (unread !== undefined) return [`  ${unread}`];
  return [
    ...(weights.length === 0 ? [] : [`  ${named(weights)}`]),
    ...Object.entries(taken).map(([name, shape]) => `  with "${name}" taken to be [${shape.join(", ")}]`),
    ...blocked.map(
      ({ reason, count, weights: those }) =>
        `  not ${number(count)} numbers in ${number(those.length)}, ${reason}: ${named(those)}`,
    ),
  ];
}

/** The first and last names tell how they are called; JSON has them all. */
function named(weights: readonly ToldWeight[]): string {
  const names = weights.map(({ name, shape }) => `${name} [${shape.join(", ")}]`);
  if (names.length <= 5) return names.join(", ");
  return `${names.slice(0, 3).join(", ")}, … ${names.at(-1)}`;
}
