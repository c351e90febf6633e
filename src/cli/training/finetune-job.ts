/** microbatch finetune, from its flags to its job. */
import { fail } from "../../errors.ts";
import { isFolder } from "../image-rows.ts";
import { refuseTextModel } from "../text-model.ts";
import type { FinetuneFlags } from "./finetune-flags.ts";
import { openModel } from "./finetune-open.ts";
import type { Job } from "./job.ts";
import { runJob } from "./run.ts";

/** Trains a model file on a folder of images or a table, and saves what comes of it. */
export async function runFinetune(file: string, path: string, flags: FinetuneFlags): Promise<void> {
  await runJob([file, path], flags, () => jobOf(file, path, flags));
}

async function jobOf(file: string, path: string, flags: FinetuneFlags): Promise<Job> {
  if (flags.head === "keep" && flags.features !== undefined) {
    fail("--features", {
      expected: "a new head, which reads them",
      got: "--head keep",
      fix: "leave one of them out",
    });
  }
  const isImages = await isFolder(path);
  const model = await openModel(file);
  refuseTextModel(file, model.summary.metadata);
  return isImages
    ? (await import("./finetune-image.ts")).finetuneImages(model, path, flags)
    : (await import("./finetune-table.ts")).finetuneTable(model, path, flags);
}
