/** A table and flags → a job: read, split, profiled, and the default plan for it. */
import { statisticsToMetadata, type TableStatistics } from "../../array/schema.ts";
import type { Dataset } from "../../data/dataset.ts";
import { allSamples, withWeight } from "../../data/samples.ts";
import { countBeyond, statistics } from "../../data/statistics.ts";
import type { EncodedTexts, Table, TableData, TargetOptions } from "../../data/table/table.ts";
import { fail } from "../../errors.ts";
import { clipLimits, type EncoderOptions } from "../../nn/index.ts";
import type { Plan } from "../../train/plan.ts";
import { cleaningOf, cleaningOfSecond } from "../cleaning.ts";
import { dialectOf } from "../dialect.ts";
import { typesWithoutTexts } from "../options.ts";
import { isSameFile } from "../out.ts";
import { categoryNames, defaultBatchSize, scaleNames, type TrainFlags, tableDefaults } from "./flags.ts";
import type { Head } from "./heads.ts";
import type { Encoding, Job, Verdict } from "./job.ts";
import { optimizerOf, overridesOf, samplingOf, stopRulesOf } from "./plan-flags.ts";
import { readTable } from "./read-table.ts";
import { metricName, requireOneTarget, type TableModel, tableModel } from "./table-plan.ts";
import { textStatistics, textsLike, textsOf } from "./table-texts.ts";
import { describeParts, describeTable, describeUnseen, limitLines, textLines } from "./table-words.ts";

/** Reads the table and makes the plan of the main job. Throws for what is wrong with the table or the flags. */
export async function tableJob(path: string, flags: TrainFlags): Promise<Job> {
  const targets = flags.target ?? [];
  if (targets.length === 0) {
    fail("--target", {
      expected: "the column to predict",
      got: "none",
      fix: `microbatch train ${path} --target <column>`,
    });
  }
  if (flags.classWeights !== undefined) requireOneTarget(targets);
  checkSizes(flags);
  requireOneDivision(flags);
  await requireOtherFiles(path, flags);
  const texts = await textsOf(path, flags);
  const all = await readTable(
    path,
    {
      target: targets,
      ...(flags.task !== undefined && { task: flags.task }),
      ...keptOf(flags),
      ...(Object.keys(texts).length > 0 && { texts }),
      ...(flags.ignore !== undefined && { ignore: flags.ignore }),
      ...(flags.weight !== undefined && { weight: flags.weight }),
      ...cleaningOf(flags),
      ...dialectOf(flags),
    },
    flags.cache,
  );
  const parts = await partsOf(all, flags, texts);
  await requireWeights(parts);
  const fitted = await statistics(parts.training);
  requireEveryClass(fitted, flags);
  const fittedTexts = await inOrder(Object.keys(texts), (name) => textStatistics(parts.training, name));
  const encoding = encodingOf(flags);
  const shaped = tableModel(fitted, {
    encoding,
    texts: fittedTexts,
    hidden: hiddenOf(flags),
    dropout: flags.dropout ?? tableDefaults.dropout,
    isBalanced: flags.classWeights === "balanced",
  });
  const sampler = await samplingOf(flags, parts.training);
  const chosen: Encoding = {
    ...encoding,
    limited: await countBeyond(parts.training, clipLimits(fitted, encoding)),
  };
  const isChosen = Object.keys(encoding).length > 0;
  return {
    plan: { ...planOf(parts, shaped, flags), ...sampler } as unknown as Plan, // see Job.plan
    description: [
      ...describeTable(path, all, fitted, shaped.heads),
      ...textLines(fittedTexts, all.report),
      ...limitLines(chosen),
      ...describeUnseen(path, parts),
      describeParts(parts, hiddenOf(flags)),
    ],
    task: shaped.heads.length === 1 ? shaped.heads[0]!.task : "several",
    verdicts: shaped.heads.map((head) => verdictOf(head, shaped.heads.length === 1)),
    ...(parts.test !== undefined && { test: parts.test }),
    ...(isChosen && { encoding: chosen }),
    metadata: {
      ...statisticsToMetadata(fitted),
      ...(isChosen && { "microbatch.encoder": JSON.stringify(chosen) }),
    },
  };
}

async function inOrder<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}

