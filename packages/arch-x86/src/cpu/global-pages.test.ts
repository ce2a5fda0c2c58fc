import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type BareMachine, createBareMachine } from "../testing/cpu/bare-machine.js";
import { CR0 as CR0_BIT, CR4 as CR4_BIT, EFER as EFER_BIT, RIGHTS } from "./control-bits.js";
import { writeControl, writeCr3 } from "./control-registers.js";
import { ENTRY } from "./paging-entry.js";
import { CR0, CR3, CR4, EFER, GPR, Gpr, Seg } from "./state.js";

// Pages of supervisor code under SMAP: global ones outlive MOV to CR3 (SDM volume 3, 4.10.2.4), others are each address
// space's own.

const { P, RW, A, D, PS, G } = ENTRY;
const USED = P | RW | A | D;
const CODE = 0x20_0000;
const TABLES = 0x10_0000;
/** Where data is in linear memory: a global page and another. */
const SHARED = 0x4000_0000;
const OWN = 0x4000_1000;
const FRAMES = 0x30_0000;
const CR4_BITS = CR4_BIT.PAE | CR4_BIT.PGE | CR4_BIT.SMAP;

describe.each([
  ["cold", true],
  ["cold", false],
  ["hot", true],
] as const)("%s tier, walks in WebAssembly: %s", (tier, walks) => {
  let machine: BareMachine;
  let words: DataView;

  const entry = (at: number, value: number): void => words.setUint32(at, value, true);
  const frame = (index: number): number => FRAMES + 0x1000 * index;
  /** An address space: code as it is, and two pages of data. */
  const space = (index: number, shared: number, own: number): number => {
    const [root, upper, directory, first, table] = [0, 1, 2, 3, 4].map(
      (i) => TABLES + 0x8000 * index + 0x1000 * i,
    ) as [number, number, number, number, number];
    entry(root, upper | USED);
    entry(upper, directory | USED);
    entry(upper + 8, first | USED);
    entry(directory + 8, CODE | USED | PS | G);
    entry(first, table | USED);
    entry(table, shared | USED | G);
    entry(table + 8, own | USED);
    return root;
  };
  const read = (address: number): number => {
    const { core } = machine;
    core.set(GPR[Gpr.rsi]!, address, 0);
    core.setPc(CODE, 0);
    core.run(2);
    return core.lo(GPR[Gpr.rax]!);
  };
  const fills = (): number => machine.core.tlbFills;
  const enter = (root: number): void => writeCr3(machine.cpu, BigInt(root));

  beforeAll(() => {
    machine = createBareMachine(tier, walks);
  });
  beforeEach(() => {
    const { core, cpu, ram } = machine;
    words = new DataView(ram.buffer, ram.byteOffset, ram.byteLength);
    // MOV RAX, [RSI]; JMP to itself.
    ram.set([0x48, 0x8b, 0x06, 0xeb, 0xfe], CODE);
    for (let i = 0; i < 8; i++) entry(frame(i), 100 + i);
    core.set(CR0, CR0_BIT.PE | CR0_BIT.PG | CR0_BIT.WP | CR0_BIT.ET, 0);
    core.set(CR4, CR4_BITS, 0);
    core.set(EFER, EFER_BIT.LME | EFER_BIT.LMA, 0);
    const usual = RIGHTS.present | RIGHTS.segment | RIGHTS.writable | RIGHTS.accessed | RIGHTS.granularity;
    const d = { low: 0, high: 0, base: 0, limit: -1 };
    cpu.segments.load(Seg.cs, 8, { ...d, rights: usual | RIGHTS.code | RIGHTS.long });
    for (const number of [Seg.ds, Seg.es, Seg.ss]) cpu.segments.load(number, 16, { ...d, rights: usual });
    const first = space(0, frame(0), frame(1));
    core.set(CR3, first, 0);
    cpu.reload();
    space(1, frame(0), frame(2));
  });

  const [first, second] = [TABLES, TABLES + 0x8000];

  test("a global page is looked up once for all address spaces", () => {
    expect(read(SHARED)).toBe(100);
    const before = fills();
    for (let i = 0; i < 4; i++) {
      enter(i % 2 === 0 ? second : first);
      expect(read(SHARED)).toBe(100);
    }
    expect(fills()).toBe(before);
  });

  test("other pages are found by each address space's own tables", () => {
    for (let i = 0; i < 4; i++) {
      enter(i % 2 === 0 ? second : first);
      expect([read(SHARED), read(OWN), read(SHARED)]).toEqual([100, i % 2 === 0 ? 102 : 101, 100]);
    }
    // MOV to CR3 forgets those, and only those.
    entry(first + 0x4000, frame(3) | USED | G);
    entry(first + 0x4008, frame(4) | USED);
    enter(first);
    expect(read(OWN)).toBe(104);
  });

  test("INVLPG and a change of CR4.PGE forget global pages", () => {
    expect(read(SHARED)).toBe(100);
    for (const table of [first, second]) entry(table + 0x4000, frame(5) | USED | G);
    enter(second);
    expect(read(SHARED)).toBe(100);
    machine.cpu.contexts.dropPage(SHARED, 0);
    expect(read(SHARED)).toBe(105);
    for (const table of [first, second]) entry(table + 0x4000, frame(6) | USED | G);
    writeControl(machine.cpu, 4, BigInt(CR4_BITS & ~CR4_BIT.PGE));
    writeControl(machine.cpu, 4, BigInt(CR4_BITS));
    expect(read(SHARED)).toBe(106);
  });

  test("without CR4.PGE no page is global", () => {
    writeControl(machine.cpu, 4, BigInt(CR4_BITS & ~CR4_BIT.PGE));
    expect(read(SHARED)).toBe(100);
    entry(second + 0x4000, frame(7) | USED | G);
    enter(second);
    expect(read(SHARED)).toBe(107);
  });
});
