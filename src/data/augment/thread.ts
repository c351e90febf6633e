/** Starts the thread that augments ahead. In a browser thread-absent.ts stands for this file. */
import { Worker } from "node:worker_threads";
import { moduleBeside } from "../module-beside.ts";
import type { AugmentRing } from "./ring.ts";

/** A running thread, as its reader sees it. It ends by the ring's `ended`. */
export interface AugmentThread {
  /** A process that is done need not wait for the thread; one that waits for it must not end. */
  keepAlive(isWaitedFor: boolean): void;
}

/** Starts a thread for a ring; says so when it has failed, after which it touches nothing. */
export type StartThread = (ring: AugmentRing, onFailure: () => void) => AugmentThread;

/** The thread of Node.js. Undefined where there are none. */
export const startThread: StartThread | undefined = (ring, onFailure) => {
  const worker = new Worker(moduleBeside(import.meta.url, "./thread-worker"), { workerData: ring });
  worker.on("error", onFailure);
  worker.on("exit", onFailure);
  worker.unref();
  return { keepAlive: (isWaitedFor) => (isWaitedFor ? worker.ref() : worker.unref()) };
};
