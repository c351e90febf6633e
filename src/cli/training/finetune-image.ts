/** A model of images and a folder of them by class → a job. */
import { float32 } from "../../array/array.ts";
import { schemaToMetadata, statisticsToMetadata } from "../../array/schema.ts";
import type { Dataset } from "../../data/dataset.ts";
import { images } from "../../data/images/images.ts";
import { split } from "../../data/split.ts";
import { fail } from "../../errors.ts";
import { constant, type Tensor } from "../../graph/tensor.ts";
import type { OnnxValue } from "../../onnx/decode.ts";
import { cast, div, sub, transpose } from "../../ops/index.ts";
import type { FinetuneFlags, PixelName } from "./finetune-flags.ts";
import { findNetwork, networkFor } from "./finetune-network.ts";
import type { OpenedModel } from "./finetune-open.ts";
import { finetunedRecord, finetunePlan, finetuneVerdicts } from "./finetune-plan.ts";
import { type TrainFlags, tableDefaults, tableFlags } from "./flags.ts";
import { headOf } from "./heads.ts";
import { classesOf, sharesInWords } from "./image-job.ts";
import { standardAugmentation } from "./image-plan.ts";
import type { Job } from "./job.ts";
import { heldShares, refuseFlags } from "./job-flags.ts";

/** Flags of tables that images have too. */
const shared: readonly (keyof TrainFlags)[] = ["validation", "test", "classWeights"];

/** Decodes the images in the size that the model takes, and puts a head for their classes on it. */
export async function finetuneImages(model: OpenedModel, folder: string, flags: FinetuneFlags): Promise<Job> {
  refuseFlags(
    flags,
    tableFlags,
    {
      expected: "a table, whose columns it is about",
      got: `the folder of images ${folder}`,
      fix: (flag) => `leave ${flag} out: the folders in it are the classes`,
    },
    shared,
  );
  const input = imageInput(model, flags);
  const found = findNetwork(model, { [input.name]: input.shape }, flags);
  const { height, width, channels } = input;
  const all = await images(folder, { size: [height, width], channels });
  const { categories } = all.columns.class;
  const { seed = tableDefaults.seed } = flags;
  const parts = split(all, {
    ...heldShares(flags, { what: "the images", share: tableDefaults.validation }),
    stratify: "class",
    seed,
  });
  const classes = await classesOf(parts.training, categories);
  const head = headOf(classes, flags.classWeights === "balanced");
  const network = networkFor(found, head, hasClasses(model, categories), flags);
  const [training, validation] = [parts.training as Dataset, parts.validation as Dataset]; // their columns by their names alone
  const made = { training, validation, network, head };
  const plan = await finetunePlan(
    { ...made, feed: (row) => ({ [input.name]: input.prepared(row.image!) }) },
    flags,
  );
  const finetuned = finetunedRecord(model, network, flags);
  const count = (of: { readonly size: number }) => of.size.toLocaleString("en-US");
  return {
    plan: {
      ...plan,
      ...(flags.augment === "standard" && { augment: standardAugmentation(Math.min(height, width)) }),
    },
    description: [
      `${model.file}, on ${folder}: ${count(all)} images`,
      `  classes   ${categories.length}: ${sharesInWords(classes)}`,
      `  images    made ${height} × ${width}, ${channels === 1 ? "grey" : "in colour"}, ${input.words}` +
        (flags.augment === "standard" ? "; flipped and shifted at random while training" : ""),
      ...network.words,
      `  training  on ${count(training)} images; ${count(validation)} to validate` +
        (parts.test === undefined ? "" : `, ${count(parts.test)} to test`),
    ],
    task: head.task,
    finetuned,
    verdicts: finetuneVerdicts(head, network),
    ...(parts.test !== undefined && { test: parts.test as Dataset }), // as above
    saved: "images in, predictions out",
    metadata: {
      "microbatch.finetuned": JSON.stringify(finetuned),
      ...schemaToMetadata({ features: [], targets: [{ task: "classification", name: "class", categories }] }),
      ...statisticsToMetadata({ samples: training.size, features: [], targets: [classes] }),
    },
  };
}

/** False where the file says that its classes are others. */
function hasClasses({ schema }: OpenedModel, categories: readonly string[]): boolean {
  const [target] = schema?.targets ?? [];
  if (target === undefined) return schema === undefined;
  return target.task === "classification" && JSON.stringify(target.categories) === JSON.stringify(categories);
}

