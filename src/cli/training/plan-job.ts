/** A plan file and flags → a job: flags override the plan's fields. */
import type { Dataset } from "../../data/dataset.ts";
import { fail } from "../../errors.ts";
import type { Optimizer } from "../../optim/index.ts";
import { placeholders } from "../../train/placeholders.ts";
import type { Plan } from "../../train/plan.ts";
import { type TrainFlags, tableFlags } from "./flags.ts";
import type { Job, Verdict } from "./job.ts";
import { refuseFlags } from "./job-flags.ts";
import { loadPlan } from "./plan-file.ts";
import { optimizerOf, overridesOf, samplingOf, scheduleOf, stopRulesOf } from "./plan-flags.ts";
import { readTable } from "./read-table.ts";

/** Loads the plan and applies the flags. Throws for flags that only a table takes. */
export async function planJob(path: string, flags: TrainFlags): Promise<Job> {
  refuseFlags(flags, tableFlags, {
    expected: "a table, whose columns it is about",
    got: `the plan file ${path}`,
    fix: () => "say it in the plan",
  });
  const written = await loadPlan(path);
  const plan: Plan = {
    ...written,
    ...overridesOf(flags),
    ...(await samplingOf(flags, written.data)),
    ...stopOf(flags),
    ...optimizerFlags(written, flags),
  };
  const test = await testOf(plan, flags);
  const target = plan.data.schema?.targets.length === 1 ? plan.data.schema.targets[0] : undefined;
  return {
    plan,
    description: [
      `${path}: ${plan.data.size.toLocaleString("en-US")} samples of ${plan.data.name}` +
        (plan.validation === undefined
          ? ""
          : `; ${plan.validation.data.size.toLocaleString("en-US")} to validate`),
    ],
    task: target === undefined ? "plan" : taskOf(target),
    verdicts: verdictsOf(plan),
    ...(test !== undefined && { test }),
    metadata: {},
  };
}

/** A table of its own, read by the columns of the plan's: the plan has divided its samples already. */
async function testOf({ data }: Plan, { test, cache }: TrainFlags): Promise<Dataset | undefined> {
  if (test === undefined) return undefined;
  if ("share" in test) {
    fail("--test", {
      expected: "a table of its own, since a plan divides its samples itself",
      got: `the share ${test.share}`,
      fix: "name a file, or divide the samples in the plan",
    });
  }
  const { schema, weight } = data;
  if (schema === undefined) {
    fail("--test", {
      expected: "a plan that trains on a table, by whose columns another can be read",
      got: `one that trains on ${data.name}`,
      fix: "judge in the plan: (await fit(plan)).evaluate(test)",
    });
  }
  return readTable(test.file, { like: schema, ...(weight !== undefined && { weight }) }, cache);
}

function taskOf(target: NonNullable<Plan["data"]["schema"]>["targets"][number]): string {
  if (target.task === "regression") return "regression";
  return target.categories.length === 2 ? "binary" : "multi-class";
}

/** Rules given as flags take the place of the plan's, all together. */
function stopOf(flags: TrainFlags): Partial<Plan> {
  const rules = stopRulesOf(flags);
  return rules.length === 0 ? {} : { stop: rules };
}

/** A rate or a schedule alone leaves the plan's rule as it is. */
function optimizerFlags(plan: Plan, flags: TrainFlags): Partial<Plan> {
  const { optimizer, learningRate, schedule, weightDecay, epochs, steps } = flags;
  const batchSize = flags.batchSize ?? plan.batchSize ?? 32;
  const length = steps ?? (epochs === undefined ? undefined : epochs * Math.ceil(plan.data.size / batchSize));
  if (schedule !== undefined && schedule !== "constant" && length === undefined) {
    fail("--schedule", {
      expected: "--steps or --epochs, over which it falls",
      got: "neither",
      fix: `add --epochs to --schedule ${schedule}`,
    });
  }
  if (optimizer !== undefined) return { optimizer: optimizerOf(optimizer, flags, length ?? 1) };
  if (weightDecay !== undefined) {
    fail("--weight-decay", {
      expected: "--optimizer, since a plan's own rule decays as it was made",
      got: "none",
      fix: `for example --optimizer adamw --weight-decay ${weightDecay}`,
    });
  }
  if (learningRate === undefined && schedule === undefined) return {};
  const rate = scheduleOf(flags, learningRate ?? plan.optimizer.learningRate(0), length ?? 1);
  const options = { ...plan.optimizer.options, learningRate: rate.description ?? "custom" };
  return { optimizer: { ...plan.optimizer, learningRate: rate, options } satisfies Optimizer };
}

/** The plan's first metric, or its loss, is what it is about. */
function verdictsOf({ data, validation, baseline }: Plan): Verdict[] {
  if (validation === undefined || baseline === undefined) return [];
  const baselineWords = "the plan's own";
  const [first] = Object.entries(validation.metrics ?? {});
  if (first === undefined) return [{ metric: "loss", better: "lower", baselineWords }];
  const [metric, make] = first;
  const row = placeholders(data);
  return [{ metric, better: make(baseline(row), row).better, baselineWords }];
}
