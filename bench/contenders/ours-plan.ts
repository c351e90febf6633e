/** The shared tasks as plans of this package, written as its users would write them. */
import path from "node:path";
import type { Dataset, Initializer, Layer, Optimizer, Plan, TypedArray } from "../../src/index.ts";
import { adamw, arrays, crossEntropy, linear, relu, sequence, sgd, squaredError } from "../../src/index.ts";
import { cached, type Source, threads } from "../../src/node.ts";
import { type LoadedTensor, readTask, type Task } from "../harness/task.ts";

/** The data, model, loss and optimizer of a task. data: where the samples are, by default in arrays. */
export function planOf(folder: string, learningRate?: number, data?: Dataset): Plan {
  const task = readTask(folder);
  const body = sequence(...layersOf(task));
  return {
    data: data ?? arraysOf(task),
    model: (row) => body(row.x!),
    loss: (predicted, row) =>
      task.loss === "crossEntropy" ? crossEntropy(predicted, row.y!) : squaredError(predicted, row.y!),
    optimizer: sgd({ learningRate: learningRate ?? task.learningRate, momentum: task.momentum }),
    parallel: threads(1), // or it would try more, after a second
  };
}

function arraysOf({ x, y }: Task<LoadedTensor>): Dataset {
  return arrays({ x: { data: x.data, shape: x.shape }, y: { data: y.data, shape: y.shape } });
}

/** The samples of a task in a cache on disk, none of it in memory. */
export function onDisk(folder: string): Promise<Dataset> {
  const data = arraysOf(readTask(folder));
  const source: Source = {
    name: folder,
    columns: data.columns,
    fingerprint: () => data.fingerprint(),
    async *pieces() {
      for (let first = 0; first < data.size; first += 1000) {
        const samples = Uint32Array.from(
          { length: Math.min(1000, data.size - first) },
          (_, at) => first + at,
        );
        const columns: Record<string, TypedArray> = {};
        for (const [name, { dtype, shape }] of Object.entries(data.columns)) {
          const length = samples.length * shape.reduce((product, dim) => product * dim, 1);
          columns[name] = dtype === "float32" ? new Float32Array(length) : new Int32Array(length);
          await data.read(name, samples, columns[name]);
        }
        yield { samples: samples.length, columns };
      }
    },
  };
  return cached(source, { folder: path.join(folder, "cache"), bytesInMemory: 0 });
}

/** Update rules as the update table names them; the settings are those of contenders/pytorch.py. */
export const rules: Readonly<Record<string, () => Optimizer>> = {
  sgd: () => sgd({ learningRate: 1e-3 }),
  momentum: () => sgd({ learningRate: 1e-3, momentum: 0.9 }),
  adamw: () => adamw({ learningRate: 1e-3, weightDecay: 0.01 }),
};

function layersOf(task: Task<LoadedTensor>): Layer[] {
  const layers = task.layers.map(({ weight, bias }) => {
    const [outputs, inputs] = weight.shape as readonly [number, number]; // weights are matrices
    const options = { initializer: given(weight), biasInitializer: given(bias) };
    return linear(inputs, outputs, options);
  });
  return layers.flatMap((layer, index) => (index === 0 ? [layer] : [relu, layer]));
}

/** First values that were drawn for all contenders. */
function given({ data }: LoadedTensor): Initializer {
  return { name: "given", fill: (values) => values.set(data) };
}
