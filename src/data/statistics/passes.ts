/** The passes over a table's samples in which its columns are summed up. */
import type { TableSchema } from "../../array/schema.ts";
import { CodeFold } from "./code-fold.ts";
import { FeatureFold, NumberFold } from "./number-fold.ts";
import { type Show, type Swept, sweep } from "./sweep.ts";

/** A fold for every column of the table: every one of them is in one of these. */
export interface Folds {
  readonly features: ReadonlyMap<string, FeatureFold>;
  readonly targets: ReadonlyMap<string, NumberFold>;
  readonly codes: ReadonlyMap<string, CodeFold>;
  /** Columns of codes whose samples count by their weight. */
  readonly classes: ReadonlySet<string>;
}

/** Folds that have seen nothing yet. */
export function foldsOf({ features, targets }: TableSchema): Folds {
  const numbers = features.filter((feature) => feature.kind === "number");
  const coded = [...features, ...targets].filter((column) => "categories" in column);
  return {
    features: new Map(numbers.map((column) => [column.name, new FeatureFold(column)])),
    targets: new Map(
      targets.filter(({ task }) => task === "regression").map(({ name }) => [name, new NumberFold()]),
    ),
    codes: new Map(coded.map(({ name, categories }) => [name, new CodeFold(categories.length)])),
    classes: new Set(targets.map(({ name }) => name)),
  };
}

const floatsIn = (values: Values) => values as Float32Array; // a column of numbers is float32

/** Shows all columns. Gives how many samples there are. */
export function firstPass(data: Swept, { features, targets, codes, classes }: Folds): Promise<number> {
  const shows: [string, Show][] = [
    ...showing(features, (fold, values) => fold.add(floatsIn(values))),
    ...showing(targets, (fold, values, weights) => fold.add(values, weights)),
    ...[...codes].map(([name, fold]): [string, Show] => [
      name,
      (values, weights) => fold.add(values, classes.has(name) ? weights : undefined),
    ]),
  ];
  return sweep(data, new Map(shows));
}

/**
 * Shows the columns of numbers again: for their squares all of them, for their quartiles as many as there is
 * memory for, the others in passes of their own.
 */
export async function secondPass(
  data: Swept,
  { features, targets }: Folds,
  bytesAtOnce = 2 ** 26,
): Promise<void> {
  const [first = new Map<string, FeatureFold>(), ...rest] = inGroups(features, bytesAtOnce);
  const refine = (fold: FeatureFold, values: Values) => fold.quartiles.refine(floatsIn(values));
  const later = new Map([...features].filter(([name]) => !first.has(name)));
  const shows: [string, Show][] = [
    ...showing(first, (fold, values) => {
      fold.addSquares(floatsIn(values));
      refine(fold, values);
    }),
    ...showing(later, (fold, values) => fold.addSquares(floatsIn(values))),
    ...showing(targets, (fold, values, weights) => fold.addSquares(values, weights)),
  ];
  if (shows.length > 0) await sweep(data, new Map(shows));
  for (const group of rest) await sweep(data, new Map(showing(group, refine)));
  await findModes(data, features, bytesAtOnce);
}

/** Shows columns of numbers whose mode is wanted, again and again, until all are found. */
async function findModes(
  data: Swept,
  features: ReadonlyMap<string, FeatureFold>,
  bytesAtOnce: number,
): Promise<void> {
  const modes = [...features].flatMap(([name, { mode }]) =>
    mode === undefined ? [] : [[name, mode] as const],
  );
  for (;;) {
    const open = modes.filter(([, mode]) => mode.begin(bytesAtOnce / modes.length));
    if (open.length === 0) return;
    await sweep(data, new Map(showing(new Map(open), (mode, values) => mode.look(floatsIn(values)))));
  }
}

type Values = Parameters<Show>[0];
type Weights = Parameters<Show>[1];

function showing<Fold>(
  folds: ReadonlyMap<string, Fold>,
  show: (fold: Fold, values: Values, weights: Weights) => void,
): [string, Show][] {
  return [...folds].map(([name, fold]) => [name, (values, weights) => show(fold, values, weights)]);
}

/** Columns whose quartiles fit into memory together; a group has at least one. */
function inGroups(
  features: ReadonlyMap<string, FeatureFold>,
  bytesAtOnce: number,
): ReadonlyMap<string, FeatureFold>[] {
  const groups: Map<string, FeatureFold>[] = [];
  let room = 0;
  for (const [name, fold] of features) {
    const { bytes } = fold.quartiles;
    if (groups.length === 0 || bytes > room) {
      groups.push(new Map());
      room = bytesAtOnce;
    }
    groups.at(-1)!.set(name, fold);
    room -= bytes;
  }
  return groups;
}
