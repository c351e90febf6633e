import assert from "node:assert/strict";
import { test } from "node:test";
import { input } from "../graph/tensor.ts";
import { parametersOf, sorted } from "../graph/walk.ts";
import { positional } from "./positional.ts";

test("learned positions are one parameter, and shorter sequences use its beginning", () => {
  const layer = positional("learned", { name: "place" });
  const long = layer(input("x", ["batch", 5, 4]));
  const short = layer(input("y", ["batch", 3, 4]));
  assert.deepEqual(
    parametersOf([long, short]).map(({ shape }) => shape),
    [[5, 4]],
  );
  assert.deepEqual(short.shape, ["batch", 3, 4]);
  assert.throws(() => layer(input("z", ["batch", 6, 4])), {
    message:
      'positional("learned"): expected at most 5 positions of 4 features, as in the tensor it saw first, got [batch, 6, 4]. Fix: make another positional("learned") for it',
  });
});

test("rotary tables are made once for queries and keys", () => {
  const layer = positional("rotary");
  const [queries, keys] = ["q", "k"].map((name) => layer(input(name, ["batch", 2, 70, 4])));
  const constants = sorted([queries!, keys!]).filter(({ leaf }) => leaf?.kind === "constant");
  assert.equal(constants.length, 2);
});

test("positions need a fixed time, pairs an even number of features", () => {
  assert.throws(() => positional("sinusoidal")(input("x", ["batch", 5, 3])), {
    message:
      'positional("sinusoidal"): expected an even number of features: they go in pairs, got 3. Fix: 4 features',
  });
  assert.throws(() => positional("rotary")(input("x", ["batch", 4])), {
    message:
      'positional("rotary"): expected x [batch, …, time, features] with a fixed time, got [batch, 4]. Fix: apply it before positions and samples are flattened into one axis',
  });
  assert.throws(() => positional("none" as "learned"), {
    message:
      'positional: expected "learned", "sinusoidal" or "rotary", got "none". Fix: for example positional("learned")',
  });
});
