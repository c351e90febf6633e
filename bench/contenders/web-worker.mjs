/** The part of the browser's Worker that jax-js needs to use threads, on node:worker_threads. */
import { resolveObjectURL } from "node:buffer";
import { Worker as Thread } from "node:worker_threads";

const browserGlobals = `
const { parentPort } = require("node:worker_threads");
globalThis.self = globalThis;
globalThis.postMessage = (message) => parentPort.postMessage(message);
parentPort.on("message", (data) => self.onmessage({ data }));
`;

globalThis.Worker = class {
  onmessage = undefined;
  onerror = undefined;
  #thread;

  constructor(url) {
    this.#thread = resolveObjectURL(String(url))
      .text()
      .then((source) => {
        const thread = new Thread(browserGlobals + source, { eval: true });
        thread.on("message", (data) => this.onmessage?.({ data }));
        thread.on("error", (error) => this.onerror?.(error));
        return thread;
      });
  }

  /** Resolving with the same promise keeps messages in order. */
  postMessage(message) {
    this.#thread = this.#thread.then((thread) => {
      thread.postMessage(message);
      return thread;
    });
  }
};
