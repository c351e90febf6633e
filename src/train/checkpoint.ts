/** Checkpoints: the whole truth of a run as one value, kept so that another process goes on as if nothing had happened. */
import type { NdArray } from "../array/array.ts";
import { formatShape, sameShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import type { Arena, Region } from "../runtime/arena.ts";
import { initialDivergence, settleDivergence } from "./divergence-policy.ts";
import type { FinishedEvent, StartedEvent, StopReason, TrainEvent } from "./event.ts";
import { checkOptions, type Option } from "./options.ts";
import { type Plan, stopRules } from "./plan.ts";
import { savedRegions } from "./regions.ts";
import { differencesOf, type ResolvedPlan, shownFields } from "./resolve.ts";
import { initialState, type TrainingState } from "./state.ts";
import { nextStops, type PlainData, type StopRule } from "./stop.ts";

/** What is told of a run beside its arrays. Plain data. */
export interface CheckpointHeader {
  readonly version: 1;
  /** Everything that makes the bytes of the run: versions, processor, programs and data included. */
  readonly plan: ResolvedPlan;
  readonly state: TrainingState;
  /** Why the run has ended; null while it may go on. A run that was interrupted may. */
  readonly stop: StopReason | null;
  /** What its stop rules were asked last, where it has ended: a plan that is longer asks its own the same. */
  readonly asked?: Asked;
}

/** What stop rules are asked after a step. */
export interface Asked {
  /** Their states before. */
  readonly stops: readonly PlainData[];
  /** Of steps without what their lanes did. */
  readonly events: readonly Exclude<TrainEvent, StartedEvent | FinishedEvent>[];
}

/** A checkpoint as a run hands it over. The regions are the run's own memory, and change with its next step. */
export interface Snapshot extends CheckpointHeader {
  readonly regions: readonly Region[];
}

/** A checkpoint as it is found. */
export interface SavedCheckpoint extends CheckpointHeader {
  /** By `arrayName`. */
  readonly arrays: ReadonlyMap<string, NdArray>;
  /** Called once the run has its own copy: gives back the memory of the arrays, where they are nobody else's. */
  release?(): void;
}

/** CONTRACT of a place for checkpoints. `runFolder` is one, on disk. */
export interface CheckpointStore {
  /** What to call it in errors. */
  readonly name: string;
  /** Opened before anything else: refuses a place that another run is using. */
  open(): Promise<void>;
  /** The last checkpoint that is whole, and a line for each that is not and was passed over. */
  load(): Promise<{ readonly found?: SavedCheckpoint; readonly notes: readonly string[] }>;
  /** Resolves as soon as the run may go on. What then goes wrong is thrown by the next call. */
  save(snapshot: Snapshot): Promise<void>;
  /** Resolves when everything that was handed over is safe. */
  close(): Promise<void>;
}

/** When a run is saved, and whether it goes on from what was saved. */
export interface Checkpointing {
  readonly store: CheckpointStore;
  /** Steps between two checkpoints. Default: only by time. */
  readonly everySteps?: number;
  /** Seconds between two checkpoints, by the clock. Default 30, or never where `everySteps` is given. */
  readonly everySeconds?: number;
  /**
   * Goes on from the store's last checkpoint, if it has one. A plan that would give other bytes is refused, with the
   * differences; "anyway" allows those that the run can go on with: stop rules, learning rates, what is done about divergence,
   * another processor or version of the runtime. Default false: the run begins anew, and a store
   * that holds checkpoints already, be they damaged, is refused.
   */
  readonly resume?: boolean | "anyway";
}

/** What a tensor of a region is called in a checkpoint. */
export const arrayName = (region: string, tensor: string) => `${region}/${tensor}`;

/** What `resume: "anyway"` passes over: the state means the same under any of these. */
const harmless: readonly (keyof ResolvedPlan)[] = [
  "stop",
  "learningRates",
  "divergence",
  "backend",
  "lowerings",
];

/** What a run begins from: nothing, or a checkpoint. */
export interface Beginning {
  readonly found?: SavedCheckpoint;
  readonly notes: readonly string[];
}

/** Opens the plan's store and looks for what to go on from. */
export async function findBeginning({ checkpoint }: Plan): Promise<Beginning> {
  if (checkpoint === undefined) return { notes: [] };
  checkOptions("plan.checkpoint", checkpoint, options);
  const { store } = checkpoint;
  await store.open();
  try {
    return beginningOf(checkpoint, await store.load());
  } catch (error) {
    await store.close();
    throw error;
  }
}

function beginningOf({ store, resume = false }: Checkpointing, { found, notes }: Beginning): Beginning {
  if (resume === false) {
    if (found === undefined && notes.length === 0) return { notes };
    return fail(`plan.checkpoint, ${store.name}`, {
      expected: "a place without checkpoints for a new run",
      got: found === undefined ? "a run whose checkpoints are damaged" : `a run at step ${found.state.step}`,
      fix:
        found === undefined
          ? "name another place; resume: true begins anew in this one"
          : "go on with it by resume: true, or name another place",
    });
  }
  const isNew = notes.length === 0;
  const begun =
    found === undefined
      ? `${store.name} has no checkpoint ${isNew ? "yet" : "that is whole"}: the run begins anew`
      : `going on from step ${found.state.step}, as saved in ${store.name}`;
  return { ...(found && { found }), notes: [...notes, begun] };
}

/** Numbers by which a run would never be saved are refused. */
const options: Readonly<Record<keyof Checkpointing, Option>> = {
  /** Looked at with the fields of the plan. */
  store: { expected: "", holds: () => true, fix: "" },
  everySteps: {
    expected: "a whole number from 1 on",
    holds: (value) => Number.isSafeInteger(value) && Number(value) >= 1,
    fix: "leave it out to save by time alone",
  },
  everySeconds: {
    expected: "a number above 0",
    holds: (value) => typeof value === "number" && value > 0,
    fix: "leave it out for 30",
  },
  resume: {
    expected: 'true, false or "anyway"',
    holds: (value) => typeof value === "boolean" || value === "anyway",
    fix: "true goes on from the last checkpoint",
  },
};

/** Refuses a checkpoint of another plan, and names every difference. Those that do no harm may be allowed. */
export function checkBeginning({ checkpoint }: Plan, { found }: Beginning, resolved: ResolvedPlan): void {
  if (checkpoint === undefined || found === undefined) return;
  const differences = differencesOf(found.plan, resolved);
  // Other kernels mean other programs.
  const isOtherMachine = differences.some((field) => field === "backend" || field === "lowerings");
  const isHarmless = (field: keyof ResolvedPlan) =>
    harmless.includes(field) ||
    (isOtherMachine && field === "programs") ||
    (field === "optimizer" && isSameButRate(found.plan, resolved));
  const isAllowed = checkpoint.resume === "anyway" && differences.every(isHarmless);
  if (differences.length === 0 || isAllowed) return;
  fail(`plan.checkpoint, ${checkpoint.store.name}`, {
    expected: `the plan that was saved at step ${found.state.step} (${shownFields(found.plan, differences)})`,
    got: shownFields(resolved, differences),
    fix: differences.every(isHarmless)
      ? 'make the plan what it was, or go on in spite of it: resume: "anyway"'
      : "make the plan what it was, or begin anew in another place",
  });
}

/** The rate is told among the optimizer's options too. */
function isSameButRate({ optimizer: one }: ResolvedPlan, { optimizer: other }: ResolvedPlan): boolean {
  const withoutRate = ({ name, options }: typeof one) =>
    JSON.stringify([name, { ...options, learningRate: 0 }]);
  return withoutRate(one) === withoutRate(other);
}

/** Puts the arrays of a checkpoint into an arena. Throws for those of another model; the checkpoint itself is whole. */
export function restore(arena: Arena, plan: Plan, { arrays, state }: SavedCheckpoint): void {
  for (const region of savedRegions(plan, state)) {
    for (const [tensor, { shape, data }] of arena.region(region).tensors) {
      const name = arrayName(region, tensor);
      const saved = arrays.get(name);
      if (saved === undefined || saved.dtype !== "float32" || !sameShape(saved.shape, shape)) {
        fail(`checkpoint, "${name}"`, {
          expected: `float32 ${formatShape(shape)}`,
          got: saved === undefined ? "none" : `${saved.dtype} ${formatShape(saved.shape)}`,
          fix: "go on with the plan that was saved",
        });
      }
      (data as Float32Array).set(saved.data as Float32Array); // both float32
    }
  }
}

/** The state that a run begins with, told by its plan or by what it goes on from. */
export function beginningState(plan: Plan, { found }: Beginning): TrainingState {
  const rules = stopRules(plan);
  const policy = settleDivergence(plan.divergence);
  const fresh = initialState(rules.map(({ initial }) => initial));
  if (found === undefined) return { ...fresh, ...(policy && { divergence: initialDivergence() }) };
  const stops = (saved: readonly PlainData[]) => statesOf(rules, found.plan, saved);
  const state = structuredClone(found.state);
  const { divergence = policy && initialDivergence() } = state;
  const resumed = { ...state, stops: stops(state.stops) };
  if (divergence === undefined) return resumed;
  const point = policy?.action === "back" ? divergence.point : null;
  return {
    ...resumed,
    divergence: {
      ...divergence,
      point: point && { ...point, state: { ...point.state, stops: stops(point.state.stops) } },
    },
  };
}

/** The states that rules go on from; of those that the run was not saved with, their beginning. */
const statesOf = (rules: readonly StopRule[], { stop }: ResolvedPlan, saved: readonly PlainData[]) =>
  rules.map(({ name, initial }, index) => {
    const state = stop[index] === name ? saved[index] : undefined;
    return state === undefined ? initial : state;
  });

/**
 * Why the run that was found has ended, if it is at its end for the plan's rules too: those of a longer plan are asked what its own
 * were asked last, and it goes on as if it had been that long from the beginning.
 */
export function endOf(plan: Plan, { found }: Beginning): StopReason | undefined {
  if (found === undefined || found.stop === null) return undefined;
  if (found.asked === undefined) return found.stop;
  const rules = stopRules(plan);
  let states: readonly PlainData[] = statesOf(rules, found.plan, found.asked.stops);
  for (const event of found.asked.events) {
    const next = nextStops(rules, states, event);
    if (next.stop !== undefined) return next.stop;
    states = next.states;
  }
  return undefined;
}

/** Knows when a run is to be saved. */
export class CheckpointClock {
  readonly #everySteps: number;
  readonly #everyMs: number;
  readonly #now: () => number;
  #step: number;
  #savedAt: number;

  constructor(
    { everySteps, everySeconds }: Checkpointing,
    step: number,
    now: () => number = () => performance.now(),
  ) {
    this.#everySteps = everySteps ?? Number.POSITIVE_INFINITY;
    this.#everyMs = 1000 * (everySeconds ?? (everySteps === undefined ? 30 : Number.POSITIVE_INFINITY));
    this.#now = now;
    this.#step = step;
    this.#savedAt = now();
  }

  isDue(step: number): boolean {
    return step - this.#step >= this.#everySteps || this.#now() - this.#savedAt >= this.#everyMs;
  }

  saved(step: number): void {
    this.#step = step;
    this.#savedAt = this.#now();
  }
}
