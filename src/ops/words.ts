/** Words: texts to the codes of the words they are made of. */
import { onnxDType } from "../array/dtype.ts";
import { formatShape, sameShape } from "../array/shape.ts";
import { mostParts, wordCodesOf, wordSeparators } from "../array/words.ts";
import { fail } from "../errors.ts";
import { defineOp, type EmitContext } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";

/** Options of `wordCodes`. */
export interface WordCodeOptions {
  /** How many words of each text count: the first ones. */
  readonly length: number;
  /** Texts that stand for a missing one, "NA" for example. Default: only "" does. */
  readonly missingTexts?: readonly string[];
}

/**
 * The first words of each text (see `splitWords`): strings [batch] → int32 [batch, length], the position of each word in the list,
 * 0 for words that are not listed, which is what words[0] stands for, and the number of words behind the end. Strings exist in saved
 * models only, where this op stands in front of what was trained on codes.
 * Throws for a length that is none, and for a word that is empty or comes twice. Source: ONNX StringSplit-20, LabelEncoder-2.
 */
export function wordCodes(
  strings: Tensor,
  words: readonly string[],
  { length, missingTexts = [] }: WordCodeOptions,
): Tensor {
  const listed = new Set(words);
  if (listed.size !== words.length || listed.size === 0 || listed.has("")) {
    fail("wordCodes", {
      expected: "words that are not empty, each once",
      got: `${words.length} words, of which ${listed.size} differ${listed.has("") ? `, one ""` : ""}`,
      fix: "pass the categories of the column",
    });
  }
  if (!(Number.isSafeInteger(length) && length >= 1)) {
    fail("wordCodes", {
      expected: "a length that is a whole number from 1 on",
      got: String(length),
      fix: "for example 256",
    });
  }
  return apply(wordCodesOp, [strings], { words: [...words], length, markers: [...new Set(missingTexts)] });
}

type WordAttributes = {
  readonly words: readonly string[];
  readonly length: number;
  readonly markers: readonly string[];
};

const sampleWords = ["[unknown]", "free", "money", "it's", "übel"];

const wordCodesOp = defineOp<WordAttributes>({
  name: "wordCodes",
  infer: ([strings], { length }) => {
    if (strings!.dtype !== "string" || !sameShape(strings!.shape, ["batch"])) {
      fail("wordCodes", {
        expected: "a string tensor [batch]",
        got: `${strings!.dtype} ${formatShape(strings!.shape)}`,
        fix: "pass one text per sample",
      });
    }
    return { shape: ["batch", length], dtype: "int32" };
  },
  onnx: (context) => {
    const { attributes, node, output, ints, size } = context;
    const { words, length } = attributes;
    const { texts, rows } = cut(context, withoutMarkers(context));
    const places = placesOf(context, rows);
    const kept = indicesOf(context, node("Less", [places, ints([length], [])]));
    const at = node("Concat", [columnOf(context, rows, kept), columnOf(context, places, kept)], { axis: 1 });
    const codes = node("Gather", [codesOf(context, texts), kept]);
    const shape = node("Concat", [size("batch"), ints([length])], { axis: 0 });
    const empty = node("Expand", [ints([words.length], []), shape]);
    node("Cast", [node("ScatterND", [empty, at, codes])], { to: onnxDType.int32 }, output); // every place once
  },
  samples: [
    {
      inputs: [
        {
          shape: ["batch"],
          dtype: "string",
          words: [
            "",
            " ",
            "NA",
            "?!",
            "Free MONEY, it's  free!\r\nmoney\tmOney Free free",
            "übel ÜBEL\n\n\nfree",
            "a-b.c free/money",
          ],
        },
      ],
      build: (x) => wordCodes(x, sampleWords, { length: 6, missingTexts: ["NA"] }),
    },
    {
      inputs: [{ shape: ["batch"], dtype: "string", words: ["", "money", "free it's money"] }],
      build: (x) => wordCodes(x, sampleWords, { length: 2 }),
    },
  ],
});

type Pen = EmitContext<WordAttributes>;

/** Missing texts are empty ones. */
function withoutMarkers({ inputs, attributes: { markers }, node }: Pen): string {
  if (markers.length === 0) return inputs[0]!;
  const isMissing = node(
    "LabelEncoder",
    inputs,
    { keys_strings: { strings: markers }, values_int64s: markers.map(() => 1), default_int64: 0 },
    undefined,
    "ai.onnx.ml",
  );
  return node("Where", [node("Cast", [isMissing], { to: onnxDType.bool }), emptyText(node), inputs[0]!]);
}

const emptyText = (node: Pen["node"]) => node("Constant", [], { value_string: "" });

/** All words of all texts, and the text that each is of, in order: what is empty is left out after every cut, since rows are ragged. */
function cut(pen: Pen, all: string): { readonly texts: string; readonly rows: string } {
  const { attributes, node, ints, size } = pen;
  const { length } = attributes;
  let texts = all;
  let rows = node("Range", [ints([0], []), node("Squeeze", [size("batch")]), ints([1], [])]);
  for (const separator of wordSeparators) {
    const delimiter = separator === " " ? {} : { delimiter: separator };
    const most = mostParts(separator, length);
    const pieces = node("StringSplit", [texts], { ...delimiter, maxsplit: most }, undefined, "", 1);
    const isText = node("Not", [node("Equal", [pieces, emptyText(node)])]);
    const at = node("NonZero", [node("And", [isText, isCounted(pen, pieces, most)])]); // [2, pieces]
    texts = node("GatherND", [pieces, node("Transpose", [at])]);
    rows = node("Gather", [rows, node("Gather", [at, ints([0], [])])]);
  }
  return { texts, rows };
}

/** [parts]: false behind the first so many, where the rest that was not cut stands. (Slicing the texts would copy them.) */
function isCounted({ node, ints }: Pen, pieces: string, most: number): string {
  const parts = node("Squeeze", [node("Shape", [pieces], { start: 1 })]);
  return node("Less", [node("Range", [ints([0], []), parts, ints([1], [])]), ints([most], [])]);
}

/** How many words of its text come before each word: its index, less that of the text's first word. */
function placesOf(pen: Pen, rows: string): string {
  const { node, ints, size } = pen;
  const count = node("Shape", [rows]);
  const index = node("Range", [ints([0], []), node("Squeeze", [count]), ints([1], [])]);
  const before = node("Slice", [
    node("Concat", [ints([-1]), rows], { axis: 0 }),
    ints([0]),
    count,
    ints([0]),
  ]);
  const firsts = indicesOf(pen, node("Not", [node("Equal", [rows, before])]));
  const none = node("Expand", [ints([0], []), size("batch")]);
  const start = node("ScatterElements", [none, node("Gather", [rows, firsts]), firsts], { axis: 0 });
  return node("Sub", [index, node("Gather", [start, rows])]);
}

/** Where a list is true. */
const indicesOf = ({ node, ints }: Pen, isTrue: string) =>
  node("Squeeze", [node("NonZero", [isTrue]), ints([0])]);

/** The numbers at the indices, [indices, 1]. */
const columnOf = ({ node, ints }: Pen, numbers: string, indices: string) =>
  node("Unsqueeze", [node("Gather", [numbers, indices]), ints([1])]);

function codesOf({ attributes: { words }, node }: Pen, texts: string): string {
  const codes = wordCodesOf(words);
  return node(
    "LabelEncoder",
    [texts],
    {
      keys_strings: { strings: [...codes.keys()] },
      values_int64s: [...codes.values()],
      default_int64: 0,
    },
    undefined,
    "ai.onnx.ml",
  );
}
