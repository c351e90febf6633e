/** What a run says that ends because of its threads. */
import { MicrobatchError, messageOf } from "../errors.ts";
import type { MicrobatchRequest } from "./feeds.ts";

export const threadError = (where: string, got: string, fix: string) =>
  new MicrobatchError(where, { expected: "threads that come back", got, fix });

export const stuckError = (where: string, request: MicrobatchRequest | undefined, milliseconds: number) =>
  threadError(
    `${where}, ${samplesOf(request)}`,
    `a thread that has not come back from it for ${Math.round(milliseconds / 100) / 10} s`,
    "look at these samples, end the process and go on from the last checkpoint; or allow more: threads(n, { stuckAfterSeconds })",
  );

export const lostAgainError = (
  where: string,
  request: MicrobatchRequest | undefined,
  times: number,
  cause: unknown,
) =>
  threadError(
    `${where}, ${samplesOf(request)}`,
    `a thread that ended over it ${["once", "twice"][times - 1] ?? `${times} times`} (${messageOf(cause)})`,
    "look at these samples; if there is nothing wrong with them, please report it",
  );

function samplesOf(request: MicrobatchRequest | undefined): string {
  const samples = [...(request?.samples ?? [])];
  const shown = samples.slice(0, 8).join(", ");
  return `samples ${shown}${samples.length > 8 ? ` and ${samples.length - 8} more` : ""}`;
}
