import assert from "node:assert/strict";
import { test } from "node:test";
import { keepProbability } from "../array/drop-rate.ts";
import { philox } from "../array/random.ts";
import { fillMask, type MaskCall } from "./masks.ts";

type MaskSettings = Partial<Omit<MaskCall, "positions">>;

const mask = (call: MaskSettings & { readonly positions: readonly number[] }): Uint8Array => {
  const { positions, ...rest } = call;
  const settings = { elementsPerSample: 100, rate: 0.3, seed: 7, step: 0, layer: 0, ...rest };
  const into = new Uint8Array(positions.length * settings.elementsPerSample);
  fillMask({ into, positions: Uint32Array.from(positions), ...settings });
  return into;
};

test("a mask has the bytes of Philox as it is documented", () => {
  const cases = [
    { elementsPerSample: 1, positions: [0] },
    { elementsPerSample: 31, positions: [5, 2 ** 32 - 1] },
    { elementsPerSample: 33, positions: [1, 0], rate: 0.5 },
    { elementsPerSample: 100, positions: [9], seed: 2 ** 53 - 1, step: 2 ** 32 - 1, layer: 2 ** 32 - 1 },
    { elementsPerSample: 100, positions: [9], seed: 2 ** 40 + 3, step: 17, layer: 4, rate: 0.9999 },
    { elementsPerSample: 65536 + 40, positions: [3], rate: 0.1 }, // more than one call of the kernel
  ];
  for (const { positions, ...settings } of cases) {
    assert.deepEqual(
      mask({ positions, ...settings }),
      plainMask({ positions, ...settings }),
      JSON.stringify(settings),
    );
  }
});

test("a sample's mask does not depend on the microbatch it is in", () => {
  const together = mask({ positions: [0, 1, 2, 3, 4, 5, 6] });
  const apart = [[4], [6, 0], [5, 3, 1], [2]];
  for (const positions of apart) {
    const part = mask({ positions });
    positions.forEach((position, row) => {
      const expected = together.subarray(position * 100, position * 100 + 100);
      assert.deepEqual(part.subarray(row * 100, row * 100 + 100), expected);
    });
  }
});

test("rate 0 keeps everything, and the share that is kept is the documented one", () => {
  assert.ok(mask({ positions: [1, 2], rate: 0 }).every((element) => element === 1));
  for (const rate of [0.001, 0.1, 0.25, 0.5, 0.9, 0.999]) {
    const keep = keepProbability(rate);
    assert.equal(keep, 1 - Math.round(rate * 65536) / 65536);
    const count = 400_000;
    const kept = mask({ positions: [0, 1, 2, 3], elementsPerSample: count / 4, rate }).reduce(
      (a, b) => a + b,
      0,
    );
    // Binomial: σ = √(n·p·(1 − p)); the masks are fixed, so this never flickers.
    const deviation = Math.abs(kept - count * keep) / Math.sqrt(count * keep * (1 - keep));
    assert.ok(deviation < 4, `rate ${rate}: ${deviation} σ`);
  }
});

test("neighbouring elements, samples, steps, layers and seeds are uncorrelated", () => {
  const count = 200_000;
  const draw = (settings: MaskSettings, position = 0) =>
    mask({ positions: [position], elementsPerSample: count + 32, rate: 0.5, ...settings });
  const base = draw({});
  const others = {
    "element + 1": base.subarray(1),
    "element + 2": base.subarray(2),
    "element + 8": base.subarray(8),
    "element + 32": base.subarray(32),
    "sample + 1": draw({}, 1),
    "step + 1": draw({ step: 1 }),
    "layer + 1": draw({ layer: 1 }),
    "seed + 1": draw({ seed: 8 }),
    "seed + 2³²": draw({ seed: 7 + 2 ** 32 }),
  };
  for (const [name, other] of Object.entries(others)) {
    let agreement = 0;
    for (let element = 0; element < count; element++) agreement += base[element] === other[element] ? 1 : -1;
    // Independent halves agree as often as not: the sum of ±1 has σ = √count.
    assert.ok(Math.abs(agreement) < 4 * Math.sqrt(count), `${name}: ${agreement}`);
  }
});

test("only the mask is written", () => {
  const into = new Uint8Array(300).fill(9);
  fillMask({
    into,
    positions: Uint32Array.of(3, 4),
    elementsPerSample: 50,
    rate: 0.5,
    seed: 1,
    step: 0,
    layer: 0,
  });
  assert.ok(into.subarray(0, 100).every((element) => element < 2));
  assert.ok(into.subarray(100).every((element) => element === 9));
});

test("numbers out of range and a small target are refused", () => {
  assert.throws(() => mask({ positions: [0], rate: 1 }), {
    message:
      "dropout: expected a rate from 0 to below 1 (at most 0.99999), got 1. " +
      "Fix: give the probability of dropping an element, for example 0.1",
  });
  assert.throws(() => keepProbability(Number.NaN), /got NaN/);
  assert.throws(() => mask({ positions: [0], step: -1 }), {
    message:
      "fillMask: expected step to be a whole number from 0 to 4294967295, got -1. Fix: pass step in that range",
  });
  assert.throws(() => mask({ positions: [0], into: new Uint8Array(99) }), {
    message:
      "fillMask: expected room for 1 samples of 100 elements, got 99 bytes. Fix: pass a Uint8Array of 100",
  });
});

/** The generator word for word from its documentation. */
function plainMask(call: Parameters<typeof mask>[0]): Uint8Array {
  const { positions, elementsPerSample = 100, rate = 0.3, seed = 7, step = 0, layer = 0 } = call;
  const dropped = Math.round(rate * 65536);
  return Uint8Array.from({ length: positions.length * elementsPerSample }, (_, index) => {
    const position = positions[Math.floor(index / elementsPerSample)]!;
    const element = index % elementsPerSample;
    const [group, word, lane, half] = [element >> 5, (element >> 3) & 3, (element >> 1) & 3, element & 1];
    const keyHigh = Math.floor(seed / 2 ** 32) + 2 ** 31;
    const words = philox(seed, keyHigh, 4 * group + lane, position, step, layer);
    return ((words[word]! >>> (16 * half)) & 0xffff) >= dropped ? 1 : 0;
  });
}
