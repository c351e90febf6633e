/** The public door to what needs Node.js: files, tables, threads. */
export {
  type CacheEntry,
  type CacheOptions,
  cached,
  cacheFolder,
  clearCaches,
  listCaches,
} from "./data/cache/cache.ts";
export { readFile, writeFileAtomically } from "./data/files.ts";
export * from "./data/idx.ts";
export * from "./data/images/images.ts";
export { cachedJsonLines } from "./data/json/cached-json-lines.ts";
export { type JsonLinesOptions, jsonLines, jsonLinesSource } from "./data/json/json-lines.ts";
export * from "./data/npy.ts";
export { missingMarkers } from "./data/numbers.ts";
export * from "./data/source.ts";
export { cachedTable } from "./data/table/cached-table.ts";
export * from "./data/table/raw-rows.ts";
export * from "./data/table/table.ts";
export * from "./data/table/table-profile.ts";
export { byteVocabulary, type CharacterOptions, characterVocabulary } from "./data/text/characters.ts";
export * from "./data/text/padded.ts";
export * from "./data/text/text.ts";
export { tokenizerVocabulary } from "./data/text/tokenizer.ts";
export type { TextEncoding, Vocabulary } from "./data/text/vocabulary.ts";
export { type ThreadOptions, threads } from "./parallel/threads.ts";
export { type ConsoleOptions, consoleReporter, type Terminal } from "./report/console.ts";
export { type EventLog, eventLog } from "./report/log.ts";
export { loadOnnx } from "./train/load-onnx.ts";
export { loadSafetensors } from "./train/load-safetensors.ts";
export { type RunFolderOptions, runFolder } from "./train/run-folder.ts";
export { loadModel, type RawColumns, type RawValue, type SavedModel } from "./train/saved-model.ts";
export { type Certificate, type ElsewhereRun, type VerifyOptions, verify } from "./train/verify.ts";
export type { Check, CheckName } from "./train/verify-check.ts";
