/** The shared tasks as plans of this package, written as its users would write them. */
import type { Initializer, Layer, Optimizer, Plan } from "../../src/index.ts";
import { adamw, arrays, crossEntropy, linear, relu, sequence, sgd, squaredError } from "../../src/index.ts";
import { type LoadedTensor, readTask, type Task } from "../harness/task.ts";

/** The data, model, loss and optimizer of a task. */
export function planOf(folder: string, learningRate?: number): Plan {
  const task = readTask(folder);
  const body = sequence(...layersOf(task));
  const x = { data: task.x.data, shape: task.x.shape };
  const y = { data: task.y.data, shape: task.y.shape };
  return {
    data: arrays({ x, y }),
    model: (row) => body(row.x!),
    loss: (predicted, row) =>
      task.loss === "crossEntropy" ? crossEntropy(predicted, row.y!) : squaredError(predicted, row.y!),
    optimizer: sgd({ learningRate: learningRate ?? task.learningRate, momentum: task.momentum }),
  };
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
