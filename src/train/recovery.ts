/** What becomes of a run whose step has diverged, by the plan's policy: it ends, skips the update, or goes back. */
import type { Arena } from "../runtime/arena.ts";
import {
  type DivergenceState,
  type Explosion,
  explosionOf,
  limitOf,
  type SettledDivergence,
  settleDivergence,
  withLoss,
} from "./divergence-policy.ts";
import type { Plan } from "./plan.ts";
import { copyRegion, movingRegions, regions } from "./regions.ts";
import type { TrainingState } from "./state.ts";

/** What is done about one step. */
export type Reaction =
  | { readonly action: "stop"; readonly limit?: string }
  | { readonly action: "skip"; readonly skipped: number; readonly inARow: number }
  | {
      readonly action: "back";
      /** The step that the run is at again. */
      readonly toStep: number;
      readonly wentBack: number;
      readonly learningRateFactor: number;
    };

/** The policy of a run at work on its state. Nothing is done for a plan without one. */
export class Recovery {
  readonly #plan: Plan;
  readonly #arena: Arena;
  readonly #state: TrainingState;
  readonly #policy: SettledDivergence | undefined;
  #pointTakenAt = performance.now();

  /** state: the run's; what the policy knows is in it. */
  constructor(plan: Plan, arena: Arena, state: TrainingState) {
    this.#plan = plan;
    this.#arena = arena;
    this.#state = state;
    this.#policy = settleDivergence(plan.divergence);
  }

  /** What the schedule's learning rate is multiplied by. */
  get learningRateFactor(): number {
    return this.#state.divergence?.learningRateFactor ?? 1;
  }

  /** Milliseconds since the state that going back brings back, as far as this process knows. */
  get sincePointMs(): number {
    return performance.now() - this.#pointTakenAt;
  }

  /** Whether the loss of a batch is too many times what it was. */
  explosion(loss: number): Explosion | undefined {
    const known = this.#state.divergence;
    return this.#policy && known && explosionOf(this.#policy, known.meanLoss, loss);
  }

  /** A batch has turned out well, and its update comes next. */
  beforeUpdate(loss: number): void {
    const known = this.#state.divergence;
    if (this.#policy === undefined || known === undefined) return;
    if (this.#policy.action === "back" && this.#isPointDue(this.#policy.everySteps, known, loss)) {
      this.#takePoint(known);
    }
    known.meanLoss = withLoss(known.meanLoss, loss);
    known.skippedInARow = 0;
  }

  /** Decides about a step that diverged. The state is then that of the step gone back to, or counts the one to skip. */
  react(): Reaction {
    const known = this.#state.divergence;
    if (this.#policy === undefined || known === undefined) return { action: "stop" };
    const limit = limitOf(this.#policy, known, this.#state.step + 1);
    if (limit !== undefined) return { action: "stop", limit };
    if (this.#policy.action === "stop") return { action: "stop" };
    if (this.#policy.action === "back") return this.#goBack(known, this.#policy.learningRateFactor);
    known.skipped++;
    known.skippedInARow++;
    return { action: "skip", skipped: known.skipped, inARow: known.skippedInARow };
  }

  /**
   * A rising loss may be the beginning of the end: to go back into it would help nobody. The update that follows is the one
   * that a smaller learning rate will change.
   */
  #isPointDue(everySteps: number, { point, meanLoss }: DivergenceState, loss: number): boolean {
    if (point !== null && this.#state.step - point.state.step < everySteps) return false;
    return meanLoss.steps === 0 || loss <= meanLoss.value;
  }

  #takePoint(known: DivergenceState): void {
    for (const region of movingRegions(this.#plan)) copyRegion(this.#arena, region, regions.point(region));
    const { divergence: _, ...state } = structuredClone(this.#state);
    known.point = { state, meanLoss: known.meanLoss };
    this.#pointTakenAt = performance.now();
  }

  #goBack(known: DivergenceState, factor: number): Reaction {
    const { point } = known;
    if (point === null) return { action: "stop" };
    for (const region of movingRegions(this.#plan)) copyRegion(this.#arena, regions.point(region), region);
    known.wentBack++;
    known.stepsUndone += this.#state.step - point.state.step;
    known.learningRateFactor *= factor;
    known.meanLoss = point.meanLoss;
    Object.assign(this.#state, structuredClone(point.state), { best: this.#state.best });
    const { wentBack, learningRateFactor } = known;
    return { action: "back", toStep: this.#state.step, wentBack, learningRateFactor };
  }
}
