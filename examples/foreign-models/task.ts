/** The task: was this picture of clothing turned upside down? Real pictures, and a coin per picture that turns it or not. */
import { join } from "node:path";
import { arrays, type ColumnSpec, type Dataset } from "microbatch";
import { idx } from "microbatch/node";

const folder = process.env.FASHION_MNIST ?? "/usr/share/datasets/fashion-mnist";

/** image uint8 [height, width], turned int32: 1 where it is upside down. */
export type Pictures = Dataset<{ readonly image: ColumnSpec; readonly turned: ColumnSpec }>;

/** The first pictures of a part of Fashion-MNIST, stretched to a size (each pixel is its nearest one), half of them turned. */
export async function pictures(
  part: "train" | "t10k",
  samples: readonly [first: number, end: number],
  [height, width]: readonly [number, number],
): Promise<Pictures> {
  const data = await idx({ image: join(folder, `${part}-images-idx3-ubyte.gz`) });
  const chosen = Uint32Array.from({ length: samples[1] - samples[0] }, (_, at) => samples[0] + at);
  const pixels = new Uint8Array(chosen.length * 784);
  data.read("image", chosen, pixels);
  const image = new Uint8Array(chosen.length * height * width);
  const turned = Int32Array.from(chosen, coin);
  for (let sample = 0; sample < chosen.length; sample++) {
    for (let to = 0; to < height * width; to++) {
      const row = Math.floor((Math.floor(to / width) * 28) / height);
      const from = row * 28 + Math.floor(((to % width) * 28) / width);
      const pixel = turned[sample] === 1 ? 783 - from : from; // half a turn is the same pixels backwards
      image[sample * height * width + to] = pixels[sample * 784 + pixel]!;
    }
  }
  return arrays(
    { image: { data: image, shape: [chosen.length, height, width] }, turned },
    { name: `${part} pictures` },
  );
}

/** 0 or 1, by a hash of the picture's number, so that every run turns the same ones. */
const coin = (number: number): number => hash(number) & 1;

/** The same numbers, every so many of them in a random order that every run has. */
export function shuffled(values: Float32Array, count: number, seed: number): Float32Array {
  const result = values.slice();
  for (let start = 0; start < result.length; start += count) {
    for (let at = count - 1; at > 0; at--) {
      const other = hash(start + at + hash(seed)) % (at + 1);
      [result[start + at], result[start + other]] = [result[start + other]!, result[start + at]!];
    }
  }
  return result;
}

/** A whole number from 0 to 2³² − 1. */
function hash(number: number): number {
  let bits = Math.imul(number + 1, 0x9e3779b1);
  bits = Math.imul(bits ^ (bits >>> 15), 0x85ebca6b);
  return (bits ^ (bits >>> 13)) >>> 0;
}
