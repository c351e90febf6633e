/**
 * What commands tell people. Training tells its story on standard error, so that standard output is for results alone:
 * predictions, JSON, and what evaluate and inspect were asked for.
 */
import { styleText } from "node:util";
import { printable } from "../report/console.ts";

/** Prints a line of the story. */
export function say(line: string): void {
  process.stderr.write(`${printable(line)}\n`);
}

/** Prints a line of the result. */
export function print(line: string): void {
  process.stdout.write(`${printable(line)}\n`);
}

/** A style that is only seen where the stream is a terminal, and nowhere where NO_COLOR is set. */
export function styled(
  style: "bold" | "dim" | "green" | "yellow",
  text: string,
  stream: NodeJS.WriteStream = process.stderr,
): string {
  return styleText(style, text, { stream });
}
