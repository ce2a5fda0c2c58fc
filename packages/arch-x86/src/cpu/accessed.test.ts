import { newTranslation } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { createBareMachine } from "../testing/cpu/bare-machine.js";
import { Need, type PagingMode, TRANSLATED } from "./mmu.js";

// Accessed and dirty bits (SDM volume 3, 4.8): a translation that succeeds marks all entries that it used, one that
// faults marks none.

const [P, RW, US, A, D] = [1, 2, 4, 0x20, 0x40];
const TABLES = 0x10_0000;
const PAGE = 0x30_0000;

const rights = { writeProtect: true, largePages: true, globalPages: true, executeDisable: false };
const MODES: Readonly<Record<string, Pick<PagingMode, "levels" | "root" | "pdptes">>> = {
  "32-bit": { levels: 2, root: TABLES, pdptes: [] },
  PAE: { levels: 3, root: 0, pdptes: [[TABLES | P, 0]] },
  "4-level": { levels: 4, root: TABLES, pdptes: [] },
};

/** Walks to address 0 through tables whose first entries have these flags, the highest first. */
function walk(mode: PagingMode, flags: readonly number[], need: Need, user: boolean) {
  const m = createBareMachine("cold");
  const words = new DataView(m.ram.buffer, m.ram.byteOffset);
  const address = (level: number) => TABLES + 0x1000 * level;
  for (const [i, bits] of flags.entries()) {
    const target = i === flags.length - 1 ? PAGE : address(i + 1);
    words.setUint32(address(i), target | bits, true);
  }
  const locate = (physical: number) => m.core.ramOffset(physical);
  const error = m.cpu.mmu.translate(mode, need, 0, 0, user, false, locate, newTranslation());
  const left = flags.map((_, i) => words.getUint32(address(i), true) & 0xfff);
  return { left, error };
}

describe.each(Object.entries(MODES))("%s paging", (_, shape) => {
  const mode: PagingMode = { ...rights, ...shape, smep: false, smap: false };
  const upper = shape.levels === 4 ? 3 : 1;
  const through = (bits: number, leaf: number) => [...Array<number>(upper).fill(bits), leaf];
  const all = P | RW | US;

  test("marks what a translation used", () => {
    const read = walk(mode, through(all, all), Need.read, true);
    expect(read).toEqual({ left: through(all | A, all | A), error: TRANSLATED });
    const write = walk(mode, through(all, all), Need.write, true);
    expect(write).toEqual({ left: through(all | A, all | A | D), error: TRANSLATED });
  });

  test("marks nothing when it faults", () => {
    const absent = walk(mode, through(all, RW), Need.read, true);
    expect(absent).toEqual({ left: through(all, RW), error: 4 });
    const denied = walk(mode, through(all, P | US), Need.write, true);
    expect(denied).toEqual({ left: through(all, P | US), error: 7 });
    const supervisor = walk(mode, through(P | RW, all), Need.read, true);
    expect(supervisor).toEqual({ left: through(P | RW, all), error: 5 });
  });
});