/** The encoder's options that were given. */
function encodingOf({ scale, clipFeatures, categories }: TrainFlags): EncoderOptions {
  if (clipFeatures !== undefined && (scale === "min-max" || scale === "none")) {
    fail("--clip-features", {
      expected: "numbers that are measured in deviations",
      got: `--scale ${scale}`,
      fix: "leave one of them out",
    });
  }
  return {
    ...(scale !== undefined && { numbers: scaleNames[scale] }),
    ...(clipFeatures !== undefined && { clip: clipFeatures }),
    ...(categories !== undefined && { categories: categoryNames[categories] }),
  };
}

/** In the words of the command line; the plan would say it too, in its own. */
export function checkSizes(flags: TrainFlags): void {
  const { batchSize, microbatchSize, hidden, dropout } = flags;
  const { validation = { share: tableDefaults.validation }, test } = flags;
  if (test !== undefined && "share" in test && "share" in validation && test.share + validation.share >= 1) {
    fail("--test", {
      expected: "less than --validation leaves, so that rows to train on are left",
      got: `${validation.share} to validate and ${test.share} to test`,
      fix: "for example --validation 0.2 --test 0.2",
    });
  }
  if (batchSize !== undefined && microbatchSize !== undefined && microbatchSize > batchSize) {
    fail("--microbatch-size", {
      expected: `at most --batch-size (${batchSize})`,
      got: String(microbatchSize),
      fix: "a batch is one or more microbatches: lower --microbatch-size or raise --batch-size",
    });
  }
  if (dropout !== undefined && dropout > 0 && hidden?.length === 0) {
    fail("--dropout", {
      expected: "hidden layers, which it thins out",
      got: "--hidden none",
      fix: "leave --dropout out, or give --hidden sizes",
    });
  }
}

/** What a model was trained on cannot judge it, nor can what has chosen its weights. */
export async function requireOtherFiles(path: string, { validation, test }: TrainFlags): Promise<void> {
  const seen = [{ what: "the training table", file: path }];
  for (const [flag, held] of Object.entries({ "--validation": validation, "--test": test })) {
    if (held === undefined || !("file" in held)) continue;
    for (const { what, file } of seen) {
      if (!(await isSameFile(held.file, file))) continue;
      fail(flag, {
        expected: `rows of their own: another file than ${what}`,
        got: held.file === file ? file : `${held.file}, which is ${file}`,
        fix: `name another file, or hold a share of the table out: ${flag} 0.2`,
      });
    }
    seen.push({ what: flag, file: held.file });
  }
}

const hiddenOf = (flags: TrainFlags) => flags.hidden ?? tableDefaults.hidden;

/** Who trains, who decides when to stop, and who judges. */
export interface Parts {
  readonly training: TableData;
  readonly validation: TableData;
  readonly test?: TableData;
}

/** Columns that rows are divided or drawn by are no features; what they are drawn by is a number. */
export function keptOf({ group, time, sampling, type }: TrainFlags): Pick<TargetOptions, "keep" | "types"> {
  const drawn = sampling?.how === "weighted" ? sampling.column : undefined;
  const keep = [group, time, drawn].filter((name) => name !== undefined);
  const types = {
    ...typesWithoutTexts(type ?? {}),
    ...(drawn !== undefined && { [drawn]: "number" as const }),
  };
  return { ...(keep.length > 0 && { keep }), ...(Object.keys(types).length > 0 && { types }) };
}

/** Rows are divided in one way, and where none are held out by a share there is nothing to divide. */
export function requireOneDivision({ group, time, validation, test }: TrainFlags): void {
  if (group === undefined && time === undefined) return;
  const flag = group === undefined ? "--time" : "--group";
  if (group !== undefined && time !== undefined) {
    fail("--time", {
      expected: "one way to divide the rows",
      got: "--group too",
      fix: "leave one of them out",
    });
  }
  const isShare = [validation, test].some((held) => held !== undefined && "share" in held);
  if (validation === undefined || isShare) return;
  fail(flag, {
    expected: "a share of the rows to hold out",
    got: "files to judge by",
    fix: `leave ${flag} out, or give --validation a share`,
  });
}

