import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Command } from "commander";
import { microbatchIn } from "../../test/command-line.ts";
import { temporaryFolder } from "../../test/temporary-folder.ts";
import { table } from "../data/table/table.ts";
import { dialectOf, dialectOption } from "./dialect.ts";
import { inFlags } from "./words.ts";

const folder = temporaryFolder();
const microbatch = microbatchIn(folder);

function flagsOf(...argv: readonly string[]) {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  command.addOption(dialectOption()).parse([...argv], { from: "user" });
  return dialectOf(command.opts());
}

test("the flag says what the option dialect does, in one text or several, and nothing where it is not given", () => {
  assert.deepEqual(flagsOf(), {});
  assert.deepEqual(flagsOf("--dialect", "delimiter=; decimal=, encoding=latin1"), {
    dialect: { delimiter: ";", decimal: ",", encoding: "latin1" },
  });
  assert.deepEqual(flagsOf("--dialect", "delimiter=tab  quote=none", "--dialect", "comment=#"), {
    dialect: { delimiter: "\t", quote: "", comment: "#" },
  });
  assert.deepEqual(flagsOf("--dialect", "names=size, living area,,a=b escape=\\ quote='"), {
    dialect: { names: ["size", "living area", "", "a=b"], escape: "\\", quote: "'" },
  });
  assert.deepEqual(flagsOf("--dialect", "delimiter=space escape=backslash names=none"), {
    dialect: { delimiter: " ", escape: "\\", names: ["none"] },
  });
  assert.deepEqual(flagsOf("--dialect", "delimiter=\\t decimal=."), {
    dialect: { delimiter: "\t", decimal: "." },
  });
  assert.deepEqual(flagsOf("--dialect", "delimiter=="), { dialect: { delimiter: "=" } });
});

test("a flag that says nothing, or a thing twice, is refused with an example", () => {
  const example =
    /Expected delimiter, quote, escape, names, comment, decimal, encoding, each with = and what it is: "delimiter=; decimal=,"/;
  for (const text of ["", ";", "separator=;", "delimiter", "delimiter=", "=;"]) {
    assert.throws(() => flagsOf("--dialect", text), example, text);
  }
  assert.throws(() => flagsOf("--dialect", "decimal=, decimal=."), /decimal is said already/);
  assert.throws(() => flagsOf("--dialect", "decimal=,", "--dialect", "decimal=,"), /decimal is said already/);
});

test("errors speak of the flag", async () => {
  const path = join(folder, "e.csv");
  const messageOf = async (content: string | Uint8Array, dialect?: string) => {
    await writeFile(path, content);
    return table(path, { target: "y", ...(dialect === undefined ? {} : flagsOf("--dialect", dialect)) }).then(
      () => assert.fail("the table was read"),
      (error: Error) => inFlags(error.message.replaceAll(path, "e.csv")),
    );
  };
  assert.match(
    await messageOf("x;y\n1,5;2\n2,5;3\n"),
    /Fix: --dialect decimal=, if that is a decimal comma; else/,
  );
  assert.match(
    await messageOf(Buffer.from("x,y\nä,2\n", "latin1")),
    /if it is Latin-1, --dialect encoding=latin1; else/,
  );
  assert.match(await messageOf("1,2\n3,4\n"), /or name the columns: --dialect names=a,b,…$/);
  assert.match(await messageOf("x:y\n1:2\n"), /or name what separates them: --dialect delimiter=:$/);
  assert.match(
    await messageOf('x,y\n"a\\"b",2\n'),
    /if quotes are text, --dialect quote=none; if \\" is one, --dialect escape=backslash$/,
  );
  assert.equal(
    await messageOf("x,y\n1,2\n", "delimiter=; decimal"),
    `e.csv, --dialect delimiter: expected one character of ASCII that is no letter, digit, quote or line end, such as ":" or "\\t", ` +
      'got "; decimal". Fix: correct it, or leave it out',
  );
  assert.match(
    await messageOf("x,y\n1,2\n", "delimiter=# comment=#"),
    /^e\.csv, --dialect: expected every character for one/,
  );
});

test("a table in another dialect trains, judges, is judged by and is predicted as the same one in the usual", async () => {
  const rows = Array.from(
    { length: 80 },
    (_, row) => [row % 2 === 0 ? "Köln" : "Bonn", row / 8, row / 4 + (row % 2)] as const,
  );
  const usual = rows.map(([city, size, price]) => `${city},${size},${price}\n`);
  const german = usual.map((line) => line.replaceAll(",", ";").replaceAll(".", ","));
  const write = (name: string, lines: readonly string[]) =>
    writeFile(join(folder, `${name}.csv`), Buffer.from(`Ort,Größe,Preis\n${lines.join("")}`));
  const writeGerman = (name: string, lines: readonly string[]) =>
    writeFile(
      join(folder, `${name}.csv`),
      Buffer.from(`# aus Excel\nOrt;Größe;Preis\n${lines.join("")}`, "latin1"),
    );
  await write("usual", usual.slice(0, 60));
  await write("usual-judge", usual.slice(60));
  await writeGerman("german", german.slice(0, 60));
  await writeGerman("german-judge", german.slice(60));
  const dialect = ["--dialect", "delimiter=; decimal=, encoding=latin1 comment=#"];
  const train = async (name: string, ...flags: readonly string[]) => {
    const words = ["--target", "Preis", "--validation", `${name}-judge.csv`, "--epochs", "3", "--json"];
    const { code, stdout, stderr } = await microbatch(
      "train",
      `${name}.csv`,
      ...words,
      "--out",
      `${name}.onnx`,
      ...flags,
    );
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout.trim().split("\n").at(-1)!);
  };
  const [plain, other] = [await train("usual"), await train("german", ...dialect)];
  assert.equal(other.parametersSha256, plain.parametersSha256);
  assert.deepEqual(other.validation, plain.validation);
  const judge = (name: string, ...flags: readonly string[]) =>
    microbatch("evaluate", `${name}.onnx`, `${name}-judge.csv`, "--json", ...flags).then(
      ({ stdout }) => JSON.parse(stdout).metrics,
    );
  assert.deepEqual(await judge("german", ...dialect), await judge("usual"));
  const { stdout } = await microbatch("predict", "german.onnx", "german-judge.csv", ...dialect);
  const { stdout: expected } = await microbatch("predict", "usual.onnx", "usual-judge.csv");
  const predictions = (text: string) =>
    text
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => line.split(",").at(-1));
  assert.deepEqual(predictions(stdout), predictions(expected));
  assert.match(stdout, /^Ort,Größe,Preis,prediction\nKöln,"7,5",15,/);
  const profile = await microbatch("profile", "german.csv", ...dialect);
  assert.match(
    profile.stdout,
    /^german\.csv: 60 rows, 3 columns, separated by semicolons, decimal commas, comments behind #, Latin-1\n/,
  );
  const refused = await microbatch("predict", "german.onnx", "german-judge.csv");
  assert.equal(refused.code, 2);
  assert.match(
    refused.stderr,
    /german-judge\.csv, line 2: .*if it is Latin-1, --dialect encoding=latin1; else/,
  );
});
