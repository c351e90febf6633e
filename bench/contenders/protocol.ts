/** The contender's half of the protocol of harness/contender.ts, for contenders written in JavaScript. */
import readline from "node:readline";
import type { Case, Hello, Steps } from "../harness/contender.ts";
import type { LoadedTensor, Task } from "../harness/task.ts";

/** A prepared case. */
export interface Prepared {
  run(steps: number): Promise<Steps>;
  close?(): void | Promise<void>;
}

type Request =
  | { readonly do: "prepare"; readonly case: Case }
  | { readonly do: "run"; readonly steps: number }
  | { readonly do: "memory" };

/** Says hello, then answers requests until standard input ends. `cases` maps a case's kind to what prepares it. */
export async function serve(
  hello: Hello,
  cases: Readonly<Record<string, (what: never) => Prepared | Promise<Prepared>>>,
): Promise<void> {
  console.log = console.info = console.error; // libraries greet on standard output, which belongs to the protocol
  const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);
  say(hello);
  let current: Prepared | undefined;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const request: Request = JSON.parse(line);
    if (request.do === "prepare") {
      await current?.close?.();
      current = undefined;
      const prepare = cases[request.case.kind];
      if (prepare === undefined) throw new Error(`no case ${request.case.kind}`);
      current = await prepare(request.case as never); // what a kind holds is between the table and the contender
      say({ ready: true });
    } else if (request.do === "run") {
      if (current === undefined) throw new Error("run before prepare");
      say(await current.run(request.steps));
    } else {
      const peakBytes = process.resourceUsage().maxRSS * 1024;
      say({ residentBytes: process.memoryUsage.rss(), peakBytes });
    }
  }
  await current?.close?.();
  process.exit(0); // worker threads of a peer would keep the process alive
}

/** Runs `step()` that many times; it gives the loss once the step is done. */
export async function timed(steps: number, step: () => Promise<number>): Promise<Steps> {
  const ms: number[] = [];
  const losses: number[] = [];
  for (let count = 0; count < steps; count++) {
    const start = performance.now();
    losses.push(await step());
    ms.push(performance.now() - start);
  }
  return { ms, losses };
}

/** Rows first … first + count − 1 of a tensor, in memory of their own. */
export function rows<Data extends Float32Array | Int32Array>(
  { shape, data }: LoadedTensor & { readonly data: Data },
  first: number,
  count: number,
): Data {
  const width = data.length / shape[0]!;
  return data.slice(first * width, (first + count) * width) as Data; // slice keeps the kind of array
}

/** Weights [out, in] as [in, out], row by row. */
export function transposed({ shape, data }: LoadedTensor): Float32Array {
  const [outputs, inputs] = shape as readonly [number, number]; // weights are matrices
  const result = new Float32Array(data.length);
  for (let i = 0; i < inputs; i++)
    for (let o = 0; o < outputs; o++) result[i * outputs + o] = data[o * inputs + i]!;
  return result;
}

/** Targets of the samples first … first + count − 1 as [count, width] floats: one-hot where they are labels. */
export function targetRows(
  task: Task<LoadedTensor>,
  first: number,
  count: number,
): { readonly values: Float32Array; readonly width: number } {
  const width = task.sizes.at(-1)!;
  const own = rows(task.y, first, count);
  if (own instanceof Float32Array) return { values: own, width };
  const values = new Float32Array(count * width);
  own.forEach((label, row) => {
    values[row * width + label] = 1;
  });
  return { values, width };
}
