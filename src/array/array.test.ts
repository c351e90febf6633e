import assert from "node:assert/strict";
import { test } from "node:test";
import { refuses } from "../../test/reference/refusals.ts";
import { contentKey, float32, int32, ndarray } from "./array.ts";
import {
  allocate,
  bytesPerElement,
  type DType,
  holds,
  isFloat,
  type NumericDType,
  onnxDType,
  typedArrayOf,
} from "./dtype.ts";

refuses("an array", [
  [
    "elements that do not fill the shape",
    () => ndarray("float32", [2, 3], new Float32Array(5)),
    "ndarray: expected 6 float32 elements for shape [2, 3], got 5 elements in a Float32Array. Fix: pass a typed array of 6 float32 elements, or another shape",
  ],
  [
    "elements of another dtype",
    () => ndarray("int32", [2], new Float32Array(2)),
    "ndarray: expected 2 int32 elements for shape [2], got 2 elements in a Float32Array. Fix: pass a typed array of 2 int32 elements, or another shape",
  ],
]);

test("an array wraps its elements without copying, and its shape cannot change", () => {
  const data = Float32Array.of(1, 2, 3, 4);
  const shape = [2, 2];
  const array = ndarray("float32", shape, data.subarray(0, 4));
  data[0] = 9;
  shape[0] = 7;
  assert.equal(array.data[0], 9);
  assert.deepEqual(array.shape, [2, 2]);
  assert.ok(Object.isFrozen(array) && Object.isFrozen(array.shape));
});

test("plain numbers become arrays, lists unless a shape is given", () => {
  assert.deepEqual(float32([1, 2]).shape, [2]);
  assert.deepEqual(int32([1, 2], [1, 2]).data, Int32Array.of(1, 2));
});

test("content is told apart by dtype, shape and every bit that counts", () => {
  const arrays = [
    float32([0, 1]),
    float32([-0, 1]),
    float32([Number.NaN, 1]),
    float32([0, 1], [2, 1]),
    int32([0, 1]),
    ndarray("bool", [2], Uint8Array.of(0, 1)),
    ndarray("uint8", [2], Uint8Array.of(0, 1)),
    ndarray("int64", [2], BigInt64Array.of(0n, 1n)),
    ndarray("int64", [2], BigInt64Array.of(0n, 2n ** 60n + 1n)),
    ndarray("int64", [2], BigInt64Array.of(0n, 2n ** 60n)),
  ];
  assert.equal(new Set(arrays.map(contentKey)).size, arrays.length);
  assert.equal(contentKey(float32([Number.NaN, -0])), contentKey(float32([Number.NaN, -0])));
});

test("every numeric dtype has a typed array of its size, and nothing else holds it", () => {
  const sizes = { float32: 4, float64: 8, int32: 4, int64: 8, uint8: 1, bool: 1 };
  for (const [name, size] of Object.entries(sizes)) {
    const dtype = name as NumericDType; // the keys above
    const array = allocate(dtype, 3);
    assert.deepEqual([bytesPerElement(dtype), array.BYTES_PER_ELEMENT, array.length], [size, size, 3]);
    assert.ok(holds(array, dtype) && holds(typedArrayOf(dtype, [0, 1]), dtype));
    assert.ok(!holds([0, 1], dtype) && !holds(new Uint16Array(3), dtype));
    assert.deepEqual(Array.from(typedArrayOf(dtype, [0, 1]), Number), [0, 1]);
    assert.equal(isFloat(dtype), name.startsWith("float"));
  }
  assert.ok(holds(["a"], "string") && !isFloat("string"));
});

test("dtypes have ONNX's numbers", () => {
  const numbers: Record<DType, number> = {
    float32: 1,
    uint8: 2,
    int32: 6,
    int64: 7,
    string: 8,
    bool: 9,
    float64: 11,
  };
  assert.deepEqual(onnxDType, numbers);
});
