/** Whether this machine's ONNX Runtime has blocked convolutions, and how many channels they take at a time. */
import type { Op } from "../graph/op.ts";
import { buildProgram } from "../graph/program.ts";
import { apply, input } from "../graph/tensor.ts";
import { encodeOnnx } from "../onnx/encode.ts";
import type { Runtime } from "./runtime.ts";

const channels = 32;

/** Not registered: it is no op of ours, but a look at what the runtime does. */
const reorder: Op = {
  name: "reorder",
  infer: () => ({ shape: [1, channels, 1, 2], dtype: "float32" as const }),
  onnx: ({ inputs, node, output }) => node("ReorderInput", inputs, {}, output, "com.microsoft.nchwc"),
  samples: [],
};

/**
 * Channels in a block (16 with AVX-512, 8 elsewhere), or none. The domain is ONNX Runtime's own and undocumented, so it is
 * asked rather than believed: two numbers to each channel go in, in order, and as long as every second comes out the
 * block goes on. Whatever else comes out, or an error, is "none".
 */
export async function findChannelBlock(load: Runtime["load"]): Promise<number | undefined> {
  const output = apply(reorder, [input("x", [1, channels, 1, 2])], {});
  const ramp = Float32Array.from({ length: 2 * channels }, (_, index) => index);
  const blocked = new Float32Array(2 * channels);
  const shape = [1, channels, 1, 2];
  try {
    const session = await load(
      "blocked convolution",
      encodeOnnx(buildProgram({ name: "reorder", outputs: { output } })),
    );
    const binding = session.bind(
      { x: { dtype: "float32", shape, data: ramp } },
      { output: { dtype: "float32", shape, data: blocked } },
    );
    await binding.run();
    await session.close();
  } catch {
    return undefined;
  }
  const block = blocked.findIndex((value, index) => value !== 2 * index);
  const want = ramp.map((_, index) => expected(index, block));
  return block > 1 && channels % block === 0 && want.every((value, index) => blocked[index] === value)
    ? block
    : undefined;
}

/** What lies at an index of the blocked form: block by block, place by place, the channels of a block. */
function expected(index: number, block: number): number {
  const [first, place, channel] = [
    Math.floor(index / (2 * block)),
    Math.floor(index / block) % 2,
    index % block,
  ];
  return (first * block + channel) * 2 + place;
}
