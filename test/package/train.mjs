// What a user's first script does, run against the packed and installed package by ../package.test.ts.
// Prints one line of JSON.
import * as core from "microbatch";
import * as node from "microbatch/node";

console.log(JSON.stringify({ core: Object.keys(core), node: Object.keys(node) }));
