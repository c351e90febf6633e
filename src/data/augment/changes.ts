/**
 * From the lists of a plan to what is done to an image: checked before the first sample, keyed by (seed,
 * epoch, sample).
 */
import { type RandomSequence, randomSequence } from "../../array/random.ts";
import { formatShape } from "../../array/shape.ts";
import { fail, kindOf } from "../../errors.ts";
import type { ColumnSpec, ColumnSpecs, Dataset } from "../dataset.ts";
import { nearest } from "../nearest.ts";
import type { Augmentation, ImageShape } from "./augmentation.ts";
import { augmentationKinds } from "./kinds.ts";
import { settleOptions } from "./options.ts";

/** Lists of augmentations by the column they change, first to last. */
export type Augment<Columns extends ColumnSpecs = ColumnSpecs> = {
  readonly [Name in keyof Columns]?: readonly Augmentation[];
};

/** Changes one sample's image where it lies. */
export type SampleChange = (image: Uint8Array<ArrayBufferLike>, epoch: number, sample: number) => void;

/**
 * The changes of one column. All that is random comes from (seed, epoch, sample, place in the list): not from
 * the column, so that an image and its mask, with equal lists, are changed alike.
 * Throws for a list that is none, for a name that is no kind's, for options that break its rules, for a
 * column that holds no images, and for images that an augmentation cannot change.
 */
export function openChanges(
  column: string,
  list: readonly Augmentation[],
  spec: ColumnSpec,
  seed: number,
): SampleChange {
  const changes = settleList(column, list).map(({ name, options }) => {
    const where = `${whereOf(column)}, ${name}`;
    return augmentationKinds.get(name)!.open(where, options, imageShape(whereOf(column), spec));
  });
  let [known, first] = [-1, 0];
  let sequence: RandomSequence;
  const draw: RandomSequence = (index) => sequence(first + index);
  return (image, epoch, sample) => {
    if (epoch !== known) [sequence, known] = [randomSequence(seed, "augment", epoch), epoch];
    for (let place = 0; place < changes.length; place++) {
      first = (sample * longestList + place) * drawsPerChange;
      changes[place]!(image, draw);
    }
  };
}

/** Samples are below 2³² and numbers of a sequence below 2⁴⁴, which leaves 2¹² for each sample. */
const [longestList, drawsPerChange] = [64, 64];

const whereOf = (column: string) => `plan.augment, "${column}"`;

/** Refuses what cannot be done to the dataset's samples. */
export function checkAugment(data: Pick<Dataset, "name" | "columns">, augment: Augment): void {
  const columns = Object.keys(data.columns);
  for (const [column, list] of Object.entries(augment)) {
    if (list === undefined) continue;
    if (Object.hasOwn(data.columns, column)) {
      openChanges(column, list, data.columns[column]!, 0);
      continue;
    }
    const meant = nearest(column, columns);
    fail(whereOf(column), {
      expected: `one of the columns ${columns.join(", ")} of ${data.name}`,
      got: `"${column}"`,
      fix: meant === undefined ? "name one of those" : `did you mean "${meant}"?`,
    });
  }
}

/**
 * The lists as they are recorded: by the columns' names in order, with all options; undefined where nothing
 * is changed.
 */
export function settleAugment(augment: Augment | undefined): Augment | undefined {
  const lists = Object.entries(augment ?? {})
    .map(([column, list]) => [column, settleList(column, list ?? [])] as const)
    .filter(([, list]) => list.length > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return lists.length === 0 ? undefined : Object.fromEntries(lists);
}

function settleList(column: string, list: unknown): readonly Augmentation[] {
  const where = whereOf(column);
  if (!Array.isArray(list) || list.length > longestList) {
    return fail(where, {
      expected: `a list of at most ${longestList} augmentations`,
      got: Array.isArray(list) ? String(list.length) : kindOf(list),
      fix: "for example [flip(), crop({ padding: 4 })]",
    });
  }
  return list.map((one: Partial<Augmentation> | null | undefined) => {
    const isNamed = typeof one === "object" && typeof one?.name === "string";
    const kind = isNamed ? augmentationKinds.get(String(one.name)) : undefined;
    const names = [...augmentationKinds.keys()];
    if (kind === undefined) {
      // A function of the caller's own could not go to the thread that augments.
      return fail(where, {
        expected: `augmentations made by ${names.join(", ")}`,
        got: isNamed ? `"${one.name}"` : kindOf(one),
        fix: typeof one === "function" ? "call it: flip()" : "for example [flip(), crop({ padding: 4 })]",
      });
    }
    return { name: kind.name, options: settleOptions(`${where}, ${kind.name}`, kind.rules, one?.options) };
  });
}

/** [height, width] or [channels, height, width], as images, idx and npy give them. */
function imageShape(where: string, { dtype, shape }: ColumnSpec): ImageShape {
  const [width = 0, height = 0, channels = 1] = [...shape].reverse();
  const isImage = shape.length === 2 || shape.length === 3;
  const isChannelsLast = shape.length === 3 && channels > 4 && width <= 4;
  if (dtype === "uint8" && isImage && !isChannelsLast) return { channels, height, width };
  return fail(where, {
    expected: "a column of images, uint8 [height, width] or [channels, height, width]",
    got: `${dtype} ${formatShape(shape)}`,
    fix: isChannelsLast
      ? `bring the channels to the front: [${width}, ${channels}, ${height}]`
      : "images, idx and npy give such columns; leave augment out for others",
  });
}