interface ImageInput {
  readonly name: string;
  readonly shape: readonly ["batch", number, number, number];
  readonly channels: 1 | 3;
  readonly height: number;
  readonly width: number;
  /** Bytes [batch, channels, height, width] → what the file takes. */
  prepared(image: Tensor): Tensor;
  /** How pixels are scaled. */
  readonly words: string;
}

function imageInput(model: OpenedModel, flags: FinetuneFlags): ImageInput {
  const input = model.graph.inputs.find(({ shape }) => shape.length === 4);
  const [, a, b, c] = input?.shape ?? [];
  const isFirst = a === 1 || a === 3;
  const channels = isFirst ? a : c;
  const isImage = input !== undefined && /^(b?float(16|32)?|uint8)$/.test(input.dtype);
  if (!isImage || (channels !== 1 && channels !== 3)) {
    return fail(model.file, {
      expected:
        "an image as input: [N, channels, height, width] or [N, height, width, channels] of 1 or 3 channels",
      got: model.graph.inputs
        .map(({ name, dtype, shape }) => `"${name}" ${dtype} [${shape.join(", ")}]`)
        .join(", "),
      fix: "name a table for a model of numbers, or write a plan with loadOnnx",
    });
  }
  const [height, width] = (isFirst ? [b, c] : [a, b]).map((size, axis) =>
    pixelsOf(model, input, size, axis, flags),
  );
  const shape = isFirst
    ? (["batch", channels, height!, width!] as const)
    : (["batch", height!, width!, channels] as const);
  const isBytes = input.dtype === "uint8";
  if (isBytes && flags.pixels !== undefined) {
    fail("--pixels", {
      expected: "a model that takes numbers",
      got: `${model.file}, which takes bytes and scales them itself`,
      fix: "leave --pixels out",
    });
  }
  const { pixels = "0..1" } = flags;
  if (pixels === "imagenet" && channels === 1) {
    fail("--pixels imagenet", {
      expected: "a model of three colours, whose means it takes off",
      got: `${model.file}, which takes grey images`,
      fix: "for example --pixels 0..1",
    });
  }
  const prepared = (image: Tensor) => {
    const scaled = isBytes ? image : scales[pixels](cast(image, "float32"));
    return isFirst ? scaled : transpose(scaled, [0, 2, 3, 1]);
  };
  const words = isBytes ? "as bytes" : `pixels as ${pixelWords[pixels]} (--pixels ${pixels})`;
  return { name: input.name, shape, channels, height: height!, width: width!, prepared, words };
}

function pixelsOf(
  { file }: OpenedModel,
  { name }: OnnxValue,
  size: number | string | undefined,
  axis: number,
  { imageSize }: FinetuneFlags,
): number {
  const what = axis === 0 ? "height" : "width";
  if (typeof size === "number") {
    if (imageSize === undefined || imageSize === size) return size;
    return fail("--image-size", {
      expected: `the ${what} that ${file} takes, ${size}`,
      got: String(imageSize),
      fix: "leave --image-size out",
    });
  }
  if (imageSize !== undefined) return imageSize;
  return fail("--image-size", {
    expected: `the height and width of images, since ${file} leaves the ${what} of "${name}" open`,
    got: "none",
    fix: "for example --image-size 224",
  });
}

/** Means and deviations of ImageNet's colours, of pixels 0 … 1. Source: torchvision's models. */
const [means, deviations] = [
  [0.485, 0.456, 0.406],
  [0.229, 0.224, 0.225],
];
const perColour = (values: readonly number[]) => constant(float32(values, [3, 1, 1]));

const scales: Readonly<Record<PixelName, (pixels: Tensor) => Tensor>> = {
  "0..1": (pixels) => div(pixels, 255),
  "-1..1": (pixels) => sub(div(pixels, 127.5), 1),
  imagenet: (pixels) => div(sub(div(pixels, 255), perColour(means!)), perColour(deviations!)),
  "0..255": (pixels) => pixels,
};

const pixelWords: Readonly<Record<PixelName, string>> = {
  "0..1": "0 to 1",
  "-1..1": "−1 to 1",
  imagenet: "deviations from ImageNet's means",
  "0..255": "0 to 255",
};
