import { expect, test } from "vitest";
import { toy } from "../testing/toy-cpu.js";
import { passedToy, type ToyProgram } from "../testing/toy-listing.js";

// What each pass makes of a block, down to the code, in files beside it. After a change that is meant, look at what
// `vitest run -u` makes of them.

/** The code in a loop of 50 rounds; r14 counts, and r15 stays zero. */
function often(code: readonly number[]): ToyProgram {
  const back = -(code.length + 2);
  return {
    code: [
      ...code,
      toy("addi", 14, 14, -1),
      toy("beq", 14, 15, 2),
      toy("jump", back & 0xff, 0xff, 0xff),
      toy("halt"),
    ],
    registers: { 2: 0x4000n, 14: 50n },
  };
}

test.each<[string, readonly number[]]>([
  // The sum is known before the program runs.
  ["fold", [toy("li", 1, 0, 100), toy("addi", 3, 1, 27)]],
  // The first sum is of a constant just written, the last one takes that sum as one. What comes between is not known.
  ["forward", [toy("li", 1, 0, 8), toy("add", 3, 1, 1), toy("add", 1, 2, 2), toy("add", 4, 1, 3)]],
  // r1 is written three times. The first write is in the recipe of the load's exit, the second nowhere.
  ["dead-writes", [toy("li", 1, 0, 3), toy("load", 3, 2, 0), toy("addi", 1, 3, 1), toy("add", 1, 3, 3)]],
])("%s", async (name, code) => {
  await expect(passedToy(often(code), code.length)).toMatchFileSnapshot(`${name}.golden.txt`);
});
