/** A model of numbers, or one that a table made, and a table → a job. */
import { float32 } from "../../array/array.ts";
import {
  sourceOf,
  statisticsToMetadata,
  type TableSchema,
  type TableStatistics,
  type TargetColumn,
} from "../../array/schema.ts";
import type { Shape } from "../../array/shape.ts";
import { elementCount } from "../../array/shape.ts";
import { statistics } from "../../data/statistics.ts";
import type { Table } from "../../data/table/table.ts";
import { fail } from "../../errors.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import { concat, isNan, reshape, where } from "../../ops/index.ts";
import type { Row } from "../../train/plan.ts";
import { cleaningOf, cleaningOfSecond } from "../cleaning.ts";
import { dialectOf } from "../dialect.ts";
import type { FinetuneFlags } from "./finetune-flags.ts";
import { type Fed, type FedShapes, findNetwork, networkFor } from "./finetune-network.ts";
import type { OpenedModel } from "./finetune-open.ts";
import { finetunedRecord, finetunePlan, finetuneVerdicts } from "./finetune-plan.ts";
import { readableOutputs } from "./finetune-reach.ts";
import { imageFlags } from "./flags.ts";
import { headOf } from "./heads.ts";
import type { Job } from "./job.ts";
import { refuseFlags } from "./job-flags.ts";
import { readTable } from "./read-table.ts";
import {
  checkSizes,
  keptOf,
  partsOf,
  requireEveryClass,
  requireOneDivision,
  requireOtherFiles,
  requireWeights,
} from "./table-job.ts";
import { cleaningLines, describeUnseen, rowsOf } from "./table-words.ts";

/** Reads the table by what the file takes, and puts a head for the target on it. */
export async function finetuneTable(model: OpenedModel, path: string, flags: FinetuneFlags): Promise<Job> {
  refuseFlags(
    flags,
    { ...imageFlags, pixels: "--pixels" },
    {
      expected: "a folder of images",
      got: path,
      fix: (flag) => `leave ${flag} out`,
    },
  );
  const target = targetOf(model, path, flags);
  checkSizes(flags);
  requireOneDivision(flags);
  await requireOtherFiles(path, flags);
  const { table, isSame } = await tableFor(model, path, target, flags);
  const entrance =
    model.schema === undefined ? matrixEntrance(model, table) : columnsEntrance(model, model.schema);
  const found = findNetwork(model, entrance.shapes, flags);
  const parts = await partsOf(table, flags);
  await requireWeights(parts);
  const fitted = await statistics(parts.training);
  requireEveryClass(fitted, flags, isSame && model.schema !== undefined ? ", or --head new" : "");
  const head = headOf(fitted.targets[0]!, flags.classWeights === "balanced");
  const network = networkFor(found, head, isSame, flags);
  const { training, validation, test } = parts;
  const feed = entrance.feedOf(fitted);
  const plan = await finetunePlan({ training, validation, network, head, feed }, flags);
  const finetuned = finetunedRecord(model, network, flags);
  const count = (of: { readonly size: number }) => of.size.toLocaleString("en-US");
  return {
    plan,
    description: [
      `${model.file}, on ${path}: ${count(table)} rows`,
      `  target    ${target}${head.task === "regression" ? ", a number" : `, one of ${fitted.targets[0]!.task === "classification" ? fitted.targets[0]!.categories.join(", ") : ""}`}`,
      ...(table.report.withoutTarget > 0
        ? [`  left out  ${table.report.withoutTarget} rows without ${target}`]
        : []),
      ...cleaningLines(table.report),
      `  features  ${entrance.words}`,
      ...unlistedLines(table.report, model.file),
      ...network.words,
      ...describeUnseen(path, parts),
      `  training  on ${count(training)} samples; ${count(validation)} to validate${test === undefined ? "" : `, ${count(test)} to test`}`,
    ],
    task: head.task,
    finetuned,
    verdicts: finetuneVerdicts(head, network),
    ...(test !== undefined && { test }),
    metadata: {
      "microbatch.finetuned": JSON.stringify(finetuned),
      ...statisticsToMetadata(ofEncoder(model, fitted)),
      ...ownMetadata(model),
    },
  };
}

