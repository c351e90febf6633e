/** The evaluations of a thread: each microbatch comes with its samples and goes back with its outputs. */
import type { TypedArray } from "../array/dtype.ts";
import { bug } from "../errors.ts";
import { Evaluation } from "./evaluation.ts";
import type { FedData } from "./feeds.ts";
import { handedOver } from "./handed-over.ts";
import type { Member } from "./member.ts";
import type { EvaluateChunk, FromThread, OpenEvaluation, ToThread } from "./threads-messages.ts";

/** A dataset of the samples of one message. */
class ChunkData implements FedData {
  readonly name: string;
  readonly columns: FedData["columns"];
  readonly weight?: string;
  #held: EvaluateChunk["columns"] = {};
  #samples = 0;

  constructor({ name, columns, weight }: Omit<FedData, "read">) {
    this.name = name;
    this.columns = columns;
    if (weight !== undefined) this.weight = weight;
  }

  open({ columns, samples }: EvaluateChunk): void {
    this.#held = columns;
    this.#samples = samples.length;
  }

  read(column: string, samples: Uint32Array, into: TypedArray): void {
    const values = this.#held[column] ?? bug(`the column "${column}" was not sent`);
    (into as Float32Array).set(values as Float32Array); // both of the column's dtype, whichever it is
    const elements = values.length / this.#samples;
    for (let at = values.length; at < samples.length * elements; at += elements)
      into.copyWithin(at, values.length - elements, values.length);
  }
}

export class EvaluationThread {
  readonly #member: Member;
  readonly #open = new Map<number, { readonly data: ChunkData; readonly evaluation: Evaluation }>();

  constructor(member: Member) {
    this.#member = member;
  }

  async answer(
    message: ToThread,
    say: (message: FromThread, transfer: readonly ArrayBuffer[]) => void,
  ): Promise<void> {
    if (message.kind === "open evaluation") {
      this.#open.set(message.id, await this.#opened(message));
      return;
    }
    const { data, evaluation } = this.#open.get(message.id) ?? bug("an evaluation that was not opened");
    data.open(message);
    const { weights, outputs } = await evaluation.chunk({ samples: message.samples, position: 0, step: 0 });
    const own = handedOver(outputs);
    const transfer = [weights.buffer as ArrayBuffer, ...own.memory]; // sliced, so not shared
    say(
      {
        kind: "evaluated",
        chunk: message.chunk,
        weights: weights as Float32Array<ArrayBuffer>,
        outputs: own.arrays,
      },
      transfer,
    );
  }

  async #opened({ program, data, microbatchSize, parameterRegion }: OpenEvaluation) {
    const dataset = new ChunkData(data);
    const evaluation = new Evaluation({
      program,
      dataset,
      microbatchSize,
      session: await this.#member.sessions.of(program),
      parameters: this.#member.arena.region(parameterRegion).tensors,
    });
    return { data: dataset, evaluation };
  }
}
