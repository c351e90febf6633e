/** A thread that runs one program again and again. threads-inference.ts starts it. */
import { parentPort, workerData } from "node:worker_threads";
import type { AnyArray } from "../array/array.ts";
import { nodeRuntime } from "../runtime/ort-node.ts";
import { inferAlone } from "./inference.ts";
import type { FromInference, InferenceStart, ToInference } from "./threads-inference.ts";

const port = parentPort!; // a worker has one
const say = (message: FromInference, transfer: readonly ArrayBuffer[] = []) =>
  port.postMessage(message, transfer);

const inference = await inferAlone({
  ...(workerData as InferenceStart), // threads-inference.ts starts it with nothing else
  runtime: await nodeRuntime(),
});

/** In memory of its own, which can be handed over: the runtime's cannot. */
const copied = (array: AnyArray): AnyArray =>
  array.dtype === "string" ? array : { ...array, data: array.data.slice() };

const bufferOf = ({ data }: AnyArray): ArrayBuffer[] =>
  "buffer" in data && data.buffer instanceof ArrayBuffer ? [data.buffer] : [];

async function answer(message: ToInference): Promise<void> {
  if (message.kind === "end") {
    await inference.close();
    port.close();
    return;
  }
  const { id, feeds } = message;
  try {
    const entries = Object.entries(await inference.run(feeds)).map(
      ([name, array]) => [name, copied(array)] as const,
    );
    const outputs = Object.fromEntries(entries);
    say(
      { kind: "outputs", id, outputs },
      entries.flatMap(([, array]) => bufferOf(array)),
    );
  } catch {
    say({ kind: "failed", id }); // run again where it is asked for, it says what is wrong
  }
}

let last = Promise.resolve();
port.on("message", (message: ToInference) => {
  last = last.then(() => answer(message));
});
say({ kind: "ready" });