/** Categories that the model has not seen: they are told apart from none, and weights in front of its head learn nothing of them. */
function unlistedLines({ unlisted }: Table["report"], file: string): string[] {
  return Object.entries(unlisted).map(
    ([column, count]) =>
      `  beware    column "${column}": ${rowsOf(count)} with a category that ${file} does not know`,
  );
}

/** The columns' statistics are those of the encoder in the file, which go on being what it does; the target's are these samples'. */
function ofEncoder({ encoder }: OpenedModel, fitted: TableStatistics): TableStatistics {
  return encoder === undefined ? fitted : { ...encoder.statistics, targets: fitted.targets };
}

function ownMetadata({ summary }: OpenedModel): Record<string, string> {
  const chosen = summary.metadata["microbatch.encoder"];
  return chosen === undefined ? {} : { "microbatch.encoder": chosen };
}

/** The target that is asked for, or the only one of the model. */
function targetOf({ file, schema }: OpenedModel, path: string, { target = [] }: FinetuneFlags): string {
  const own = schema?.targets.map(({ name }) => name) ?? [];
  const [name] = target.length > 0 ? target : own;
  if (target.length <= 1 && name !== undefined && (target.length === 1 || own.length === 1)) return name;
  return fail("--target", {
    expected: "one column to predict",
    got:
      target.length > 1
        ? target.join(", ")
        : own.length > 1
          ? `none, and ${file} has ${own.join(", ")}`
          : "none",
    fix: `microbatch finetune ${file} ${path} --target <column>`,
  });
}

/** The table, by the columns of a model that a table made. isSame: whether the model's own target is this one, with its classes. */
async function tableFor(
  model: OpenedModel,
  path: string,
  target: string,
  flags: FinetuneFlags,
): Promise<{ readonly table: Table; readonly isSame: boolean }> {
  const { schema } = model;
  if (schema !== undefined) requireReadable(model, schema, target, flags);
  const own = schema?.targets.find(({ name }) => name === target);
  const task = flags.task ?? own?.task;
  const weight = flags.weight === undefined ? {} : { weight: flags.weight };
  const first = await readTable(
    path,
    {
      target: [target],
      ...(task !== undefined && { task }),
      ...keptOf(flags),
      ...(flags.ignore !== undefined && { ignore: flags.ignore }),
      ...weight,
      ...cleaningOf(flags),
      ...dialectOf(flags),
    },
    flags.cache,
  );
  if (schema === undefined) return { table: first, isSame: true };
  const [found] = first.schema.targets;
  const keepsHead = flags.head !== "new" && flags.features === undefined; // a new one may tell fewer classes apart
  const isSame =
    own !== undefined &&
    schema.targets.length === 1 &&
    isWithin(found!, own) &&
    (keepsHead || isWithin(own, found!));
  const like = { features: schema.features, targets: [isSame ? own : found!] };
  const options = { like, ...weight, ...cleaningOfSecond(flags), ...dialectOf(flags) };
  return { table: await readTable(path, options, flags.cache), isSame };
}

/** Every class of a table's target is one of the model's. */
function isWithin(found: TargetColumn, own: TargetColumn): boolean {
  if (found.task === "regression" || own.task === "regression") return found.task === own.task;
  return found.categories.every((category) => own.categories.includes(category));
}

/** A model's columns are read as its file says, and no others. */
function requireReadable(
  { file, summary }: OpenedModel,
  { features }: TableSchema,
  target: string,
  flags: FinetuneFlags,
): void {
  if (Object.hasOwn(summary.metadata, "microbatch.texts")) {
    fail(file, {
      expected: "a model of numbers, categories and dates",
      got: "one that reads a column of texts",
      fix: "train it on the new table: microbatch train",
    });
  }
  for (const [flag, given] of Object.entries({
    "--group": flags.group,
    "--time": flags.time,
    "--type": flags.type,
    "--ignore": flags.ignore,
  })) {
    if (given === undefined) continue;
    fail(flag, {
      expected: "a model that says nothing of its columns",
      got: "one that a table made, whose columns are read as it says",
      fix: `leave ${flag} out`,
    });
  }
  if (!features.some((feature) => sourceOf(feature) === target)) return;
  fail("--target", {
    expected: "a column that the model does not read",
    got: `"${target}", one of its features`,
    fix: `name one beside ${features.map(sourceOf).join(", ").slice(0, 200)}`,
  });
}

