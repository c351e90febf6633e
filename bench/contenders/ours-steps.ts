/** Training steps one after another, with what they spent on their samples. */
import type { TrainEvent } from "../../src/index.ts";
import { type Prepared, timed } from "./protocol.ts";

/** Runs steps of a training; extra tells, of the steps of one run, the seconds in all, on samples and waiting for them. */
export function trainingSteps(
  events: AsyncGenerator<TrainEvent, unknown>,
  also: Readonly<Record<string, number>> = {},
): Prepared {
  const spent = { seconds: 0, dataSeconds: 0, waitSeconds: 0 };
  const step = async () => {
    for (;;) {
      const { value, done } = await events.next();
      if (done === true || value.type === "diverged") throw new Error("the run has ended");
      if (value.type !== "step") continue;
      spent.seconds += value.seconds;
      spent.dataSeconds += value.dataSeconds;
      spent.waitSeconds += value.waitSeconds;
      return value.loss;
    }
  };
  return {
    async run(steps) {
      Object.assign(spent, { seconds: 0, dataSeconds: 0, waitSeconds: 0 });
      return { ...(await timed(steps, step)), extra: { ...spent, ...also } };
    },
    close: async () => void (await events.return(undefined)),
  };
}