/** A part may be a share of the table, drawn with the seed, or a file of its own with the table's columns. */
export async function partsOf(all: Table, flags: TrainFlags, texts: EncodedTexts = {}): Promise<Parts> {
  const { validation = { share: tableDefaults.validation }, test } = flags;
  const classes = all.schema.targets.find(({ task }) => task === "classification");
  const { seed = tableDefaults.seed, group, time } = flags;
  const divide = async (shares: { readonly validation: number; readonly test?: number }) => {
    if (group !== undefined) return all.splitByGroup(group, { ...shares, seed });
    if (time !== undefined) return all.splitByTime(time, shares);
    return all.split({ ...shares, ...(classes !== undefined && { stratify: classes.name }), seed });
  };
  const read = (file: string) =>
    readTable(
      file,
      {
        like: all.schema,
        ...(Object.keys(texts).length > 0 && { texts: textsLike(texts, all) }),
        ...(flags.weight !== undefined && { weight: flags.weight }),
        ...cleaningOfSecond(flags),
        ...dialectOf(flags),
      },
      flags.cache,
    );
  if ("share" in validation) {
    const testShare = test !== undefined && "share" in test ? { test: test.share } : {};
    const split = await divide({ validation: validation.share, ...testShare });
    return test !== undefined && "file" in test ? { ...split, test: await read(test.file) } : split;
  }
  const judged = await read(validation.file);
  if (test === undefined) return { training: all, validation: judged };
  if ("file" in test) return { training: all, validation: judged, test: await read(test.file) };
  const split = await divide({ validation: test.share }); // the table gives one part beside the training samples: the test
  return { training: split.training, validation: judged, test: split.validation };
}

/**
 * A part in which every row has weight 0 judges nothing: its metrics are no numbers, and nothing would ever
 * improve.
 */
export async function requireWeights({ training, validation, test }: Parts): Promise<void> {
  const parts = [
    ["train on", training],
    ["validate", validation],
    ["test", test],
  ] as const;
  for (const [use, part] of parts) {
    if (part === undefined || (await withWeight(part, allSamples(part))).length > 0) continue;
    fail("--weight", {
      expected: `a row of weight above 0 to ${use}`,
      got: `0 in all ${part.size} of ${part.name}`,
      fix: "take another --seed or a larger share, or leave --weight out",
    });
  }
}

/** The classes of the first target come into every part, but their weight may be 0 there; those of others may not. */
export function requireEveryClass(
  { targets }: TableStatistics,
  { weight }: TrainFlags,
  otherwise = "",
): void {
  for (const target of targets) {
    if (target.task === "regression") continue;
    const lacking = target.counts.indexOf(0);
    if (lacking < 0) continue;
    fail(`target "${target.name}"`, {
      expected: "rows of every class to train on",
      got: `none of "${target.categories[lacking]}"${weight === undefined ? "" : " with a weight above 0"}`,
      fix: `add rows of that class, remove those there are, or take another --seed${otherwise}`,
    });
  }
}

function planOf(
  { training, validation }: Parts,
  { model, loss, metrics, serve, baseline }: TableModel,
  flags: TrainFlags,
): Plan<Dataset["columns"], ReturnType<TableModel["model"]>> {
  const { microbatchSize } = flags;
  const decided = Math.max(defaultBatchSize(training.size), microbatchSize ?? 1);
  const batchSize = Math.min(flags.batchSize ?? decided, training.size);
  const stepsPerEpoch = Math.ceil(training.size / batchSize);
  const isByLength = flags.epochs !== undefined || flags.steps !== undefined;
  const epochs = flags.epochs ?? tableDefaults.epochs;
  const steps = flags.steps ?? epochs * stepsPerEpoch;
  return {
    data: training,
    model,
    loss,
    serve,
    baseline,
    optimizer: optimizerOf(flags.optimizer ?? tableDefaults.optimizer, flags, steps),
    ...overridesOf({ seed: tableDefaults.seed, ...flags }),
    batchSize,
    ...(microbatchSize !== undefined && { microbatchSize: Math.min(microbatchSize, batchSize) }),
    validation: { data: validation, metrics },
    stop: stopRulesOf({
      ...flags,
      patience: flags.patience ?? tableDefaults.patience,
      ...(!isByLength && { epochs }),
    }),
  };
}

function verdictOf(head: Head, isOnly: boolean): Verdict {
  return {
    metric: metricName(head, head.headline, isOnly),
    better: head.task === "regression" ? "lower" : "higher",
    baselineWords: head.baselineWords,
  };
}
