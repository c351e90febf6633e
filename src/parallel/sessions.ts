/** The sessions of one thread: each program is loaded when it is first needed, and once. */
import type { Runtime, Session } from "../runtime/runtime.ts";
import type { LoadableProgram } from "./crew.ts";

export class Sessions {
  readonly #runtime: Runtime;
  readonly #loaded = new Map<LoadableProgram, Promise<Session>>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  of(program: LoadableProgram): Promise<Session> {
    let session = this.#loaded.get(program);
    if (session === undefined) {
      session = this.#runtime.load(program.name, program.bytes);
      this.#loaded.set(program, session);
    }
    return session;
  }

  async close(): Promise<void> {
    for (const loading of this.#loaded.values()) await (await loading).close();
    this.#loaded.clear();
  }
}
