/** The library's errors name the options of its functions; on the command line the same things are flags. */

/** The error's text with flags in the place of options. */
export function inFlags(text: string): string {
  return spellings.reduce((changed, [option, flag]) => changed.replace(option, flag), text);
}

const spellings: readonly (readonly [RegExp, string])[] = [
  [/types: \{ column: "(number|category)" \}/g, '--type "COLUMN=$1"'],
  [/types: \{ "((?:[^"\\]|\\.)*)": "(number|category)" \}/g, '--type "$1=$2"'],
  [/\btask: "(regression|classification)"/g, "--task $1"],
  [/\bignore: \["((?:[^"\\]|\\.)*)"\]/g, '--ignore "$1"'],
  [/, option (target|ignore|weight|task)\b/g, ", --$1"],
  [
    /(, option clean\.missing, "((?:[^"\\]|\\.)*)".*)\bfor example \{ fill: "(\w+)" \}/g,
    '$1for example --fill "$2=$3"',
  ],
  [/, option clean\.missing(?=, "|: expected features to fill)/g, ", --fill"],
  [/, option clean\.missing\b/g, ", --drop-missing and --fill"],
  [/, option clean\.outliers\b/g, ", --drop-outliers"],
  [/, option clean\b/g, ", flags that leave out rows"],
  [/, option keep\b/g, ", --group, --time or --sampling weighted"],
  [/\bbadRows: \{ skip: … \}/g, "--skip-bad-rows"],
  [/, or leave such files out: onBadFile: \{ skip: 10 \}/g, ""],
  [/\bwithout classes, pass labels: false/g, "name the folder in which those of the classes lie"],
  [/, option dialect\.(\w+)/g, ", --dialect $1"],
  [/, option dialect\b/g, ", --dialect"],
  [/\bdialect: \{ quote: "" \}/g, "--dialect quote=none"],
  [/\bdialect: \{ escape: "\\\\" \}/g, "--dialect escape=backslash"],
  [/\bdialect: \{ names: \["a", "b", …\] \}/g, "--dialect names=a,b,…"],
  [/\bdialect: \{ (\w+): "(.*?)" \}/g, "--dialect $1=$2"],
  [/, option (?:types|texts)\b/g, ", --type"],
  [
    /(, "((?:[^"\\]|\\.)*)": expected a value of .*)\bfill the column, or leave those samples out with subset/g,
    '$1leave those rows out with --drop-missing "$2"',
  ],
  [/(?<=splitBy\w+: .*Fix: )use split, or a column\b/g, "leave --group or --time out, or name a column"],
  [/\bin a query: sql\("(.*?)"\)/g, "in a query, $1, in a .sql file"],
  [/\bfor example table\("(.*?)", \{ target: "price" \}\)/g, "for example $1"],
  [/ \(clipByGlobalNorm\)/g, " (--clip 1)"],
  [
    /(?<=Fix: )rename the column: names with # belong/g,
    "rename the column, or leave it out with --ignore: names with # belong",
  ],
  [/\bplan\.microbatchSize\b/g, "--microbatch-size"],
  [/\bplan\.batchSize\b/g, "--batch-size"],
  [/\bplan\.memoryBudget\b/g, "--memory-budget"],
  [
    /\bmicrobatchSize: (\d+), or a larger memoryBudget\b/g,
    "--microbatch-size $1, or a larger --memory-budget",
  ],
  [/\bor a larger memoryBudget\b/g, "or a larger --memory-budget"],
  [/\bplan\.stop, whenReached\b/g, "--until"],
  [/\bname the outputs yourself with plan\.serve\b/g, "leave it out with --ignore"],
  [/\ba context of at most (\d+), or a longer text\b/g, "--context $1, or a longer text"],
  [/\ba smaller context, or a longer text\b/g, "a smaller --context, or a longer text"],
  [
    /(?<=^--prompt.*Fix: )make the vocabulary of both texts, or .*/g,
    "leave it out: the text that the model learned from has none",
  ],
  // A table's metrics are those there are; in a plan file the list says where they come from.
  [/, or add the metric to validation\.metrics/g, ""],
];
