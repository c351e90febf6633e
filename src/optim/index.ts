/** Update rules, schedules, clipping and averaging. */
export * from "./clip.ts";
export * from "./ema.ts";
export * from "./optimizer.ts";
export * from "./rules.ts";
export * from "./schedule.ts";
export { allParameters, type Decays, matricesOnly, type SharedOptions } from "./settings.ts";
