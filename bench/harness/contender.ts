/**
 * A contender: a child process that answers one JSON line per request. It says what it is when it starts, then
 * `prepare` loads a case, `run` computes steps and gives the milliseconds of each, `memory` gives its bytes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import readline from "node:readline";

/** How to start a contender. */
export interface ContenderSpec {
  /** Unique in a table: "PyTorch, 1 thread, passive". */
  readonly id: string;
  /** Contenders of one family are variants of one peer, of which the best counts. */
  readonly family: string;
  readonly threads: number;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** What a contender says of itself. */
export interface Hello {
  readonly name: string;
  readonly version: string;
  readonly threads: number;
}

/** What a run of steps gives: wall time and loss of each step. */
export interface Steps {
  readonly ms: readonly number[];
  readonly losses?: readonly number[];
  /** Anything else a case measures, by name. */
  readonly extra?: Readonly<Record<string, number>>;
}

/** What a case asks for: `kind` chooses the contender's code, the rest is for it. */
export type Case = Readonly<Record<string, unknown>> & { readonly kind: string };

/** A contender's memory. */
export interface Memory {
  readonly residentBytes: number;
  readonly peakBytes: number;
}

/** A running contender. */
export interface Contender extends ContenderSpec {
  readonly hello: Hello;
  readonly pid: number;
  prepare(what: Case): Promise<void>;
  run(steps: number): Promise<Steps>;
  memory(): Promise<Memory>;
  close(): Promise<void>;
}

/** Starts a contender. Rejects with what it wrote to standard error when it ends instead of saying hello. */
export async function startContender(spec: ContenderSpec): Promise<Contender> {
  const [file, ...args] = spec.command;
  const child = spawn(file!, args, {
    env: { ...process.env, BENCH_THREADS: String(spec.threads), ...spec.environment },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const ask = requests(spec.id, child);
  const hello = (await ask(undefined)) as Hello; // the protocol's first line
  return {
    ...spec,
    hello,
    pid: child.pid!,
    prepare: async (what) => void (await ask({ do: "prepare", case: what })),
    run: async (steps) => (await ask({ do: "run", steps })) as Steps, // the protocol's answer to run
    memory: async () => (await ask({ do: "memory" })) as Memory, // the protocol's answer to memory
    close: () => closed(child),
  };
}

/** Sends a request and gives the next line; the answer to no request is the line the contender starts with. */
function requests(id: string, child: ChildProcess): (request: object | undefined) => Promise<unknown> {
  let waiting: PromiseWithResolvers<unknown> | undefined;
  let early: string | undefined;
  let complaint = "";
  child.stderr!.on("data", (text) => {
    complaint = (complaint + text).slice(-4000);
  });
  readline.createInterface({ input: child.stdout! }).on("line", (line) => {
    if (waiting === undefined) early = line;
    else waiting.resolve(JSON.parse(line));
    waiting = undefined;
  });
  const failed = (what: unknown) => {
    waiting?.reject(new Error(`${id}: ${what}\n${complaint}`));
    waiting = undefined;
  };
  child.on("error", failed);
  child.stdin!.on("error", failed); // it ended before it read the request
  child.on("close", (code, signal) => failed(`ended with ${signal ?? code}`));
  return (request) => {
    if (early !== undefined) {
      const answer = JSON.parse(early);
      early = undefined;
      return Promise.resolve(answer);
    }
    if (child.exitCode !== null) return Promise.reject(new Error(`${id}: has ended\n${complaint}`));
    waiting = Promise.withResolvers();
    if (request !== undefined) child.stdin!.write(`${JSON.stringify(request)}\n`);
    return waiting.promise;
  };
}

function closed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
    child.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
    child.stdin!.end();
  });
}
