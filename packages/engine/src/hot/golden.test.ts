import { expect, test } from "vitest";
import { formatListing } from "../listing/format.js";
import { toy } from "../testing/toy-cpu.js";
import { compiledToy } from "../testing/toy-listing.js";

// What the hot tier makes of small programs, in files beside it: guest code, IR after all passes, WebAssembly. After a
// change that is meant, look at what `vitest run -u` makes of them.

const golden = (name: string): string => `${name}.golden.txt`;

test("a loop: registers in locals, the budget at its head, one exit", async () => {
  const listing = compiledToy({
    code: [toy("addi", 1, 1, 1), toy("bltu", 1, 2, -1), toy("halt")],
    registers: { 2: 100n },
  });
  await expect(formatListing(listing)).toMatchFileSnapshot(golden("loop"));
});

test("memory: the TLB is probed inline, and a miss leaves to the interpreter", async () => {
  const listing = compiledToy({
    code: [
      toy("loadb", 3, 4, 1),
      toy("store", 3, 4, 8),
      toy("addi", 1, 1, 1),
      toy("bltu", 1, 2, -3),
      toy("halt"),
    ],
    registers: { 2: 100n, 4: 0x4000n },
  });
  await expect(formatListing(listing, { frame: false })).toMatchFileSnapshot(golden("memory"));
});

test("accesses of one base: one check for both loads, which keeps the page it found", async () => {
  const listing = compiledToy({
    code: [
      toy("load", 3, 4, 24),
      toy("load", 5, 4, 8),
      toy("addi", 1, 1, 1),
      toy("bltu", 1, 2, -3),
      toy("halt"),
    ],
    registers: { 2: 100n, 4: 0x4000n },
  });
  await expect(formatListing(listing)).toMatchFileSnapshot(golden("groups"));
});

test("exits: what is left to the interpreter, a way out, and an indirect jump through the jump cache", async () => {
  const listing = compiledToy({
    code: [
      toy("addi", 1, 1, 1),
      toy("beq", 1, 2, 4),
      toy("count", 3),
      toy("addi", 4, 4, 1),
      toy("jumpReg", 0, 5),
      toy("halt"),
    ],
    registers: { 2: 100n, 5: 0x1000n },
  });
  await expect(formatListing(listing, { frame: false })).toMatchFileSnapshot(golden("exits"));
  const indirect = compiledToy({
    code: [toy("addi", 1, 1, 1), toy("beq", 1, 2, 2), toy("jumpReg", 0, 5), toy("halt")],
    registers: { 2: 100n, 5: 0x1000n },
  });
  await expect(formatListing(indirect, { frame: false })).toMatchFileSnapshot(golden("indirect"));
});

test("a switch: the targets that an indirect jump had are searched in the region", async () => {
  // Each of the four targets prepares the next one.
  const head = [toy("addi", 1, 1, 1), toy("beq", 1, 2, 10), toy("jumpReg", 0, 5)];
  const cases = [8, 8, 8, -24].flatMap((next, i) => [
    toy("addi", 5, 5, next),
    toy("jump", -(head.length + 2 * i + 1) & 0xff, 0xff, 0xff),
  ]);
  const listing = compiledToy({
    code: [...head, ...cases, toy("halt")],
    registers: { 2: 100n, 5: 0x100cn },
  });
  await expect(formatListing(listing, { frame: false })).toMatchFileSnapshot(golden("switch"));
});

test("a loop over two pages: the link to the other page is checked each time", async () => {
  const listing = compiledToy({
    code: [toy("addi", 1, 1, 1), toy("jump", 0xff, 0x03, 0x00)],
    elsewhere: { 8192: [toy("beq", 1, 2, 2), toy("jump", 0xff, 0xfb, 0xff), toy("halt")] },
    registers: { 2: 100n },
  });
  await expect(formatListing(listing, { frame: false })).toMatchFileSnapshot(golden("pages"));
});
