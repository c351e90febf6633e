/** A thread of a crew: does what the ledger has, and sleeps when it has nothing. threads.ts starts it. */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { MicrobatchError } from "../errors.ts";
import { nodeRuntime } from "../runtime/ort-node.ts";
import { Disturbance } from "./disturbance.ts";
import { EvaluationThread } from "./evaluation-thread.ts";
import { Member } from "./member.ts";
import type { FromThread, ThreadStart, ToThread } from "./threads-messages.ts";

const { shared, number, disturb } = workerData as ThreadStart; // threads.ts starts it with nothing else
const port = parentPort!; // a worker has one
const say = (message: FromThread, transfer: readonly ArrayBuffer[] = []) =>
  port.postMessage(message, transfer);

const runtime = await nodeRuntime();
const disturbance = disturb === undefined ? undefined : new Disturbance(disturb, number);
disturbance?.strike("start", "its start");
const claim = (microbatch: number) => {
  for (;;) {
    const { bell } = member.ledger;
    const rung = bell.value;
    const slot = member.ring.claim(microbatch, number);
    if (slot !== undefined || member.ledger.phase !== "sum") return slot;
    bell.wait(rung, 1000);
  }
};
const member = new Member(
  shared,
  runtime,
  number,
  claim,
  disturbance &&
    ((step, microbatch) => disturbance.strike("training", `step ${step}, microbatch ${microbatch}`)),
);
const { ledger } = member;
const evaluations = new EvaluationThread(member);
const { first, add } = shared.gradient;
await Promise.all([member.sessions.inPlace(first), member.sessions.inPlace(add)]);
say({ kind: "ready" });

while (ledger.phase !== "ended") {
  const rung = ledger.bell.value;
  const task = ledger.take();
  const message: { readonly message: ToThread } | undefined =
    task === undefined ? receiveMessageOnPort(port) : undefined;
  try {
    if (task !== undefined) await member.run(task);
    else if (message !== undefined) {
      if (message.message.kind === "evaluate") disturbance?.strike("evaluation", "an evaluation");
      await evaluations.answer(message.message, say);
    } else ledger.bell.wait(rung, 10_000);
  } catch (error) {
    // What is wrong with the data or the program would be so in any thread; anything else may be this thread's fault.
    if (!(error instanceof MicrobatchError)) throw error;
    const { where, expected, got, fix } = error;
    say({ kind: "failed", where, proof: { expected, got, fix } });
    ledger.end("failed");
  }
}
await member.sessions.close();
