/** The command cache: what lies in the cache of tables, and removing it. */
import { type Command, Option } from "commander";

export interface CacheFlags {
  readonly folder?: string;
  readonly json?: boolean;
}

/** Adds the command and its two subcommands to the program. */
export function addCache(program: Command): void {
  const command = program
    .command("cache")
    .summary("list or clear the cache of large tables")
    .description(
      "A table of more than 256 MB is read once into a cache on disk, and opened at once from then on. The cache lies in " +
        ".cache/microbatch in the home folder, in MICROBATCH_CACHE where that is set, or in the folder of --folder.",
    );
  const folder = () => new Option("--folder <folder>", "where the cache lies");
  const json = () => new Option("--json", "print one JSON object on standard output");
  command
    .command("list")
    .summary("say what is in the cache")
    .description("Say what is in the cache: samples, size, when it was made, and what from.")
    .addOption(folder())
    .addOption(json())
    .addHelpText("after", "\nExample:\n  $ microbatch cache list\n")
    .action(async (flags: CacheFlags) => {
      const { runCacheList } = await import("./caches.ts");
      await runCacheList(flags);
    });
  command
    .command("clear")
    .summary("remove the cache, or that of one table")
    .description("Remove everything from the cache, or what was made from one table.")
    .argument("[table]", "the file that was read (default: all)")
    .addOption(folder())
    .addOption(json())
    .addHelpText("after", "\nExample:\n  $ microbatch cache clear trips.csv\n")
    .action(async (table: string | undefined, flags: CacheFlags) => {
      const { runCacheClear } = await import("./caches.ts");
      await runCacheClear(table, flags);
    });
}
