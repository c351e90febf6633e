/** The public door to what needs Node.js: files, tables, threads. */
export { missingMarkers } from "./data/cells.ts";
export { readFile, writeFileAtomically } from "./data/files.ts";
export { type RawTable, rawColumns } from "./data/raw-columns.ts";
export * from "./data/table.ts";
export { type ConsoleOptions, consoleReporter, type Terminal } from "./report/console.ts";
export { loadModel, type RawColumns, type RawValue, type SavedModel } from "./train/saved-model.ts";
