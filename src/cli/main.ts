#!/usr/bin/env node
/** The command line: argv → plan → fit. */
import { readFileSync } from "node:fs";
import { Command } from "commander";

// Two folders up from src/cli/main.ts and from dist/cli/main.js alike.
const manifest: { readonly description: string; readonly version: string } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
);

await new Command("microbatch")
  .description(manifest.description)
  .version(manifest.version, "-v, --version", "print the version")
  .helpOption("-h, --help", "print this help")
  .parseAsync();
