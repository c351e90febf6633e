/** A folder of images by class and flags → a job. */
import { type ClassificationStatistics, schemaToMetadata, statisticsToMetadata } from "../../array/schema.ts";
import { readColumn } from "../../data/column.ts";
import type { Dataset } from "../../data/dataset.ts";
import { images } from "../../data/images/images.ts";
import { split } from "../../data/split.ts";
import type { Plan } from "../../train/plan.ts";
import { defaultBatchSize, type TrainFlags, tableDefaults, tableFlags } from "./flags.ts";
import { imageModel, standardAugmentation } from "./image-plan.ts";
import type { Job } from "./job.ts";
import { heldShares, refuseFlags, stopRulesWithin } from "./job-flags.ts";
import { optimizerOf, overridesOf, samplingOf } from "./plan-flags.ts";

/** What an image's flags are where they are left out. */
const imageDefaults = { size: 64, epochs: 60, patience: 12, learningRate: 0.002, dropout: 0.2 } as const;

/** Flags of tables that images have too. */
const shared: readonly (keyof TrainFlags)[] = ["validation", "test", "classWeights", "dropout"];

/** Decodes the images and makes the plan. Throws for what is wrong with the folder, and for flags that only a table takes. */
export async function imageJob(folder: string, flags: TrainFlags): Promise<Job> {
  const proof = {
    expected: "a table, whose columns it is about",
    got: `the folder of images ${folder}`,
    fix: (flag: string) => `leave ${flag} out: the folders in it are the classes`,
  };
  refuseFlags(flags, tableFlags, proof, shared);
  const { imageSize: size = imageDefaults.size, seed = tableDefaults.seed } = flags;
  const all = await images(folder, { size: [size, size] });
  const { categories } = all.columns.class;
  const parts = split(all, {
    ...heldShares(flags, { what: "the images", share: tableDefaults.validation }),
    stratify: "class",
    seed,
  });
  const { training, validation } = parts;
  const classes = await classesOf(training, categories);
  const { dropout = imageDefaults.dropout } = flags;
  const shaped = imageModel(classes, { size, dropout, isBalanced: flags.classWeights === "balanced" });
  const { head, model, loss, serve, baseline } = shaped;
  const batchSize = Math.min(flags.batchSize ?? defaultBatchSize(training.size), training.size);
  const stepsPerEpoch = Math.ceil(training.size / batchSize);
  const epochs = flags.epochs ?? imageDefaults.epochs;
  const rate = { learningRate: flags.learningRate ?? imageDefaults.learningRate };
  const plan: Plan = {
    data: training as Dataset, // its columns by their names alone
    ...{ model, loss, serve, baseline },
    ...(flags.augment !== "none" && { augment: standardAugmentation(size) }),
    optimizer: optimizerOf(
      flags.optimizer ?? tableDefaults.optimizer,
      flags.optimizer === undefined ? { ...flags, ...rate } : flags,
      flags.steps ?? epochs * stepsPerEpoch,
    ),
    validation: { data: validation as Dataset, metrics: shaped.metrics },
    stop: stopRulesWithin(flags, imageDefaults),
    ...overridesOf({ ...flags, batchSize, seed }),
    ...(await samplingOf(flags, training)),
  };
  return {
    plan,
    description: [
      `${folder}: ${all.size.toLocaleString("en-US")} images`,
      `  classes   ${categories.length}: ${sharesInWords(classes)}`,
      `  images    made ${size} × ${size}, in colour${flags.augment === "none" ? "" : "; flipped and shifted at random while training"}`,
      `  training  ${shaped.words} on ${training.size.toLocaleString("en-US")} images; ` +
        `${validation.size.toLocaleString("en-US")} to validate${parts.test === undefined ? "" : `, ${parts.test.size.toLocaleString("en-US")} to test`}`,
    ],
    task: head.task,
    verdicts: [{ metric: head.headline, better: "higher", baselineWords: head.baselineWords }],
    ...(parts.test !== undefined && { test: parts.test as Dataset }),
    saved: "images in, predictions out",
    metadata: {
      ...schemaToMetadata({ features: [], targets: [{ task: "classification", name: "class", categories }] }),
      ...statisticsToMetadata({ samples: training.size, features: [], targets: [classes] }),
    },
  };
}

/** How many training images each class has. */
export async function classesOf(
  training: Dataset,
  categories: readonly string[],
): Promise<ClassificationStatistics> {
  const codes = await readColumn({
    where: "classes",
    data: training,
    column: "class",
    wanted: "classes",
    otherwise: "name a folder of folders",
  });
  const counts = categories.map(() => 0);
  for (const code of codes) counts[code]!++;
  return { task: "classification", name: "class", categories, counts };
}

/** "cat 60 %, dog 40 %". */
export function sharesInWords({ categories, counts }: ClassificationStatistics): string {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const told = categories.map((name, code) => `${name} ${Math.round((100 * counts[code]!) / total)} %`);
  return told.length > 6 ? `${told.slice(0, 5).join(", ")} and ${told.length - 5} more` : told.join(", ");
}
