import { test } from "node:test";
import { assertSame } from "../../test/same-as-file.ts";

test("images read at places inside and outside of them give what their files give", async () => {
  for (const mode of ["linear", "nearest", "cubic"]) {
    for (const padding_mode of ["zeros", "border", "reflection"]) {
      for (const align_corners of [0, 1]) {
        await assertSame({
          opset: 20,
          inputs: { x: [2, 3, 4, 5], grid: [2, 3, 2, 2] },
          outputs: { y: [2, 3, 3, 2] },
          nodes: [["GridSample", ["x", "grid"], ["y"], { mode, padding_mode, align_corners }]],
        });
      }
    }
  }
});