/** How samples go into the file. */
interface Entrance {
  readonly shapes: FedShapes;
  feedOf(fitted: TableStatistics): (row: Row) => Fed;
  readonly words: string;
}

/** The encoder's features, or the columns themselves where all of them are numbers. */
function columnsEntrance(model: OpenedModel, schema: TableSchema): Entrance {
  const { file, encoder, graph } = model;
  const columns = schema.features.map(({ name }) => name);
  const words = `${columns.length} columns of the model: ${listed(columns)}`;
  if (encoder !== undefined && readableOutputs(model).length > 0) {
    const { name, width, encode } = encoder;
    return { shapes: { [name]: ["batch", width] }, feedOf: () => (row) => ({ [name]: encode(row) }), words };
  }
  const inputs = graph.inputs.map(({ name }) => name);
  const known = new Set(
    schema.features.flatMap(({ kind, name, ofDate }) => (kind === "number" && !ofDate ? [name] : [])),
  );
  const other = graph.inputs.find(({ name }) => !known.has(name));
  if (other !== undefined) {
    const isImage = other.shape.length === 4;
    fail(`${file}, input "${other.name}"`, {
      expected: "columns that the encoder of train reads, its categories one-hot and no texts among them",
      got: `${other.dtype} [${other.shape.join(", ")}], which is read in another way`,
      fix: isImage
        ? "name a folder of images"
        : "write a plan: initialWeights begins with the weights that saveSafetensors keeps",
    });
  }
  const shapes = Object.fromEntries(inputs.map((name) => [name, ["batch", 1] as const]));
  const feed = (row: Row) => Object.fromEntries(inputs.map((name) => [name, row[name]!]));
  return { shapes, feedOf: () => feed, words };
}

/** The table's numbers, column after column, are the matrix. */
function matrixEntrance({ file, graph }: OpenedModel, { schema }: Table): Entrance {
  const input = graph.inputs.find(({ dtype, shape }) => /^b?float/.test(dtype) && shape.length >= 2);
  const sizes = input?.shape.slice(1) ?? [];
  if (input === undefined || !sizes.every((size) => typeof size === "number")) {
    return fail(file, {
      expected: "an input of numbers [N, features]",
      got: graph.inputs
        .map(({ name, dtype, shape }) => `"${name}" ${dtype} [${shape.join(", ")}]`)
        .join(", "),
      fix: "name a folder of images for a model of images, or write a plan with loadOnnx",
    });
  }
  const columns = schema.features.map(({ name }) => name);
  const category = schema.features.find(({ kind }) => kind === "category");
  if (category !== undefined) {
    fail(`${file}, column "${sourceOf(category)}"`, {
      expected: "numbers, which the model takes",
      got: category.ofDate === undefined ? "categories" : "dates",
      fix: `--ignore "${sourceOf(category)}", or write its codes as numbers: --type "${sourceOf(category)}=number"`,
    });
  }
  const width = elementCount(sizes.map(Number));
  if (columns.length !== width) {
    fail(file, {
      expected: `a table of ${width} columns of numbers beside the target, for "${input.name}" [${input.shape.join(", ")}]`,
      got: `${columns.length}: ${listed(columns)}`,
      fix:
        columns.length > width
          ? "leave some out: --ignore <column>"
          : "add columns; constant ones are left out when a table is read",
    });
  }
  const shape: Shape = ["batch", ...sizes.map(Number)];
  return {
    shapes: { [input.name]: shape },
    feedOf: (fitted) => (row) => ({
      [input.name]: reshape(
        filled(
          columns.map((name) => row[name]!),
          fitted,
        ),
        shape,
      ),
    }),
    words: `${width} columns as "${input.name}", in this order: ${listed(columns)}; missing ones are the training samples' mean`,
  };
}

/** [batch, columns], the means where numbers are missing: the model has never seen a NaN. */
function filled(columns: readonly Tensor[], { features }: TableStatistics): Tensor {
  const means = features.map((feature) => (feature.kind === "number" ? feature.mean : 0));
  const values = concat(columns);
  return where(isNan(values), constant(float32(means, [1, means.length])), values);
}

const listed = (names: readonly string[]) =>
  names.length <= 8 ? names.join(", ") : `${names.slice(0, 7).join(", ")} and ${names.length - 7} more`;
