/** microbatch verify of a model file, whoever has made it: what is read is what is there, and a row's answer is its own. */
import type { AnyArray } from "../array/array.ts";
import { rawRows } from "../data/table/raw-rows.ts";
import { fail, MicrobatchError } from "../errors.ts";
import { buildProgram } from "../graph/program.ts";
import { encodeOnnx } from "../onnx/encode.ts";
import { nodeRuntime } from "../runtime/ort-node.ts";
import type { Session } from "../runtime/runtime.ts";
import { loadModel, type RawColumns } from "../train/saved-model.ts";
import { type Certificate, verify } from "../train/verify.ts";
import { type Check, VerifyClock } from "../train/verify-check.ts";
import { answerGap, limitOfAnswers } from "../train/verify-saved.ts";
import { dialectOf } from "./dialect.ts";
import { modelRows, tableInputs } from "./model-rows.ts";
import { tableInput } from "./table-input.ts";
import { type OpenedModel, openModel } from "./training/finetune-open.ts";
import { openedWith, readableOutputs } from "./training/finetune-reach.ts";
import { imageFlags, tableFlags, textFlags } from "./training/flags.ts";
import { refuseFlags } from "./training/job-flags.ts";
import type { VerifyFlags } from "./verify.ts";
import { type Fed, filePlan, firstRows, madeUp, rawMadeUp, withUnread } from "./verify-made-up.ts";

/** Sizes of batches that must give the same rows. */
const batchSizes = [1, 2, 7] as const;

/** Tries a file: read and written again, in batches of several sizes, and trained on made-up numbers where it can be. */
export async function verifyFile(
  path: string,
  table: string | undefined,
  flags: VerifyFlags,
  seconds: number,
): Promise<Certificate> {
  const { dialect, ...others } = flags;
  const dataFlags = { ...tableFlags, ...imageFlags, ...textFlags };
  refuseFlags(table === undefined ? flags : others, dataFlags, {
    expected: "a table or a plan, whose data it is about",
    got: `the model file ${path}`,
    fix: (flag) => `leave ${flag} out`,
  });
  const clock = new VerifyClock(seconds);
  const model = await openModel(path);
  const rows = table === undefined ? rawMadeUp(model) : await rowsOf(path, table, flags);
  const own = [await checkEncoding(model), await checkBatches(model, rows)];
  const plan = filePlan(model);
  if (typeof plan === "string") return withoutTraining(path, own, clock, plan);
  const certificate = await verify(plan, {
    seconds: Math.max(1, clock.left),
    ...(flags.threads !== undefined && { threads: flags.threads }),
  });
  const checks = [...own, ...certificate.checks.filter(({ name }) => name !== "kill")];
  return {
    ...certificate,
    data: { ...certificate.data, name: "made-up numbers" },
    holds: checks.every(({ holds }) => holds !== false),
    checks,
    seconds: clock.seconds,
  };
}

async function withoutTraining(
  path: string,
  own: readonly Check[],
  clock: VerifyClock,
  why: string,
): Promise<Certificate> {
  const { name, version, processor } = await nodeRuntime();
  const splits: Check = { name: "splits", holds: "skipped", measured: {}, limit: null, why };
  return {
    holds: own.every(({ holds }) => holds !== false),
    checks: [...own, splits],
    data: { name: path, samples: batchSizes.at(-1)! },
    parameters: 0,
    batch: { samples: batchSizes.at(-1)!, microbatchSizes: batchSizes, lanes: 0 },
    backend: { name, version, processor },
    seconds: clock.seconds,
  };
}

/** The first rows of a table, as the model takes them. */
async function rowsOf(path: string, table: string, flags: VerifyFlags): Promise<RawColumns> {
  const model = await loadModel(path);
  try {
    const inputs = tableInputs(path, model);
    for await (const piece of rawRows(await tableInput(table), { ...inputs, ...dialectOf(flags) }))
      return await modelRows(inputs, piece);
  } finally {
    await model.close();
  }
  return fail(table, { expected: "rows", got: "none", fix: "name a table with rows" });
}

