/** The example on e-mails, on a quarter of them: it learns, and judges no mail that it was trained on. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { dictionaryOf, paddedWords, wordsOf } from "../../examples/e-mails/words.ts";
import { main } from "../command-line.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { spamAssassin, testWith } from "./installed.ts";

const folder = temporaryFolder();
const plan = fileURLToPath(new URL("../../examples/e-mails/plan.ts", import.meta.url));

testWith(spamAssassin, "of fifteen hundred e-mails the example learns which are spam", async () => {
  const env = { ...process.env, E_MAILS_SAMPLES: "1500", E_MAILS: spamAssassin.folder };
  const words = ["train", plan, "--epochs", "10", "--json", "--out", join(folder, "mails.onnx")];
  const stdout = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, [main, ...words], { env }, (error, out, complaint) =>
      error === null ? resolve(out) : reject(new Error(complaint)),
    );
  });
  const { validation, baseline } = JSON.parse(stdout.trim().split("\n").at(-1)!);
  // 0.903 against 0.688 as recorded; of 154 mails the deviation of a share is 0.03.
  assert.ok(
    validation.accuracy > baseline.accuracy + 0.1,
    `accuracy ${validation.accuracy}, where ${baseline.accuracy} is the commonest class`,
  );
});

test("of an e-mail only the subject and the text are read", () => {
  const mail =
    "Received: from here\r\nSubject: Win 100 $!\r\nX-Seen: yes\r\n\r\nDear Friend,\n\nsubject: not this\n";
  assert.deepEqual(wordsOf(mail).join(" "), "win 100 $ ! dear friend , subject : not this");
  assert.deepEqual(wordsOf("Subject: none\nDate: today"), ["none"]);
  assert.deepEqual(wordsOf(""), []);
});

test("words that come in most mails are listed, others are unknown, and the mask ends with the mail", () => {
  const mails = [["b", "a", "a"], ["b"], ["c", "b"], ["a"]];
  const dictionary = dictionaryOf(mails, 2);
  assert.deepEqual([dictionary.size, ...dictionary.codes], [4, ["b", 2], ["a", 3]]);
  const { tokens, mask } = paddedWords(mails, dictionary, 2);
  assert.deepEqual([...tokens.data], [2, 3, 2, 0, 1, 2, 3, 0]);
  assert.deepEqual([...mask.data], [1, 1, 1, 0, 1, 1, 1, 0]);
  assert.deepEqual(tokens.shape, [4, 2]);
});
