/** What the threads of a crew find out beside the sums: numbers in float64, each written by one thread and read by the one that leads. */
import type { Moments, StatisticsOutputs } from "./crew.ts";
import type { UpdateScalars } from "./update.ts";

/** What there is room for. Plain data. */
export interface ResultsSize {
  readonly members: number;
  readonly microbatches: number;
  readonly lanes: number;
  /** Blocks of the arena's layout. */
  readonly blocks: number;
  /** Tensors whose norm is measured per lane; 0 where lanes are not measured. */
  readonly tensors: number;
  /** Channels of each layer with statistics. */
  readonly channels: readonly number[];
}

/** What a lane took. */
export interface LaneTimes {
  readonly member: number;
  readonly seconds: number;
  readonly dataSeconds: number;
  readonly waitSeconds: number;
}

const numbersPerLane = 4;
const numbersPerMember = 2;
/** The batch's step and number of microbatches, then the update's scalars. */
const headerNumbers = 6;

const momentNumbers = (channels: readonly number[]) =>
  channels.reduce((sum, count) => sum + 1 + 2 * count, 0);

export function createResultsMemory(size: ResultsSize): SharedArrayBuffer {
  const { members, microbatches, lanes, blocks, tensors, channels } = size;
  const perLane = numbersPerLane + tensors + momentNumbers(channels);
  const numbers = headerNumbers + numbersPerMember * members + 2 * microbatches + lanes * perLane + blocks;
  return new SharedArrayBuffer(8 * numbers);
}

/** A thread's view of the results. */
export class Results {
  /** Squared norms of the total's blocks. */
  readonly squares: Float64Array<ArrayBufferLike>;
  readonly #header: Float64Array;
  readonly #running: Float64Array;
  readonly #loss: Float64Array;
  readonly #weight: Float64Array;
  readonly #times: Float64Array;
  readonly #norms: Float64Array;
  readonly #moments: Float64Array;
  readonly #size: ResultsSize;

  constructor(memory: SharedArrayBuffer, size: ResultsSize) {
    const { members, microbatches, lanes, blocks, tensors, channels } = size;
    let at = 0;
    const view = (length: number) => {
      const numbers = new Float64Array(memory, 8 * at, length);
      at += length;
      return numbers;
    };
    this.#size = size;
    this.#header = view(headerNumbers);
    this.#running = view(numbersPerMember * members);
    this.#loss = view(microbatches);
    this.#weight = view(microbatches);
    this.#times = view(numbersPerLane * lanes);
    this.#norms = view(tensors * lanes);
    this.#moments = view(momentNumbers(channels) * lanes);
    this.squares = view(blocks);
  }

  openBatch(step: number, microbatches: number): void {
    this.#header[0] = step;
    this.#header[1] = microbatches;
  }

  get step(): number {
    return this.#header[0]!;
  }

  get microbatches(): number {
    return this.#header[1]!;
  }

  get scalars(): UpdateScalars {
    const [, , learningRate, step, gradientScale, averageDecay] = this.#header as unknown as number[]; // as many
    return {
      learningRate: learningRate!,
      step: step!,
      gradientScale: gradientScale!,
      averageDecay: averageDecay!,
    };
  }

  set scalars({ learningRate, step, gradientScale, averageDecay }: UpdateScalars) {
    this.#header.set([learningRate, step, gradientScale, averageDecay], 2);
  }

  /** What a member runs from now on; −1 when it runs nothing. */
  begin(member: number, microbatch: number): void {
    this.#running[numbersPerMember * member + 1]!++;
    this.#running[numbersPerMember * member] = microbatch + 1;
  }

  /** What a member runs, and the how manieth thing that is. */
  running(member: number): { readonly microbatch: number; readonly begun: number } {
    const [microbatch, begun] = this.#running.subarray(numbersPerMember * member) as unknown as [
      number,
      number,
    ];
    return { microbatch: microbatch - 1, begun };
  }

  writeLoss(microbatch: number, loss: number, weight: number): void {
    this.#loss[microbatch] = loss;
    this.#weight[microbatch] = weight;
  }

  /** Σ w·ℓ and Σ w, in the order of the microbatches. */
  lossSums(): { readonly lossSum: number; readonly weightSum: number } {
    let [lossSum, weightSum] = [0, 0];
    for (let microbatch = 0; microbatch < this.microbatches; microbatch++) {
      lossSum += this.#loss[microbatch]!;
      weightSum += this.#weight[microbatch]!;
    }
    return { lossSum, weightSum };
  }

  writeTimes(lane: number, { member, seconds, dataSeconds, waitSeconds }: LaneTimes): void {
    this.#times.set([member, seconds, dataSeconds, waitSeconds], numbersPerLane * lane);
  }

  times(lane: number): LaneTimes {
    const [member, seconds, dataSeconds, waitSeconds] = this.#times.subarray(
      numbersPerLane * lane,
    ) as unknown as [number, number, number, number]; // as they were written
    return { member, seconds, dataSeconds, waitSeconds };
  }

  writeNorms(lane: number, squaredNorms: Float64Array): void {
    this.#norms.set(squaredNorms, this.#size.tensors * lane);
  }

  norms(lane: number): Float64Array {
    return this.#norms.slice(this.#size.tensors * lane, this.#size.tensors * (lane + 1));
  }

  writeMoments(lane: number, all: readonly Moments[]): void {
    let at = momentNumbers(this.#size.channels) * lane;
    for (const { count, mean, squares } of all) {
      this.#moments[at] = count;
      this.#moments.set(mean, at + 1);
      this.#moments.set(squares, at + 1 + mean.length);
      at += 1 + 2 * mean.length;
    }
  }

  moments(lane: number): Moments[] {
    let at = momentNumbers(this.#size.channels) * lane;
    return this.#size.channels.map((channels) => {
      const start = at + 1;
      at = start + 2 * channels;
      return {
        count: this.#moments[start - 1]!,
        mean: this.#moments.slice(start, start + channels),
        squares: this.#moments.slice(start + channels, at),
      };
    });
  }
}

/** How many channels each layer with statistics has. */
export const channelsOf = (statistics: readonly StatisticsOutputs[]) =>
  statistics.map(({ channels }) => channels);
