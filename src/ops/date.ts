/** Dates: texts to the numbers they are made of. */
import { type DatePart, dateParts, datePattern } from "../array/date.ts";
import { onnxDType } from "../array/dtype.ts";
import { formatShape, sameShape } from "../array/shape.ts";
import { fail } from "../errors.ts";
import { defineOp, type EmitContext } from "../graph/op.ts";
import { apply, type Tensor } from "../graph/tensor.ts";

/**
 * The parts of dates written as ISO 8601 does (see DatePart): strings [batch] → float32 [batch, 7], in the order of `dateParts`,
 * each NaN where the text is no date that there is. Strings exist in saved models only, where this op stands in front of what
 * was trained on numbers. All of it is whole numbers until elapsed, a float64 that is rounded once.
 * Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (days_from_civil); ONNX RegexFullMatch-20 and
 * StringSplit-20.
 */
export function datePartsOf(strings: Tensor): Tensor {
  return apply(datePartsOp, [strings], {});
}

const datePartsOp = defineOp({
  name: "datePartsOf",
  infer: ([strings]) => {
    if (strings!.dtype !== "string" || !sameShape(strings!.shape, ["batch"])) {
      fail("datePartsOf", {
        expected: "a string tensor [batch]",
        got: `${strings!.dtype} ${formatShape(strings!.shape)}`,
        fix: "pass one text per sample",
      });
    }
    return { shape: ["batch", dateParts.length], dtype: "float32" };
  },
  onnx: (context) => {
    const { inputs, node, output, ints, constant } = context;
    const looksRight = node("RegexFullMatch", inputs, { pattern: datePattern });
    // What is no date is computed as one and thrown away in the end: a cast of other texts would end the run.
    const fields = fieldsOf(context, node("Where", [looksRight, inputs[0]!, textIn(context, "1970-01-01")]));
    const whole = wholeParts(context, fields);
    const exists = node("LessOrEqual", [fields.day, daysInMonth(context, fields)]);
    const parts = dateParts.map((part) =>
      part === "elapsed"
        ? node("Cast", [elapsed(context, fields, whole.days)], { to: onnxDType.float32 })
        : node("Cast", [whole[part]], { to: onnxDType.float32 }),
    );
    const columns = parts.map((part) => node("Unsqueeze", [part, ints([1])]));
    const isDate = node("Unsqueeze", [node("And", [looksRight, exists]), ints([1])]);
    node("Where", [isDate, node("Concat", columns, { axis: 1 }), constant([Number.NaN])], {}, output);
  },
  samples: [
    {
      inputs: [
        {
          shape: ["batch"],
          dtype: "string",
          words: [
            "2024-02-29",
            "1900-03-01",
            "0001-01-01 23:59",
            "9999-12-31T14:30:05.25-14:30",
            "1969-07-20T20:17Z",
          ],
        },
      ],
      build: (x) => datePartsOf(x),
    },
  ],
});

type Pen = Pick<EmitContext, "node" | "ints">;

/** The numbers as they are written, names of int64 values [batch]; of what is not written 0. */
interface Fields {
  readonly year: string;
  readonly month: string;
  readonly day: string;
  readonly hour: string;
  readonly minute: string;
  readonly second: string;
  /** How many minutes the clock is ahead of UTC. */
  readonly ahead: string;
}

const textIn = ({ node }: Pen, text: string) => node("Constant", [], { value_string: text });

/**
 * Cuts texts at delimiters. Every text gets the delimiters behind it first, so that there are enough pieces: how many there
 * are depends on the longest text, and a piece that is not there could not be asked for.
 */
function cut(pen: Pen, text: string, delimiter: string, pieces: number): string[] {
  const { node, ints } = pen;
  const padded = node("StringConcat", [text, textIn(pen, delimiter.repeat(pieces - 1))]);
  const all = node("StringSplit", [padded], { delimiter }, undefined, "", 1);
  return Array.from({ length: pieces }, (_, at) => node("Gather", [all, ints([at], [])], { axis: 1 }));
}

/** The whole number that a text of digits says, 0 where it is empty. */
function numberIn(pen: Pen, digits: string): string {
  const text = pen.node("StringConcat", [textIn(pen, "0"), digits]);
  return pen.node("Cast", [text], { to: onnxDType.int64 });
}

