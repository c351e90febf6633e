/** A plan on augmented images that other processes can make too. */
import type { Dataset } from "../src/data/dataset.ts";
import type { Source } from "../src/data/source.ts";
import {
  adamw,
  afterEpochs,
  cast,
  colour,
  crop,
  crossEntropy,
  div,
  flip,
  linear,
  type Plan,
  relu,
  reshape,
  sequence,
} from "../src/index.ts";

const columns = {
  image: { dtype: "uint8", shape: [3, 8, 10] },
  label: { dtype: "int32", shape: [] },
  weight: { dtype: "float32", shape: [] },
} as const;

/** 193 small pictures of three classes; every ninth has weight 0. */
export const imageSource: Source<typeof columns> = {
  name: "pictures",
  columns,
  weight: "weight",
  fingerprint: async () => "pictures",
  async *pieces() {
    const samples = 193;
    const of = (value: (sample: number) => number) => Array.from({ length: samples }, (_, at) => value(at));
    yield {
      samples,
      columns: {
        image: Uint8Array.from({ length: samples * 240 }, (_, at) => {
          const [sample, pixel] = [Math.floor(at / 240), at % 240];
          return 127 + 120 * Math.sin(pixel * (1 + (sample % 3)) * 0.3 + sample);
        }),
        label: Int32Array.from(of((sample) => sample % 3)),
        weight: Float32Array.from(of((sample) => (sample % 9 === 0 ? 0 : 1 + (sample % 2)))),
      },
    };
  },
};

/** Three epochs of four batches and a rest of one sample. */
export function imagePlan(data: Dataset<typeof columns>): Plan<typeof columns> {
  const body = sequence(linear(16), relu, linear(3));
  return {
    data,
    model: (row) => body(div(reshape(cast(row.image, "float32"), ["batch", 240]), 255)),
    loss: (logits, row) => crossEntropy(logits, row.label),
    optimizer: adamw({ learningRate: 0.002 }),
    augment: {
      image: [flip(), crop({ padding: 2 }), colour({ brightness: 0.2, contrast: 0.2, saturation: 0.2 })],
    },
    batchSize: 48,
    microbatchSize: 13,
    seed: 5,
    stop: afterEpochs(3),
  };
}
