/** The public door to what needs Node.js: files, tables, threads. */
export { missingMarkers } from "./data/cells.ts";
export * from "./data/table.ts";
