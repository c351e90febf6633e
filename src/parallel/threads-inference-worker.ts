/** A thread that runs one program again and again. threads-inference.ts starts it. */
import { parentPort, workerData } from "node:worker_threads";
import { nodeRuntime } from "../runtime/ort-node.ts";
import { handedOver } from "./handed-over.ts";
import { inferAlone } from "./inference.ts";
import type { FromInference, InferenceStart, ToInference } from "./threads-inference.ts";

const port = parentPort!; // a worker has one
const say = (message: FromInference, transfer: readonly ArrayBuffer[] = []) =>
  port.postMessage(message, transfer);

const inference = await inferAlone({
  ...(workerData as InferenceStart), // threads-inference.ts starts it with nothing else
  runtime: await nodeRuntime(),
});

async function answer(message: ToInference): Promise<void> {
  if (message.kind === "end") {
    await inference.close();
    port.close();
    return;
  }
  const { id, feeds } = message;
  try {
    const { arrays, memory } = handedOver(await inference.run(feeds));
    say({ kind: "outputs", id, outputs: arrays }, memory);
  } catch {
    say({ kind: "failed", id }); // run again where it is asked for, it says what is wrong
  }
}

let last = Promise.resolve();
port.on("message", (message: ToInference) => {
  last = last.then(() => answer(message));
});
say({ kind: "ready" });
