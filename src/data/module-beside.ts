/** Modules that are started or loaded by their address, which no compiler rewrites. */

/**
 * The address of a module beside the one whose import.meta.url is given, named without its extension: .ts while this package
 * runs from its sources, .js once it is built.
 */
export function moduleBeside(own: string, name: string): URL {
  return new URL(`${name}.${own.endsWith(".ts") ? "ts" : "js"}`, own);
}
