import { describe, expect, test } from "vitest";
import { toy, toyRegisters } from "../testing/toy-cpu.js";
import { ARENA, createToy, putWords, setRegisters } from "../testing/toy-machine.js";
import { type PageWalker, WALKED } from "../walk/page-walker.js";
import { i64 } from "../wasm/index.js";
import { TLB_ENTRIES, TLB_ENTRY_BYTES, tlbEntry } from "./geometry.js";

const START = 0x1000;
const DATA = 0x8000;
const PAGE = 4096;
const MIB = 1 << 20;

/** All pages are one. */
const onePage: PageWalker = {
  coreBytes: 8,
  emit(module) {
    const f = module.func("walk", ["i64", "i32", "i32"], "i64");
    return f.body(i64.const(BigInt(ARENA + DATA) | BigInt(WALKED.readable | (12 << WALKED.shift))));
  },
};

/** TLB entries made by a loop that reads from four addresses in turn, and what it read. */
function fills(tier: "cold" | "hot", addresses: readonly bigint[]): { filled: number; sum: bigint } {
  const machine = createToy({ tier, pageWalker: onePage });
  const { core } = machine;
  const loads = [2, 3, 4, 5].flatMap((base) => [toy("load", 6, base, 0), toy("add", 7, 7, 6)]);
  const back = -4 * (loads.length + 1);
  putWords(machine, START, [...loads, toy("addi", 1, 1, 1), toy("bltu", 1, 8, back), toy("halt")]);
  putWords(machine, DATA, [5, 0]);
  setRegisters(machine, Object.fromEntries(addresses.map((address, i) => [2 + i, address])));
  setRegisters(machine, { 8: 500n });
  core.setPc(START, 0);
  // In slices, so that what is hot gets compiled.
  while (core.run(100) === "budget");
  return { filled: core.tlbFills, sum: core.big(toyRegisters[7] as never) };
}

describe.each(["cold", "hot"] as const)("pages used in turn, %s", (tier) => {
  test.each([1, 16, 32, 64, 128, 256])("that are %d MiB apart have entries of their own", (distance) => {
    const addresses = [0, 1, 2, 3].map((i) => 0xffff_8000_4000_0000n + BigInt(i * distance * MIB));
    expect(fills(tier, addresses)).toEqual({ filled: 4, sum: 10_000n });
  });

  test("that share an entry are found again", () => {
    // Exclusive or of the same bits.
    const addresses = [0n, 1n, 2n, 3n].map((i) => i * BigInt(16 * MIB + PAGE));
    const { filled, sum } = fills(tier, addresses);
    expect(sum).toBe(10_000n);
    expect(filled).toBeGreaterThan(1000);
  });
});

test("neighbouring pages have different entries, as many as there are", () => {
  for (const first of [0, 28 * MIB, 0x8000_0000]) {
    const entries = Array.from({ length: TLB_ENTRIES }, (_, i) => tlbEntry((first + i * PAGE) | 0));
    expect(new Set(entries).size).toBe(TLB_ENTRIES);
    expect(entries.every((at) => at % TLB_ENTRY_BYTES === 0 && at < TLB_ENTRIES * TLB_ENTRY_BYTES)).toBe(
      true,
    );
    expect(tlbEntry((first + 5 * PAGE + 4095) | 0)).toBe(entries[5]);
  }
});
