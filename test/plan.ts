/** A plan that other processes can make too: everything but what `change` says is left out. */
import { arrays } from "../src/data/arrays.ts";
import { dropout, linear, sequence, squaredError, tanh } from "../src/nn/index.ts";
import { adamw } from "../src/optim/index.ts";
import type { Plan } from "../src/train/plan.ts";
import { afterEpochs } from "../src/train/stop.ts";

/** A small regression with dropout. */
export function plan(change: object): Plan {
  const x = Array.from({ length: 60 }, (_, i) => [Math.sin(i), Math.cos(3 * i), i / 60]);
  const data = arrays({ x, y: x.map(([a, b, c]) => [Math.tanh(a! - 2 * b!) + c!]) });
  const body = sequence(linear(16), tanh, dropout(0.1), linear(1));
  return {
    data,
    model: (row) => body(row.x!),
    loss: (predicted, row) => squaredError(predicted, row.y!),
    optimizer: adamw({ learningRate: 0.01 }),
    stop: afterEpochs(4),
    ...change,
  };
}
