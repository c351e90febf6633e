import assert from "node:assert/strict";
import { test } from "node:test";
import { bug, fail, MicrobatchError } from "./errors.ts";

const proof = { expected: "the last axis to be 3", got: "[batch, 4]", fix: "linear(4, 8)" };

test("an error reads as a small proof: where, expected, got, fix", () => {
  assert.throws(() => fail("linear(3, 8)", proof), {
    name: "MicrobatchError",
    message: "linear(3, 8): expected the last axis to be 3, got [batch, 4]. Fix: linear(4, 8)",
  });
});

test("the four parts are there one by one", () => {
  const { where, expected, got, fix } = new MicrobatchError("linear(3, 8)", proof);
  assert.deepEqual({ where, expected, got, fix }, { where: "linear(3, 8)", ...proof });
});

test("an error is an Error, says where it was made, and keeps its cause", () => {
  const cause = new Error("the disk is full");
  const caught = caughtFrom(() => fail("save", proof, { cause }));
  assert.ok(caught instanceof MicrobatchError && caught instanceof Error);
  assert.equal(caught.cause, cause);
  assert.match(caught.stack!, /errors\.test\.ts/);
});

test("what cannot happen says that it is a bug and asks for a report", () => {
  const caught = caughtFrom(() => bug("two lanes are one"));
  assert.ok(!(caught instanceof MicrobatchError));
  assert.equal(
    (caught as Error).message,
    "bug: two lanes are one. Please report this message with the plan that led to it.",
  );
});

function caughtFrom(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: "nothing was thrown" });
}
