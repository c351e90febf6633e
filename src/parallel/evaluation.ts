/** Evaluation: a program with one row per sample in every output, run over samples in microbatches. */
import type { AnyArray, NdArray } from "../array/array.ts";
import { elementCount } from "../array/shape.ts";
import type { Arena } from "../runtime/arena.ts";
import type { Binding, Runtime, Session } from "../runtime/runtime.ts";
import type { CrewFactory, EvaluatedChunk, EvaluationJob, LoadableProgram } from "./crew.ts";
import { cutBatch, type FedData, Feeds, type MicrobatchRequest } from "./feeds.ts";
import { type Inference, inOrder } from "./inference.ts";
import type { Sessions } from "./sessions.ts";

/** What an evaluation needs beside the samples. */
export interface EvaluationParts {
  readonly program: LoadableProgram;
  readonly dataset: FedData;
  readonly parameters: ReadonlyMap<string, NdArray>;
  readonly microbatchSize: number;
}

/** Runs a program over samples in a session of its own, or one for each thread of `parallel`, closed at the end. */
export async function* evaluateOnce(
  runtime: Runtime,
  parts: EvaluationParts,
  samples: Uint32Array,
  parallel?: CrewFactory,
): AsyncGenerator<EvaluatedChunk> {
  if (parallel?.infer !== undefined) {
    const { name, bytes, parameters } = parts.program;
    const held = Object.fromEntries(
      Object.entries(parameters).map(([input, parameter]) => [input, parts.parameters.get(parameter)!]),
    );
    const inference = await parallel.infer({ runtime, name, bytes, held });
    try {
      yield* inOrder(begin(inference, parts, samples), inference.ahead);
    } finally {
      await inference.close();
    }
    return;
  }
  const session = await runtime.load(parts.program.name, parts.program.bytes);
  try {
    yield* new Evaluation({ ...parts, session }).run(samples);
  } finally {
    await session.close();
  }
}

/** Begins one microbatch after the other, as fast as it is asked to. */
async function* begin(
  inference: Inference,
  { dataset, program, microbatchSize }: EvaluationParts,
  samples: Uint32Array,
): AsyncGenerator<{ readonly result: Promise<EvaluatedChunk> }> {
  for (const request of cutBatch({ step: 0, samples }, microbatchSize)) {
    const count = request.samples.length;
    const feeds = new Feeds(dataset, program, count, 0); // of its own: others may be under way
    const filling = feeds.fill(request);
    if (filling !== undefined) await filling;
    const weights = feeds.weights(count).slice();
    const result = inference.run(feeds.arrays(count)).then((results) => {
      const entries = Object.entries(results).map(([name, array]) => [name, firstRows(array, count)]);
      return { samples: request.samples, weights, outputs: Object.fromEntries(entries) };
    });
    yield { result };
  }
}

/** A program with its session, its parameters and the arrays it is fed from. */
export class Evaluation {
  readonly #session: Session;
  readonly #program: LoadableProgram;
  readonly #parameters: ReadonlyMap<string, NdArray>;
  readonly #feeds: Feeds;
  readonly #microbatchSize: number;
  readonly #bindings = new Map<number, Binding>();

  constructor(parts: EvaluationParts & { readonly session: Session }) {
    this.#session = parts.session;
    this.#program = parts.program;
    this.#parameters = parts.parameters;
    this.#microbatchSize = parts.microbatchSize;
    this.#feeds = new Feeds(parts.dataset, parts.program, parts.microbatchSize, 0);
  }

  /** One chunk per microbatch, in the order of the samples. */
  async *run(samples: Uint32Array): AsyncGenerator<EvaluatedChunk> {
    for (const request of cutBatch({ step: 0, samples }, this.#microbatchSize))
      yield await this.chunk(request);
  }

  /** What one microbatch gives. */
  async chunk(request: MicrobatchRequest): Promise<EvaluatedChunk> {
    const filling = this.#feeds.fill(request);
    if (filling !== undefined) await filling;
    const samples = request.samples.length;
    const results = await this.#binding(samples).run();
    const outputs: Record<string, AnyArray> = {};
    for (const [name, array] of Object.entries(results)) outputs[name] = firstRows(array, samples);
    return { samples: request.samples, weights: this.#feeds.weights(samples).slice(), outputs };
  }

  #binding(samples: number): Binding {
    let binding = this.#bindings.get(samples);
    if (binding === undefined) {
      const feeds = this.#feeds.arrays(samples);
      for (const [input, name] of Object.entries(this.#program.parameters))
        feeds[input] = this.#parameters.get(name)!;
      binding = this.#session.bind(feeds);
      this.#bindings.set(samples, binding);
    }
    return binding;
  }
}

/** The evaluations of one thread: each is opened when it is first asked for, and once. */
export class Evaluations {
  readonly #sessions: Sessions;
  readonly #arena: Arena;
  readonly #opened: { readonly job: EvaluationJob; readonly evaluation: Evaluation }[] = [];

  constructor(sessions: Sessions, arena: Arena) {
    this.#sessions = sessions;
    this.#arena = arena;
  }

  /** That of a job, whichever its samples. */
  async of(job: EvaluationJob): Promise<Evaluation> {
    const known = this.#opened.find(
      (one) =>
        one.job.program === job.program &&
        one.job.dataset === job.dataset &&
        one.job.microbatchSize === job.microbatchSize &&
        one.job.parameterRegion === job.parameterRegion,
    );
    if (known !== undefined) return known.evaluation;
    const evaluation = new Evaluation({
      ...job,
      session: await this.#sessions.of(job.program),
      parameters: this.#arena.region(job.parameterRegion).tensors,
    });
    this.#opened.push({ job, evaluation });
    return evaluation;
  }
}

/** The rows of real samples: a single one was computed twice. */
function firstRows(array: AnyArray, samples: number): AnyArray {
  const [rows, ...rest] = array.shape;
  if (rows === samples) return array;
  const shape = [samples, ...rest];
  const count = elementCount(shape);
  return array.dtype === "string"
    ? { dtype: array.dtype, shape, data: array.data.slice(0, count) }
    : { dtype: array.dtype, shape, data: array.data.subarray(0, count) };
}
