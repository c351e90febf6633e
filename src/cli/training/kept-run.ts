/** A run that is kept in a folder: where it lies, what is written there beside its checkpoints, and how it goes on. */
import { mkdir, rm, rmdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { failToAccess, makeFolder } from "../../data/files.ts";
import { MicrobatchError } from "../../errors.ts";
import { type EventLog, eventLog } from "../../report/log.ts";
import type { Checkpointing, CheckpointStore } from "../../train/checkpoint.ts";
import type { StartedEvent, TrainEvent } from "../../train/event.ts";
import { runFolder } from "../../train/run-folder.ts";
import { acquireLock } from "../../train/run-lock.ts";
import { type RecordedCommand, readCommand, runFiles, writeRunFile } from "../run-files.ts";
import { Course, courseAt } from "./course.ts";
import type { TrainFlags } from "./flags.ts";
import { goOnWords, withoutPasswords } from "./run-command.ts";
import { explainDifference } from "./run-difference.ts";

/** Where a run that has no name goes. */
const home = "runs";

/** One life of a run in a folder. */
export class KeptRun {
  readonly folder: string;
  /** Where the model goes unless --out says otherwise. */
  readonly model: string;
  readonly #flags: TrainFlags;
  readonly #command: RecordedCommand;
  /** What the folder said before this life. */
  readonly #before: RecordedCommand | undefined;
  /** Whether the folder was made for this run. */
  readonly #isNew: boolean;
  #log: EventLog | undefined;

  private constructor(
    folder: string,
    flags: TrainFlags,
    command: RecordedCommand,
    before: { readonly command: RecordedCommand | undefined; readonly isNew: boolean },
  ) {
    this.folder = folder;
    this.model = join(folder, runFiles.model);
    this.#flags = flags;
    this.#command = command;
    this.#before = before.command;
    this.#isNew = before.isNew;
  }

  /** Makes the folder; one without a name gets the time and the name of what is read. */
  static async open(
    flags: TrainFlags,
    inputs: readonly string[],
    words: readonly string[],
  ): Promise<KeptRun> {
    const now = new Date();
    const isNamed = typeof flags.run === "string";
    const made = isNamed ? await folderOf(flags.run) : await newFolder(now, inputs.at(-1)!);
    const before = made.isNew ? undefined : await readCommand(made.folder);
    const { run: _, ...others } = flags;
    const command = {
      words: withoutPasswords(words),
      inputs: withoutPasswords(inputs),
      flags: others,
      begun: before?.begun ?? now.toISOString(),
    };
    return new KeptRun(made.folder, flags, command, { command: before, isNew: made.isNew });
  }

  /** The plan's field: checkpoints as flags say. What is saved is told in the log, which a later life reads up to there. */
  get checkpoint(): Checkpointing {
    const { resume = false, resumeAnyway = false, checkpointEvery } = this.#flags;
    const store = runFolder(this.folder);
    const told: CheckpointStore = {
      name: store.name,
      open: () => store.open(),
      load: () => store.load(),
      close: () => store.close(),
      save: async (snapshot) => {
        await store.save(snapshot);
        // Before the checkpoint is sealed, which takes the disk and some turns of the event loop.
        this.#log?.append({ type: "saved", step: snapshot.state.step });
      },
    };
    return { store: told, ...checkpointEvery, resume: resumeAnyway ? "anyway" : resume };
  }

  /** How to go on with the run, to be typed. */
  get goOn(): string {
    return goOnWords(process.argv.slice(2), this.#flags, this.folder);
  }

  /** Begins to write, once the run has its folder to itself. The course so far, where the log knows it. */
  async begin(event: StartedEvent): Promise<Course | undefined> {
    const { resumedAt: step } = event;
    const path = join(this.folder, runFiles.events);
    const course = step === undefined ? new Course() : await courseAt(path, step);
    if (step === undefined) await rm(path, { force: true });
    await rm(join(this.folder, runFiles.result), { force: true }); // a longer run has none yet
    await writeRunFile(this.folder, "command", this.#command);
    await writeRunFile(this.folder, "plan", event.plan);
    this.#log = eventLog(path);
    if (step === undefined) this.#log.report(event);
    else this.#log.append({ type: "resumed", step, notes: event.notes });
    return course;
  }

  report(event: TrainEvent): void {
    if (event.type !== "started") this.#log?.report(event);
  }

  /** Ends this life. record: what the run came to, where it has come to its end. */
  async end(record: unknown): Promise<void> {
    if (record !== undefined) await writeRunFile(this.folder, "result", record);
  }

  /** Closes the log. What was made for a run that never began is removed. */
  async close(): Promise<void> {
    const hasBegun = this.#log !== undefined;
    this.#log?.close();
    this.#log = undefined;
    if (hasBegun || !this.#isNew) return;
    // Another run may have begun in it meanwhile, and be without a checkpoint yet.
    const release = await acquireLock(this.folder).catch(() => undefined);
    if (release === undefined) return;
    const remove = (path: string) => rmdir(path).catch(() => {}); // not empty: not ours alone
    await remove(join(this.folder, "checkpoints"));
    await release();
    await remove(this.folder);
  }

  /** What the run refuses, in the words of the command line. */
  explain(error: unknown): unknown {
    if (!(error instanceof MicrobatchError)) return error;
    const { where, expected, got, fix } = error;
    if (this.#log !== undefined && where.startsWith(`write ${this.folder}`)) {
      // A disk that is full for a while: what was saved before is there.
      return new MicrobatchError(
        where,
        { expected, got, fix: `${fix}; then go on with it: ${this.goOn}` },
        { cause: error },
      );
    }
    return explainDifference(error, { folder: this.folder, before: this.#before, now: this.#command });
  }
}

async function folderOf(folder: string): Promise<{ folder: string; isNew: boolean }> {
  const isNew = await makeFolder(folder).catch((error) => failToAccess(`--run ${folder}`, error, folder));
  return { folder, isNew };
}

/** "runs/2026-11-23T20-15-00-houses", and -2 behind it where that is taken. */
async function newFolder(now: Date, input: string): Promise<{ folder: string; isNew: boolean }> {
  await folderOf(home);
  const name = basename(input)
    .replace(/(\.[A-Za-z]+)+$/, "")
    .replace(/[^\w.-]+/g, "_")
    .slice(0, 100); // file systems take 255, time included
  const stem = join(home, `${timeOf(now)}-${name}`);
  for (let count = 1; ; count++) {
    const folder = count === 1 ? stem : `${stem}-${count}`;
    try {
      await mkdir(folder);
      return { folder, isNew: true };
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EEXIST") continue;
      failToAccess(`--run ${folder}`, error, home);
    }
  }
}

/** The time as the clock on the wall has it, in letters that every file system takes. */
function timeOf(now: Date): string {
  const local = new Date(now.getTime() - 60_000 * now.getTimezoneOffset());
  return local.toISOString().slice(0, 19).replaceAll(":", "-");
}
