/** Walks over expressions: each tensor once, inputs before the tensors made from them. */
import type { Tensor } from "./tensor.ts";

/**
 * Every tensor that `outputs` depend on, each once, inputs first. The order depends on the expression alone.
 * Iterative: a graph may be deeper than the call stack.
 */
export function sorted(outputs: readonly Tensor[]): Tensor[] {
  const order: Tensor[] = [];
  const done = new Set<Tensor>();
  const stack: { tensor: Tensor; next: number }[] = [];
  for (const output of outputs) {
    if (!done.has(output)) stack.push({ tensor: output, next: 0 });
    done.add(output);
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const child = top.tensor.inputs[top.next++];
      if (child === undefined) {
        order.push(top.tensor);
        stack.pop();
      } else if (!done.has(child)) {
        done.add(child);
        stack.push({ tensor: child, next: 0 });
      }
    }
  }
  return order;
}

/** The trainable leaves that `outputs` depend on, in the order of a walk with inputs first. */
export function parametersOf(outputs: readonly Tensor[]): Tensor[] {
  return sorted(outputs).filter(({ leaf }) => leaf?.kind === "parameter" && !leaf.isStatistic);
}

/** The running statistics that `outputs` read, in the same order. */
export function statisticsOf(outputs: readonly Tensor[]): Tensor[] {
  return sorted(outputs).filter(({ leaf }) => leaf?.kind === "parameter" && leaf.isStatistic);
}

/** The fed leaves that `outputs` depend on. */
export function inputsOf(outputs: readonly Tensor[]): Tensor[] {
  return sorted(outputs).filter((tensor) => tensor.leaf?.kind === "input");
}
