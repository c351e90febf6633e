/** CONTRACT of who runs one program on many rows: a session on this thread, or several on threads. Rows are cut by the caller. */
import type { AnyArray } from "../array/array.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** Arrays by the names of a program's inputs or outputs. */
export type Arrays = Readonly<Record<string, AnyArray>>;

/** A program that is to be run. */
export interface InferenceJob {
  readonly runtime: Runtime;
  /** For errors. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Inputs that are the same in every run: parameters, where they are not in the bytes. */
  readonly held?: Arrays;
}

/** A program that can be run, again and again. */
export interface Inference {
  /** So many runs keep everybody busy. */
  readonly ahead: number;
  /** One run. The arrays must be left as they are until it is over. */
  run(feeds: Arrays): Promise<Arrays>;
  close(): Promise<void>;
}

/** A session on this thread. */
export async function inferAlone({ runtime, name, bytes, held = {} }: InferenceJob): Promise<Inference> {
  const session = await runtime.load(name, bytes);
  return {
    ahead: 1,
    run: (feeds) => session.bind({ ...held, ...feeds }).run(),
    close: () => session.close(),
  };
}

/**
 * The results of what is begun, in the order in which it is begun; at most `ahead` are under way at once. What fails is thrown in
 * its turn: behind the results of everything that was begun before it.
 */
export async function* inOrder<Result>(
  begun: AsyncIterable<{ readonly result: Promise<Result> }>,
  ahead: number,
): AsyncGenerator<Result> {
  const iterator = begun[Symbol.asyncIterator]();
  const waiting: Promise<Result>[] = [];
  let isOver = false;
  const begin = async () => {
    try {
      const next = await iterator.next();
      if (next.done === true) isOver = true;
      else waiting.push(next.value.result);
    } catch (error) {
      isOver = true;
      waiting.push(Promise.reject(error));
    }
    waiting.at(-1)?.catch(() => {}); // thrown when it is its turn
  };
  try {
    for (;;) {
      while (!isOver && waiting.length < ahead) await begin();
      const first = waiting.shift();
      if (first === undefined) return;
      yield await first;
    }
  } finally {
    await iterator.return?.();
  }
}
