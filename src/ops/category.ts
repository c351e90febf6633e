/** Categories: strings to codes, codes to columns of zeros and ones. */
import { onnxDType, typedArrayOf } from "../array/dtype.ts";
import { fail } from "../errors.ts";
import { defineOp } from "../graph/op.ts";
import { apply, constant, type Tensor } from "../graph/tensor.ts";
import { reshape } from "./movement.ts";
import { requireIndices } from "./require.ts";
import { cast, equal } from "./selection.ts";

/**
 * 1 at the code's position, 0 elsewhere: codes [...] (int32 or int64) → float32 [..., depth].
 * A code outside 0 … depth − 1 gives zeros only, so −1 can stand for "missing".
 */
export function oneHot(codes: Tensor, depth: number): Tensor {
  requireIndices("oneHot", codes);
  if (!Number.isInteger(depth) || depth < 1) {
    fail("oneHot", {
      expected: "a depth that is a whole number from 1 on",
      got: String(depth),
      fix: "pass the number of categories",
    });
  }
  const dtype = codes.dtype === "int64" ? "int64" : "int32";
  const range = typedArrayOf(dtype, [...Array(depth).keys()]);
  const classes = constant({ dtype, shape: [depth], data: range });
  return cast(equal(reshape(codes, [...codes.shape, 1]), classes), "float32");
}

/** The codes of strings that are no category. */
export interface CategoryCodeOptions {
  /** The code of what stands for a missing value. Default −1: oneHot gives it zeros only. */
  readonly missing?: number;
  /** The code of a string that was never seen. Default: the number of categories, a code of its own. */
  readonly unseen?: number;
  /** Texts that stand for a missing value too, "NA" for example, unless a category is called that. Default: only "" does. */
  readonly missingTexts?: readonly string[];
}

/**
 * The position of each string in the list of categories: strings of any shape → int32 of the same shape.
 * Strings exist in saved models only, where this op stands in front of what was trained on codes.
 * Throws for a category that is empty or comes twice. Source: ONNX ai.onnx.ml LabelEncoder-2.
 */
export function categoryCodes(
  strings: Tensor,
  categories: readonly string[],
  options: CategoryCodeOptions = {},
): Tensor {
  const { missing = -1, unseen = categories.length, missingTexts = [] } = options;
  requireCategories("categoryCodes", categories);
  for (const [name, code] of Object.entries({ missing, unseen })) {
    if (!Number.isInteger(code)) {
      fail("categoryCodes", {
        expected: `a whole number as ${name}`,
        got: String(code),
        fix: "for example -1",
      });
    }
  }
  const known = new Set(categories);
  const markers = [...new Set(["", ...missingTexts])].filter((text) => !known.has(text));
  return apply(categoryCodesOp, [strings], { categories: [...categories], markers, missing, unseen });
}

/**
 * The name of each code, the other way round: codes of any shape (int32 or int64) → strings of the same shape. A code
 * outside 0 … categories.length − 1 gives "". So a saved classifier puts out the name of the class:
 * categoryNames(argMax(logits), classes). Strings exist in saved models only.
 * Throws for a category that is empty or comes twice. Source: ONNX ai.onnx.ml LabelEncoder-2.
 */
export function categoryNames(codes: Tensor, categories: readonly string[]): Tensor {
  requireCategories("categoryNames", categories);
  return apply(categoryNamesOp, [codes], { categories: [...categories] });
}

function requireCategories(where: string, categories: readonly string[]): void {
  const kinds = new Set(categories);
  if (kinds.size === categories.length && !kinds.has("")) return;
  const twice = categories.find((category, index) => categories.indexOf(category) !== index);
  fail(where, {
    expected: "categories that are not empty, each once",
    got: twice === undefined ? `""` : `"${twice}" twice`,
    fix: twice === undefined ? `remove it: "" already means missing` : "remove one of them",
  });
}

type CategoryCodesAttributes = {
  readonly categories: readonly string[];
  /** The texts that mean missing; none of them is a category. */
  readonly markers: readonly string[];
  readonly missing: number;
  readonly unseen: number;
};

const categoryCodesOp = defineOp<CategoryCodesAttributes>({
  name: "categoryCodes",
  infer: ([strings]) => {
    if (strings!.dtype !== "string") {
      fail("categoryCodes", {
        expected: "a string tensor",
        got: strings!.dtype,
        fix: "numbers need no codes; use them as they are",
      });
    }
    return { shape: strings!.shape, dtype: "int32" };
  },
  onnx: ({ inputs, attributes: { categories, markers, missing, unseen }, node, output }) => {
    const codes = node(
      "LabelEncoder",
      inputs,
      {
        keys_strings: { strings: [...categories, ...markers] },
        values_int64s: [...categories.keys(), ...markers.map(() => missing)],
        default_int64: unseen,
      },
      undefined,
      "ai.onnx.ml",
    );
    node("Cast", [codes], { to: onnxDType.int32 }, output);
  },
  samples: [
    { inputs: [{ shape: ["batch"], dtype: "string" }], build: (x) => categoryCodes(x, ["a", "b"]) },
    {
      inputs: [{ shape: ["batch", 4], dtype: "string" }],
      build: (x) => categoryCodes(x, ["b", "c", "a"], { missing: 7, unseen: -2 }),
    },
    {
      inputs: [{ shape: ["batch", 4], dtype: "string" }],
      build: (x) => categoryCodes(x, ["a", "b"], { missingTexts: ["c", "b", "?", "c"] }),
    },
  ],
});

const categoryNamesOp = defineOp<{ readonly categories: readonly string[] }>({
  name: "categoryNames",
  infer: ([codes]) => {
    requireIndices("categoryNames", codes!);
    return { shape: codes!.shape, dtype: "string" };
  },
  onnx: ({ inputs, tensors, attributes: { categories }, node, output }) => {
    const wide = tensors[0]!.dtype === "int64" ? inputs : [node("Cast", inputs, { to: onnxDType.int64 })];
    const keys = [...categories.keys()];
    node(
      "LabelEncoder",
      wide,
      { keys_int64s: keys, values_strings: { strings: categories }, default_string: "" },
      output,
      "ai.onnx.ml",
    );
  },
  samples: [
    {
      inputs: [{ shape: ["batch"], dtype: "int32", range: [-1, 4] }],
      build: (x) => categoryNames(x, ["a", "b", "ä ß 漢"]),
    },
    {
      inputs: [{ shape: ["batch", 4], dtype: "int64", range: [-2, 2] }],
      build: (x) => categoryNames(x, ["yes"]),
    },
  ],
});