function fieldsOf(pen: Pen, text: string): Fields {
  const { node } = pen;
  const [before, behindBlank] = cut(pen, text, " ", 2);
  const [date, behindT] = cut(pen, before!, "T", 2);
  const [beforeZ] = cut(pen, node("StringConcat", [behindBlank!, behindT!]), "Z", 2);
  const [beforePlus, plus] = cut(pen, beforeZ!, "+", 2);
  const [time, minus] = cut(pen, beforePlus!, "-", 2);
  const [year, month, day] = cut(pen, date!, "-", 3).map((digits) => numberIn(pen, digits));
  const [hour, minute, seconds] = cut(pen, time!, ":", 3);
  const [second] = cut(pen, seconds!, ".", 2);
  return {
    year: year!,
    month: month!,
    day: day!,
    hour: numberIn(pen, hour!),
    minute: numberIn(pen, minute!),
    second: numberIn(pen, second!),
    ahead: node("Sub", [minutesIn(pen, plus!), minutesIn(pen, minus!)]),
  };
}

/** "02:30", "02" or "" in minutes. */
function minutesIn(pen: Pen, text: string): string {
  const [hours, minutes] = cut(pen, text, ":", 2).map((digits) => numberIn(pen, digits));
  return pen.node("Add", [times(pen, hours!, 60), minutes!]);
}

const plus = ({ node, ints }: Pen, name: string, number: number) => node("Add", [name, ints([number])]);
const times = ({ node, ints }: Pen, name: string, number: number) => node("Mul", [name, ints([number])]);
const over = ({ node, ints }: Pen, name: string, number: number) => node("Div", [name, ints([number])]);
const modulo = ({ node, ints }: Pen, name: string, number: number) => node("Mod", [name, ints([number])]);
const sum = ({ node }: Pen, ...names: readonly string[]) => names.reduce((a, b) => node("Add", [a, b]));

/** Days from 0000-03-01 to 1970-01-01, where elapsed days are counted from. */
const daysBefore1970 = 719468;

/** Every part but elapsed, and the days since 0000-03-01: counted from March, leap days come last and are in no formula. */
function wholeParts(
  pen: Pen,
  { year, month, day, hour, minute }: Fields,
): Record<Exclude<DatePart, "elapsed"> | "days", string> {
  const { node, ints } = pen;
  const isBeforeMarch = node("Less", [month, ints([3])]);
  const from = node("Sub", [year, node("Cast", [isBeforeMarch], { to: onnxDType.int64 })]);
  const months = modulo(pen, plus(pen, month, 9), 12); // March is 0
  const inYear = sum(pen, over(pen, plus(pen, times(pen, months, 153), 2), 5), plus(pen, day, -1));
  const leapDays = node("Sub", [sum(pen, over(pen, from, 4), over(pen, from, 400)), over(pen, from, 100)]);
  const days = sum(pen, times(pen, from, 365), leapDays, inYear);
  const weekday = plus(pen, modulo(pen, plus(pen, days, 2), 7), 1); // 0000-03-01 was a Wednesday
  return { year, month, day, weekday, hour, minute, days };
}

/** 30 or 31, in turn until July and again from August; of February 28 or 29. */
function daysInMonth(pen: Pen, { year, month }: Fields): string {
  const { node, ints } = pen;
  const isEven = (number: number) => node("Equal", [modulo(pen, year, number), ints([0])]);
  const isLeap = node("And", [isEven(4), node("Or", [node("Not", [isEven(100)]), isEven(400)])]);
  const ofFebruary = plus(pen, node("Cast", [isLeap], { to: onnxDType.int64 }), 28);
  const others = plus(pen, modulo(pen, sum(pen, month, over(pen, month, 8)), 2), 30);
  return node("Where", [node("Equal", [month, ints([2])]), ofFebruary, others]);
}

/** In float64: days and seconds of a day together have more digits than float32. */
function elapsed(pen: EmitContext, { hour, minute, second, ahead }: Fields, days: string): string {
  const { node, constant } = pen;
  const minutes = node("Sub", [sum(pen, times(pen, hour, 60), minute), ahead]);
  const seconds = sum(pen, times(pen, minutes, 60), second);
  const wide = (name: string) => node("Cast", [name], { to: onnxDType.float64 });
  const share = node("Div", [wide(seconds), constant([86400], [], "float64")]);
  return node("Add", [wide(plus(pen, days, -daysBefore1970)), share]);
}
