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
    return this.#once(program, () => this.#runtime.load(program.name, program.bytes));
  }

  /** Of a program whose outputs are all fetched. */
  inPlace(program: LoadableProgram): Promise<Session> {
    return this.#once(program, () => this.#runtime.loadInPlace(program.name, program.bytes));
  }

  #once(program: LoadableProgram, load: () => Promise<Session>): Promise<Session> {
    const known = this.#loaded.get(program);
    if (known !== undefined) return known;
    const session = load();
    this.#loaded.set(program, session);
    return session;
  }

  async close(): Promise<void> {
    await closeLoaded(this.#loaded.values());
    this.#loaded.clear();
  }
}

/** Closes sessions that were asked for, also those behind one that could not be loaded: whoever asked for that was told. */
export async function closeLoaded(all: Iterable<Promise<Session>>): Promise<void> {
  for (const loading of all) {
    const session = await loading.catch(() => undefined);
    await session?.close();
  }
}