/** The file, read into our tensors and written again, beside the file itself. */
async function checkEncoding(model: OpenedModel): Promise<Check> {
  const name = "encoding";
  const skipped = (why: string): Check => ({
    name,
    holds: "skipped",
    measured: {},
    limit: limitOfAnswers,
    why,
  });
  const outputs = readableOutputs(model);
  if (outputs.length === 0)
    return skipped("no output of numbers is computed by operators that are known here");
  try {
    const traced = openedWith(model, { outputs });
    if (traced instanceof MicrobatchError) return skipped(traced.message);
    const names = traced.read.outputs.map((output) => output.name);
    const made = Object.fromEntries(names.map((output, index) => [output, traced.made[index]!]));
    const program = buildProgram({ name: "model", outputs: made });
    const feeds = madeUp(traced.read.inputs, batchSizes.at(-1)!);
    if (typeof feeds === "string") return skipped(feeds);
    const fed = Object.fromEntries(program.inputs.map((input) => [input.name, feeds[input.name]!]));
    const own = await answersOf(model.bytes, withUnread(model, feeds, batchSizes.at(-1)!));
    const again = await answersOf(encodeOnnx(program), fed);
    const measured = Object.fromEntries(
      names.map((output) => [output, answerGap(own[output]!, again[output])]),
    );
    return judged(name, measured, {
      holds: "read here and written again, the file gives the same outputs",
      fails: "read here and written again, the file gives other outputs",
    });
  } catch (error) {
    // What cannot be read, or run on made-up numbers, is told: it says nothing against the file.
    if (!(error instanceof MicrobatchError)) throw error;
    return skipped(error.message);
  }
}

/** Rows alone, in twos and in sevens. */
async function checkBatches(model: OpenedModel, rows: RawColumns | undefined): Promise<Check> {
  const name = "batches";
  const skipped = (why: string): Check => ({
    name,
    holds: "skipped",
    measured: {},
    limit: limitOfAnswers,
    why,
  });
  try {
    const answers = rows === undefined ? await madeUpAnswers(model) : await answersToRows(model.file, rows);
    if (typeof answers === "string") return skipped(answers);
    const [alone, , most] = answers;
    const measured: Record<string, number> = {};
    batchSizes.slice(0, -1).forEach((size, index) => {
      const gaps = Object.entries(most!).map(([output, array]) =>
        answerGap(answers[index]![output]!, firstRows(array, size)),
      );
      measured[`batches of ${size}`] = Math.max(...gaps);
    });
    const isByRow = Object.values(alone!).every(({ shape }) => shape[0] === 1);
    if (!isByRow) return skipped("its outputs have not one row for each of its rows");
    return judged(name, measured, {
      holds: `a row has the same answer in batches of ${batchSizes.join(", ")}`,
      fails: "a row's answer depends on the rows beside it: the model looks at the whole batch",
    });
  } catch (error) {
    if (!(error instanceof MicrobatchError)) throw error; // as above
    return skipped(error.message);
  }
}

type Answers = Readonly<Record<string, AnyArray>>;

async function madeUpAnswers(model: OpenedModel): Promise<Answers[] | string> {
  const traced = openedWith(model, { outputs: readableOutputs(model) });
  const inputs = traced instanceof MicrobatchError ? model.graph.inputs : traced.read.inputs;
  const fixed = model.graph.inputs.find(({ shape }) => typeof shape[0] === "number");
  if (fixed !== undefined)
    return `the file takes ${fixed.shape[0]} at a time: "${fixed.name}" [${fixed.shape.join(", ")}]`;
  const feeds = madeUp(inputs, batchSizes.at(-1)!);
  if (typeof feeds === "string") return feeds;
  return withSession(model.bytes, async (session) => {
    const answers: Answers[] = [];
    for (const size of batchSizes) {
      const fed = Object.entries(feeds).map(([name, array]) => [name, firstRows(array, size)] as const);
      answers.push(await session.bind(withUnread(model, Object.fromEntries(fed), size)).run());
    }
    return answers;
  });
}

async function answersToRows(path: string, rows: RawColumns): Promise<Answers[]> {
  const model = await loadModel(path);
  try {
    const answers: Answers[] = [];
    for (const size of batchSizes) {
      const first = Object.entries(rows).map(
        ([name, values]) => [name, Array.from(values).slice(0, size)] as const,
      );
      answers.push(await model.predict(Object.fromEntries(first)));
    }
    return answers;
  } finally {
    await model.close();
  }
}

const answersOf = (bytes: Uint8Array, feeds: Fed): Promise<Answers> =>
  withSession(bytes, (session) => session.bind(feeds).run());

async function withSession<Result>(
  bytes: Uint8Array,
  work: (session: Session) => Promise<Result>,
): Promise<Result> {
  const session = await (await nodeRuntime()).load("model", bytes);
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

function judged(
  name: Check["name"],
  measured: Readonly<Record<string, number>>,
  words: { readonly holds: string; readonly fails: string },
): Check {
  const worst = Math.max(...Object.values(measured));
  const holds = worst <= limitOfAnswers;
  const gap = worst === 0 ? "to the last bit" : `to ${worst.toExponential(1)} of the largest`;
  const why = holds
    ? `${words.holds}, ${gap}`
    : `${words.fails}, by ${worst.toExponential(1)} of the largest`;
  return { name, holds, measured, limit: limitOfAnswers, why };
}
