/**
 * A hundred wrong invocations: each ends with exit code 2, one message that says what to type instead, no stack trace,
 * nothing on standard output and nothing new in the folder. They are typed into one process, which takes a fraction of the time;
 * some of them are processes of their own too, and end in the same way to the letter.
 */
import assert from "node:assert/strict";
import { chmod, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { microbatchIn, microbatchInOneProcess, type Outcome } from "./command-line.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const folder = temporaryFolder();
const microbatch = microbatchIn(folder);
const oneProcess = microbatchInOneProcess(folder);
after(() => oneProcess.end());
/** One of so many is run as a process of its own too. */
const everyProcess = 25;

/** `count` rows of numbers with a target that depends on them. */
const rows = (count: number, row: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => row(index)).join("\n");
const wave = (index: number) => Math.sin(index).toFixed(3);
const good = `a,b,y,class\n${rows(40, (i) => `${wave(i)},${wave(3 * i)},${wave(i + 1)},${i % 2 ? "yes" : "no"}`)}\n`;
const change = (line: number, field: number, value: string) =>
  good
    .split("\n")
    .map((text, index) => (index + 1 !== line ? text : text.split(",").with(field, value).join(",")))
    .join("\n");

const classWeight = good
  .replace(/,(yes|no)\n/g, ",$1,$1\n")
  .replace("class", "class,w")
  .replaceAll(",yes\n", ",1\n")
  .replaceAll(",no\n", ",0\n");

const files: Readonly<Record<string, string | Uint8Array>> = {
  "good.csv": good,
  "good.jsonl": `{"a": 1, "y": 2}\n`,
  "empty.csv": "",
  "blank.csv": "\n\n",
  "header.csv": "a,b,y\n",
  "single.csv": "y\n1\n2\n",
  "twice.csv": `a,a,y\n${rows(20, (i) => `${wave(i)},${i},${wave(2 * i)}`)}\n`,
  "unnamed.csv": "1,2,3\n4,5,6\n",
  "constant.csv": `a,y\n${rows(20, (i) => `${wave(i)},7`)}\n`,
  "one-class.csv": `a,y\n${rows(20, (i) => `${wave(i)},cat`)}\n`,
  "lone-class.csv": `a,y\n${rows(20, (i) => `${wave(i)},${i === 11 ? "dog" : i % 2 ? "cat" : "cow"}`)}\n`,
  "identifier.csv": `a,y\n${rows(300, (i) => `${wave(i)},name${i}`)}\n`,
  "no-target.csv": `a,y\n${rows(20, (i) => `${wave(i)},NA`)}\n`,
  "no-features.csv": `a,y\n${rows(20, (i) => `1,${wave(i)}`)}\n`,
  "missing-features.csv": `a,y\n${rows(20, (i) => `,${wave(i)}`)}\n`,
  "leak.csv": `a,copy,y\n${rows(40, (i) => `${wave(3 * i)},${wave(i)},${wave(i)}`)}\n`,
  "one-row.csv": "a,y\n1,2\n",
  "ragged.csv": good.replace("\n", "\n1,2,3\n"),
  "wide.csv": good.replace("\n", "\n1,2,3,4,5\n"),
  "word.csv": change(7, 0, "many"),
  "infinite.csv": change(9, 1, "inf"),
  "huge.csv": change(9, 1, "1e300"),
  "hexadecimal.csv": change(5, 0, "0x10"),
  "comma.csv": `a;y\n${rows(20, (i) => `1,${i};${wave(i)}`)}\n`,
  "word-target.csv": change(6, 2, "much"),
  "infinite-target.csv": change(6, 2, "-Infinity"),
  "negative-weight.csv": change(4, 1, "-1"),
  "quote.csv": good.replace("\n0.", '\n"0.'),
  "behind-quote.csv": good.replace("\n", '\n"1"2,3,4,no\n'),
  "mixed-ends.csv": good.replace("\n", "\r\n"),
  "latin.csv": Buffer.from(change(5, 3, "n\xf6"), "latin1"),
  "utf16.csv": Buffer.from(`\ufeff${good}`, "utf16le"),
  "zero.csv": change(5, 3, "n\0o"),
  "cut.csv.gz": gzipSync(good).subarray(0, 100),
  "table.parquet": "PAR1....PAR1",
  "empty.sql": " ",
  "wrong.sql": "selec 1",
  "table.zip": "PK\x03\x04....",
  "not-a-model.onnx": "I am no model",
  "empty.onnx": "",
  "lacking.csv": `a,class\n${rows(10, (i) => `${wave(i)},no`)}\n`,
  "wrong-type.csv": change(3, 0, "many"),
  "new-class.csv": change(12, 3, "perhaps"),
  "no-answers.csv": good.replace(/,(yes|no)\n/g, ",\n"),
  "one-weight.csv": `a,y,w\n${rows(40, (i) => `${wave(i)},${wave(i + 1)},${i === 7 ? 1 : 0}`)}\n`,
  "class-weight.csv": classWeight,
  "class-weight-2.csv": classWeight,
  "empty-plan.ts": "export default {};\n",
};

before(async () => {
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  await mkdir(join(folder, "folder"));
  await mkdir(join(folder, "closed"));
  await chmod(join(folder, "closed"), 0o500);
  await symlink("nowhere", join(folder, "broken-link.csv"));
  await symlink("good.csv", join(folder, "link.csv"));
  await writeFile(join(folder, "sealed.onnx"), "mine");
  await chmod(join(folder, "sealed.onnx"), 0o444);
  const trained = await microbatch(
    "train",
    "good.csv",
    "--target",
    "class",
    "--epochs",
    "2",
    "--ignore",
    "y",
  );
  assert.equal(trained.code, 0, trained.stderr);
});

const train = (table: string, target = "y", ...words: string[]) => [
  "train",
  table,
  "--target",
  target,
  ...words,
];

/** What is typed, and what the message says. */
const wrong: readonly (readonly [readonly string[], RegExp])[] = [
  // Commands and flags.
  [["tran"], /unknown command 'tran'\n\(Did you mean train\?\)/],
  [["train"], /missing required argument 'table \| plan'/],
  [
    ["train", "good.csv"],
    /^--target: expected the column to predict, got none\. Fix: microbatch train good\.csv --target <column>/,
  ],
  [["train", "good.csv", "more.csv", "--target", "y"], /too many arguments.*Expected 1 argument but got 2/],
  [
    train("good.csv", "y", "--bach-size", "3"),
    /unknown option '--bach-size'\n\(Did you mean --batch-size\?\)/,
  ],
  [train("good.csv", "y", "--epoch", "3"), /unknown option '--epoch'\n\(Did you mean --epochs\?\)/],
  [train("good.csv", "y", "-x"), /unknown option '-x'/],
  [["train", "good.csv", "--target"], /option '--target <column>' argument missing/],
  [["train", "good.csv", "--target", ""], /Expected the name of a column\./],
  [
    train("good.csv", "y", "--optimizer", "adamm"),
    /Allowed choices are adamw, adam, sgd, momentum, rmsprop, adagrad, lion\./,
  ],
  [train("good.csv", "y", "--fill", "a"), /Expected a column and what fills it: "age=median"/],
  [
    train("good.csv", "y", "--fill", "a=unknown"),
    /^good\.csv, --fill, "a": expected fill to be "mean", "median", "mode"/,
  ],
  [
    train("good.csv", "y", "--fill", "a=0", "--drop-missing", "a"),
    /^--drop-missing: expected columns that --fill does not fill, got "a", filled with 0\./,
  ],
  [
    train("good.csv", "y", "--without-indicator", "a"),
    /^--without-indicator: expected columns that --fill fills, got "a"\./,
  ],
  [train("good.csv", "y", "--schedule", "cos"), /Allowed choices are constant, linear, cosine, one-cycle\./],
  ...["random", "weighted", "weighted:", "shuffle:a", "stratified:"].map(
    (how) =>
      [
        train("good.csv", "y", "--sampling", how),
        /Expected shuffle, with-replacement, stratified, class-balanced, .* or weighted:<column>\./,
      ] as const,
  ),
  [
    train("good.csv", "y", "--sampling", "stratified"),
    /^--sampling stratified: expected one target of classes, got y, a number\. Fix: name the column .*stratified:<column>$/m,
  ],
  [
    train("good.csv", "y", "--sampling", "class-balanced:b"),
    /^classBalanced sampler, column "b" .*: expected the name of a column of classes .*, got "b", a column of numbers\. Fix: one of class$/m,
  ],
  [
    train("good.csv", "y", "--sampling", "weighted:z"),
    /^good\.csv, --group, --time or --sampling weighted: expected one of the columns a, b, y, class, got "z"\./,
  ],
  [
    train("good.csv", "y", "--sampling", "weighted:a"),
    /: expected finite numbers from 0 on, not all 0, got -0\.\d+ in sample \d+\./,
  ],
  [train("good.csv", "y", "--last-batch", "lose"), /Allowed choices are keep, drop, carry\./],
  [train("good.csv", "y", "--task", "ranking"), /Allowed choices are regression, classification\./],
  [train("good.csv", "class", "--class-weights", "heavy"), /Allowed choices are balanced\./],
  [["predict"], /missing required argument 'model'/],
  [["predict", "model.onnx"], /missing required argument 'table'/],
  [["predict", "model.onnx", "good.csv", "--target", "y"], /unknown option '--target'/],
  [
    ["predict", "model.onnx", "good.csv", "--json"],
    /^--json: expected --out beside it.* Fix: add --out predictions\.csv/,
  ],
  [["evaluate", "model.onnx"], /missing required argument 'table'/],
  [["predict", "model.onnx", "good.csv", "--threads", "0"], /Expected a whole number from 1 to 256\./],
  [["evaluate", "model.onnx", "good.csv", "--threads", "many"], /Expected a whole number from 1 to 256\./],
  [["inspect"], /missing required argument 'model'/],
  [["inspect", "model.onnx", "--out", "x"], /unknown option '--out'/],
  // Long runs.
  [
    train("good.csv", "y", "--checkpoint-every", "0s"),
    /Expected a number of steps such as 100, or a time such as 30s, 5m or 1h\./,
  ],
  [
    train("good.csv", "y", "--resume"),
    /^--resume: expected --run beside it, which names the run's folder, got none\. Fix: for example --run runs\/first --resume$/m,
  ],
  [
    train("good.csv", "y", "--run", "--resume"),
    /^--resume: expected --run with the folder of the run to go on with, got --run alone\. Fix: microbatch runs lists the runs there are$/m,
  ],
  [
    train("good.csv", "y", "--run", "empty.csv"),
    /^--run empty\.csv: expected a folder, or a new name, got the file .*empty\.csv\. Fix: name another$/m,
  ],
  // Sizes and rates.
  ...["0", "-1", "1.5", "many", "", "1e99"].map(
    (size) =>
      [train("good.csv", "y", `--batch-size=${size}`), /Expected a whole number from 1 on\./] as const,
  ),
  [train("good.csv", "y", "--microbatch-size", "0"), /Expected a whole number from 1 on\./],
  [
    train("good.csv", "y", "--batch-size", "4", "--microbatch-size", "5"),
    /^--microbatch-size: expected at most --batch-size \(4\), got 5\./,
  ],
  [train("good.csv", "y", "--lanes", "0"), /Expected a whole number from 1 to 1024\./],
  [train("good.csv", "y", "--lanes", "2000"), /Expected a whole number from 1 to 1024\./],
  [train("good.csv", "y", "--epochs", "0"), /Expected a whole number from 1 on\./],
  [train("good.csv", "y", "--steps", "0"), /Expected a whole number from 1 on\./],
  [train("good.csv", "y", "--patience", "0"), /Expected a whole number from 1 on\./],
  [train("good.csv", "y", "--seed", "-1"), /Expected a whole number from 0 on\./],
  ...["0", "-0.1", "NaN", "Infinity", "fast", "1e39"].map(
    (rate) => [train("good.csv", "y", `--learning-rate=${rate}`), /Expected a number above 0\./] as const,
  ),
  [train("good.csv", "y", "--weight-decay=-1"), /Expected a number from 0 on\./],
  [train("good.csv", "y", "--clip", "0"), /Expected a number above 0\./],
  [train("good.csv", "y", "--ema", "1"), /Expected a number from 0 on and below 1\./],
  [train("good.csv", "y", "--dropout", "1"), /Expected a number from 0 on and below 1\./],
  [
    train("good.csv", "y", "--dropout", "0.5", "--hidden", "none"),
    /^--dropout: expected hidden layers, which it thins out, got --hidden none\./,
  ],
  ...["0", "64,", "64;64", "-3", "99999999", "big"].map(
    (hidden) =>
      [
        train("good.csv", "y", `--hidden=${hidden}`),
        /Expected sizes from 1 to 65536 such as 64,64, or none/,
      ] as const,
  ),
  ...["0", "1", "-0.5", "2"].map(
    (share) =>
      [
        train("good.csv", "y", `--validation=${share}`),
        /Expected a share above 0 and below 1, or a table's file name\./,
      ] as const,
  ),
  [
    train("good.csv", "y", "--validation", "0.6", "--test", "0.5"),
    /^--test: expected less than --validation leaves, .*got 0\.6 to validate and 0\.5 to test\./,
  ],
  ...["rmse", "rmse<=", "rmse=0.5", "<=0.5", "rmse<=low"].map(
    (until) =>
      [
        train("good.csv", "y", "--until", until),
        /Expected a metric and its limit, such as "validation\.rmse<=0\.5"\./,
      ] as const,
  ),
  [
    train("good.csv", "y", "--until", "accuracy>=1"),
    /^--until: expected one of validation\.loss, validation\.rmse, .*got "validation\.accuracy"/,
  ],
  ...["a", "=number", "a=", "a=texts", "a=x<", "a=one"].map(
    (type) =>
      [train("good.csv", "y", "--type", type), /Expected a column and what it is: "zip=category"/] as const,
  ),
  [train("good.csv", "y", "--type", "a=number", "--type", "a=category"), /"a" has a type already\./],
  ...["", ";", "separator=;", "delimiter="].map(
    (dialect) => [train("good.csv", "y", "--dialect", dialect), /Expected delimiter, quote, escape/] as const,
  ),
  [train("good.csv", "y", "--dialect", "quote=none quote='"), /quote is said already\./],
  [
    train("good.csv", "y", "--dialect", "delimiter=x"),
    /^good\.csv, --dialect delimiter: expected one character of ASCII .*got "x"\./,
  ],
  [
    train("good.csv", "y", "--dialect", "delimiter=, decimal=,"),
    /^good\.csv, --dialect: expected every character for one thing, got "," as delimiter and as decimal\./,
  ],
  [
    train("good.csv", "y", "--dialect", "encoding=utf8"),
    /^good\.csv, --dialect encoding: expected "utf-8", "latin1" or "utf-16", got "utf8"\./,
  ],
  [
    train("good.csv", "y", "--dialect", "names=a,b"),
    /^good\.csv, --dialect names: expected as many names as the first line has fields, 4, got 2\./,
  ],
  [
    train("good.csv", "y", "--dialect", "encoding=utf-16"),
    /^good\.csv: expected CSV text in UTF-16, got no zero/,
  ],
  // Files.
  [train("nowhere.csv"), /^read nowhere\.csv: expected a file, got nothing of that name\./],
  [
    train("good.jsonl", "y"),
    /^good\.jsonl: expected a CSV or Parquet file, got JSON\. Fix: read it in a query, select \* from 'good\.jsonl', in a \.sql file\n$/,
  ],
  [
    train("folder"),
    /^--target: expected a table, whose columns it is about, got the folder of images folder\./,
  ],
  [train("broken-link.csv"), /^read broken-link\.csv: expected a file/],
  [train("/dev/zero"), /^read \/dev\/zero: expected a file, got a device or a pipe\./],
  [
    train(""),
    /^table: expected the path of a file, a list of paths, or a query, got ""\. Fix: for example houses\.csv$/m,
  ],
  [train("empty.csv"), /^empty\.csv: expected a header line.*, got an empty file\./],
  [train("blank.csv"), /^blank\.csv: expected a header line/],
  [train("header.csv"), /^header\.csv: expected at least one line of values below the header, got none\./],
  [train("single.csv"), /^single\.csv: expected at least two columns/],
  [
    train("twice.csv"),
    /^twice\.csv: expected every column under a name of its own, got "a" as columns 1 and 2\./,
  ],
  [train("unnamed.csv"), /^unnamed\.csv: expected a header line/],
  [
    train("table.parquet"),
    /^table\.parquet: expected Parquet files that can be read, .*\. Fix: copy .* in a query, select … union all …, in a \.sql file$/m,
  ],
  [
    train("nothing*.csv"),
    /^nothing\*\.csv: expected at least one file whose path has this pattern, got none\./,
  ],
  [train("empty.sql"), /^sql: expected a query, got an empty text\./],
  [train("wrong.sql"), /^query "selec 1": expected a query that DuckDB can run, .*got syntax error/],
  [train("table.zip"), /^table\.zip: expected CSV text in UTF-8, got a compressed file\./],
  [train("cut.csv.gz"), /^cut\.csv\.gz/],
  [
    train("utf16.csv"),
    /^utf16\.csv: expected CSV text in UTF-8, got UTF-16 text\. Fix: --dialect encoding=utf-16$/m,
  ],
  [train("latin.csv"), /^latin\.csv, line 5: expected CSV text in UTF-8, got the byte 0xF6/],
  [train("zero.csv"), /^zero\.csv, line 5: expected CSV text in UTF-8, got a zero byte\./],
  [train("ragged.csv"), /^ragged\.csv, line 2: expected 4 fields, as in the header, got 3\./],
  [train("wide.csv"), /^wide\.csv, line 2: expected 4 fields, as in the header, got 5\./],
  [train("quote.csv"), /^quote\.csv, line \d+: expected a second quote/],
  [
    train("behind-quote.csv"),
    /^behind-quote\.csv, line 2: expected the delimiter or the end of the line behind a closing quote/,
  ],
  [
    train("mixed-ends.csv"),
    /^mixed-ends\.csv, line 2: expected the line end \\r\\n, as in line 1, got \\n\./,
  ],
  [
    train("word.csv"),
    /^word\.csv, line 7, column "a": expected a number that fits float32, .*got "many"\. Fix: .*--type "a=category"/,
  ],
  [
    train("infinite.csv"),
    /^infinite\.csv, line 9, column "b": expected a number that fits float32, .*got "inf"\./,
  ],
  [train("huge.csv"), /^huge\.csv, line 9, column "b": expected a number that fits float32, .*got "1e300"\./],
  [
    train("hexadecimal.csv"),
    /^hexadecimal\.csv, line 5, column "a": expected a number that fits float32, .*got "0x10"\./,
  ],
  [
    train("comma.csv"),
    /^comma\.csv, line 2, column "a": expected numbers with a decimal point.* Fix: --dialect decimal=, if that is a decimal comma/,
  ],
  [
    train("good.csv", "y", "--validation", "good.csv"),
    /^--validation: expected rows of their own: another file than the training table, got good\.csv\. Fix: name another file, or hold a share of the table out: --validation 0\.2$/m,
  ],
  [
    train("good.csv", "y", "--test", "link.csv"),
    /^--test: expected rows of their own: another file than the training table, got link\.csv, which is good\.csv\./,
  ],
  [
    train("good.csv", "y", "--validation", "lacking.csv", "--test", "./lacking.csv"),
    /^--test: expected rows of their own: another file than --validation, got \.\/lacking\.csv, which is lacking\.csv\./,
  ],
  [train("good.csv", "y", "--validation", "nowhere.csv"), /^read nowhere\.csv: expected a file/],
  [train("good.csv", "y", "--validation", "lacking.csv"), /^lacking\.csv: expected .*\bb\b/],
  [
    train("good.csv", "y", "--test", "word.csv"),
    /^word\.csv, line 7, column "a": expected a number that fits float32/,
  ],
  [
    train("good.csv", "class", "--test", "new-class.csv"),
    /^new-class\.csv, line 12, .*"class".*: expected .*, got "perhaps"\./,
  ],
  // Columns.
  [train("good.csv", "z"), /^good\.csv, --target: expected one of the columns a, b, y, class, got "z"\./],
  [train("good.csv", "clas"), /got "clas"\. Fix: did you mean "class"\?/],
  [
    train("good.csv", "y", "--target", "y"),
    /^good\.csv, --target: expected every column once, got "y" twice\./,
  ],
  [
    train("good.csv", "y", "--ignore", "y"),
    /^good\.csv, --ignore: expected columns that are neither target nor weight, got the target "y"\./,
  ],
  [
    train("good.csv", "y", "--weight", "y"),
    /^good\.csv, --weight: expected a column that is no target, got the target "y"\./,
  ],
  [train("good.csv", "y", "--ignore", "z"), /^good\.csv, --ignore: expected one of the columns/],
  [
    train("good.csv", "y", "--group", "z"),
    /^good\.csv, --group, --time or --sampling weighted: expected one of the columns a, b, y, class, got "z"\./,
  ],
  [
    train("good.csv", "y", "--time", "y"),
    /^good\.csv, --group, .*: expected columns that have no other use, got the target "y"\./,
  ],
  [
    train("good.csv", "y", "--group", "class", "--time", "a"),
    /^--time: expected one way to divide the rows, got --group too\. Fix: leave one of them out$/m,
  ],
  [
    train("good.csv", "y", "--group", "class", "--validation", "lacking.csv"),
    /^--group: expected a share of the rows to hold out, got files to judge by\. Fix: leave --group out, or give --validation a share$/m,
  ],
  [
    train("good.csv", "y", "--group", "class", "--test", "0.2"),
    /^splitByGroup: expected at least 3 groups, got 2\. Fix: ask for fewer parts, or divide by another column$/m,
  ],
  [train("good.csv", "y", "--weight", "z"), /^good\.csv, --weight: expected one of the columns/],
  [train("good.csv", "y", "--weight", "class"), /weight "class": expected a number from 0 on in every line/],
  [
    train("negative-weight.csv", "y", "--weight", "b"),
    /^negative-weight\.csv, line \d+, weight "b": expected a number from 0 on/,
  ],
  [
    train("one-weight.csv", "y", "--weight", "w"),
    /^--weight: expected a row of weight above 0 to validate, got 0 in all \d+ of validation part of one-weight\.csv\./,
  ],
  [
    train("class-weight.csv", "class", "--weight", "w", "--validation", "class-weight-2.csv"),
    /^target "class": expected rows of every class to train on, got none of "no" with a weight above 0\./,
  ],
  [train("good.csv", "y", "--type", "z=number"), /^good\.csv, --type: expected one of the columns/],
  [
    train("good.csv", "y", "--type", "class=number"),
    /^good\.csv, line 2, column "class": expected a number that fits float32/,
  ],
  [
    train("good.csv", "y", "--type", "class=no<maybe"),
    /^good\.csv, line 3, column "class": expected .*, got "yes"/,
  ],
  [
    train("good.csv", "y", "--ignore", "a", "--ignore", "b", "--ignore", "class"),
    /expected at least one column to predict from/,
  ],
  [train("no-features.csv"), /expected at least one column to predict from, got "a" \(constant\)\./],
  [
    train("identifier.csv", "a"),
    /got "y" \(identifier\)\. Fix: add features, or say what one is: --type "COLUMN=category"/,
  ],
  [train("missing-features.csv"), /expected at least one column to predict from, got "a" \(empty\)\./],
  [train("leak.csv"), /"copy"/],
  // Targets.
  [
    train("constant.csv"),
    /^constant\.csv, target "y": expected at least two different values, got "7" in every sample\./,
  ],
  [
    train("one-class.csv"),
    /^one-class\.csv, target "y": expected at least two different values, got "cat" in every sample\./,
  ],
  [train("lone-class.csv"), /^lone-class\.csv.*"y": expected .*dog/],
  [
    train("identifier.csv"),
    /^identifier\.csv, target "y": expected classes that several samples share, got 300 different values/,
  ],
  [
    train("no-target.csv"),
    /^no-target\.csv, target "y": expected a value in at least one line, got none in 20 lines\./,
  ],
  [
    train("good.csv", "class", "--task", "regression"),
    /^good\.csv, line 2, column "class": expected a number that fits float32.*--task classification/,
  ],
  [train("word-target.csv"), /^word-target\.csv, line 6, column "y": expected a number/],
  [
    train("infinite-target.csv"),
    /^infinite-target\.csv, line 6, column "y": expected a number that fits float32/,
  ],
  [train("one-row.csv"), /expected at least two/],
  [
    train("good.csv", "y", "--class-weights", "balanced"),
    /^--class-weights: expected a target of classes, got y, a number\./,
  ],
  [
    train("good.csv", "y", "--target", "class", "--class-weights", "balanced"),
    /^--class-weights: expected one target, got y, class\./,
  ],
  // Places to write to.
  [train("good.csv", "y", "--out", "folder"), /^write folder: expected a file, got a folder of that name\./],
  [train("good.csv", "y", "--out", "nowhere/m.onnx"), /^write nowhere\/m\.onnx: expected the folder/],
  [
    train("good.csv", "y", "--out", "good.csv/m.onnx"),
    /^write good\.csv\/m\.onnx: expected a folder in front of the last/,
  ],
  [
    train("good.csv", "y", "--out", "/dev/full"),
    /^write \/dev\/full: expected a file, got a device or a pipe\./,
  ],
  [train("good.csv", "y", "--out", ""), /^write: expected the path of a file, got ""\./],
  [train("good.csv", "y", "--out", "/proc/m.onnx"), /^write \/proc\/m\.onnx: expected /],
  [
    train("good.csv", "y", "--out", "sealed.onnx"),
    /^write sealed\.onnx: expected a file that may be replaced, got a read-only file\. Fix: name another one, or allow it: chmod u\+w /,
  ],
  [
    train("good.csv", "y", "--out", "./good.csv"),
    /^--out: expected another file than those that are read, got \.\/good\.csv, which is good\.csv\. Fix: name a new file/,
  ],
  [
    train("good.csv", "y", "--out", "link.csv"),
    /^--out: expected another file .*, got link\.csv, which is good\.csv\./,
  ],
  [
    train("good.csv", "y", "--test", "word.csv", "--out", "word.csv"),
    /^--out: expected another file than those that are read, got word\.csv\./,
  ],
  // Models.
  [
    ["predict", "nowhere.onnx", "good.csv"],
    /^read nowhere\.onnx: expected a file, got nothing of that name\./,
  ],
  [
    ["predict", "not-a-model.onnx", "good.csv"],
    /^not-a-model\.onnx: expected an ONNX file, got 13 bytes that are none/,
  ],
  [["predict", "empty.onnx", "good.csv"], /^empty\.onnx: expected an ONNX file/],
  [["predict", "good.csv", "good.csv"], /^good\.csv: expected an ONNX file/],
  [["predict", "model.onnx", "nowhere.csv"], /^read nowhere\.csv: expected a file/],
  [
    ["predict", "model.onnx", "header.csv"],
    /^header\.csv: expected .*, got no class|^header\.csv: expected at least one line/,
  ],
  [["predict", "model.onnx", "lacking.csv"], /^lacking\.csv: expected the model's columns a, b, got no b\./],
  [["predict", "model.onnx", "wrong-type.csv"], /^wrong-type\.csv, line 3, column "a": expected a number/],
  [
    ["predict", "model.onnx", "good.csv", "--out", "good.csv"],
    /^--out: expected another file .*, got good\.csv\./,
  ],
  [
    ["predict", "model.onnx", "good.csv", "--out", "model.onnx"],
    /^--out: expected another file .*, got model\.onnx\./,
  ],
  [["predict", "model.onnx", "good.csv", "--out", "folder"], /^write folder: expected a file, got a folder/],
  [["predict", "model.onnx", "ragged.csv", "--out", "p.csv"], /^ragged\.csv, line 2: expected 4 fields/],
  [["evaluate", "not-a-model.onnx", "good.csv"], /^not-a-model\.onnx: expected an ONNX file/],
  [["evaluate", "model.onnx", "good.csv", "--target", "z"], /^good\.csv: expected .*"?z"?/],
  [
    ["evaluate", "model.onnx", "new-class.csv"],
    /^new-class\.csv, line 12, column "class": expected one of the model's classes no, yes, got "perhaps"\./,
  ],
  [
    ["evaluate", "model.onnx", "no-answers.csv"],
    /^no-answers\.csv, column "class": expected an answer in at least one row, got none in 40 rows\./,
  ],
  [
    ["evaluate", "model.onnx", "good.csv", "--weight", "w"],
    /^--weight: expected one of the columns a, b, y, class, got "w"\. Fix: name one of those, or leave --weight out$/m,
  ],
  [
    ["evaluate", "model.onnx", "good.csv", "--weight", "class"],
    /^--weight: expected a column that is no answer, and that the model does not read, got "class"\. Fix: name another column$/m,
  ],
  [["evaluate", "model.onnx", "good.csv", "--weight", "a"], /^--weight: expected a column that is no answer/],
  [
    ["evaluate", "model.onnx", "good.csv", "--weight", "y"],
    /^good\.csv, line 5, column "y": expected a weight: a number from 0 on, got -0\.\d+\. Fix: correct it; 0 leaves the row out$/m,
  ],
  [["inspect", "nowhere.onnx"], /^read nowhere\.onnx: expected a file/],
  [["inspect", "good.csv"], /^good\.csv: expected an ONNX file/],
  [["inspect", "folder"], /^read folder: expected a file, got a folder/],
  [["train", "nowhere.ts"], /^nowhere\.ts: expected a plan file/],
  [["train", "empty-plan.ts", "--hidden", "3"], /^--hidden: expected a table/],
];

test(`${wrong.length} wrong invocations`, async (context) => {
  assert.ok(wrong.length >= 100);
  const there = await readdir(folder);
  for (const [index, [words, message]] of wrong.entries()) {
    await context.test(`microbatch ${words.join(" ")}`, async () => {
      const outcome = await oneProcess.run(...words);
      check(outcome, message);
      if (!words.includes("--json")) assert.equal(outcome.stdout, "");
      if (index % everyProcess === 0) assert.deepEqual(await microbatch(...words), outcome);
    });
  }
  assert.deepEqual(await readdir(folder), there, "nothing is left behind");
});

function check({ code, stderr }: Outcome, message: RegExp): void {
  assert.equal(code, 2, stderr);
  assert.match(stderr, message);
  assert.doesNotMatch(stderr, /\n {4}at |node:internal|Error:/, "no stack trace");
  assert.doesNotMatch(
    stderr,
    /\bplan\.(?!ts)|\bvalidation\.metrics|\btask: |\btypes: |\boption (target|ignore|weight)/,
    "in the words of the command line",
  );
  assert.ok(stderr.length < 1000 && stderr.trimEnd().split("\n").length <= 3, stderr);
}
