import { describe, expect, test } from "vitest";
import { RAM } from "../testing/cpu/bare-machine.js";
import { LEAF, PagedMachine } from "../testing/cpu/paged-machine.js";

const [A, B] = [0x8_0000, 0x8_1000];
const PAGE = 0x5000;
const GLOBAL = 0x6000;
const BLOCK = 0x60_0000;
/** The other 2 MiB of RAM, where an offset holds 3. */
const SECOND = 2 << 20;
const ASID = 0x1234;

const EL1_OPERATIONS = ["vmalle1", "vae1", "aside1", "vaae1", "vale1", "vaale1"] as const;
const EL2_OPERATIONS = ["alle1", "vmalls12e1"] as const;
const programs = Object.fromEntries([
  ["load", "ldr x1, [x0]"],
  ...[...EL1_OPERATIONS, ...EL2_OPERATIONS, "ipas2e1", "ipas2le1"].flatMap((name) =>
    ["", "is"].map((shared) => {
      const operand = /^(v?m?alle1|vmalls12e1)$/.test(name) ? "" : ", x0";
      return [`${name}${shared}`, `tlbi ${name}${shared}${operand}\ndsb sy\nisb`] as const;
    }),
  ),
]);

type Options = { readonly walks: boolean; readonly count?: number };

function machine(options: Options): PagedMachine {
  const made = new PagedMachine(programs, options);
  made.machine.write(A, 1n);
  made.machine.write(B, 2n);
  made.machine.write(SECOND + A, 3n);
  for (const { pe } of made.machine.pes) {
    made.space(pe, 0, ASID);
    made.space(pe, 0, ASID);
  }
  made.map(0, PAGE, A, LEAF.notGlobal);
  made.map(0, GLOBAL, A);
  made.mapBlock(0, BLOCK, 0, LEAF.notGlobal);
  return made;
}

/** What a load gives. */
function load(m: PagedMachine, address: number, index = 0): bigint {
  expect(m.run("load", BigInt(address), undefined, index)).toBe("wfi");
  return m.x(1, index);
}

function change(m: PagedMachine): void {
  m.map(0, PAGE, B, LEAF.notGlobal);
  m.map(0, GLOBAL, B);
  m.mapBlock(0, BLOCK, SECOND, LEAF.notGlobal);
}

const operand = (address: number, asid = ASID): bigint => (BigInt(asid) << 48n) | BigInt(address >>> 12);
const WHERE = [
  ["a page", PAGE, PAGE, 2n],
  ["a global page", GLOBAL, GLOBAL, 2n],
  ["a block", BLOCK + A, BLOCK + 0x7000, 3n],
] as const;

describe.each([{ walks: true }, { walks: false }])("TLBI ($walks)", (options) => {
  test.each(EL1_OPERATIONS.flatMap((name) => ["", "is"].map((shared) => `${name}${shared}`)))(
    "%s",
    (name) => {
      for (const [what, address, named, wanted] of WHERE) {
        // Global pages have no ASID.
        if (name.startsWith("aside") && address === GLOBAL) continue;
        const m = machine(options);
        expect(load(m, address), what).toBe(1n);
        change(m);
        // Nothing has to be forgotten, and nothing is.
        expect(load(m, address), what).toBe(1n);
        m.run(name, operand(named));
        expect(load(m, address), what).toBe(wanted);
      }
    },
  );

  test.each(EL2_OPERATIONS.flatMap((name) => ["", "is"].map((shared) => `${name}${shared}`)))(
    "%s",
    (name) => {
      const m = machine(options);
      for (const [, address] of WHERE) expect(load(m, address)).toBe(1n);
      change(m);
      m.pe().pe.setLevel(2, 1);
      m.run(name, 0n);
      m.pe().pe.setLevel(1, 1);
      for (const [what, address, , wanted] of WHERE) expect(load(m, address), what).toBe(wanted);
    },
  );

  test("of a page forgets tables on the way, but those for the last level need not", () => {
    const m = machine(options);
    expect(load(m, PAGE)).toBe(1n);
    // Another table of the last level, at 0x40000.
    m.machine.write(0x4_0000 + (PAGE >>> 12) * 8, BigInt(RAM + B) | LEAF.af | LEAF.valid);
    m.machine.write(m.entry(0, 0, 2), BigInt(RAM + 0x4_0000) | LEAF.valid);
    expect(load(m, PAGE)).toBe(1n);
    m.run("vae1", operand(PAGE));
    expect(load(m, PAGE)).toBe(2n);
  });

  test("inner-shareable forms reach the other PEs, and HCR_EL2.FB makes the others do", () => {
    const m = machine({ ...options, count: 2 });
    for (const index of [0, 1]) expect(load(m, PAGE, index)).toBe(1n);
    change(m);
    m.run("vae1", operand(PAGE));
    expect([load(m, PAGE, 0), load(m, PAGE, 1)]).toEqual([2n, 1n]);
    m.run("vale1is", operand(PAGE));
    expect(load(m, PAGE, 1)).toBe(2n);
    m.map(0, PAGE, A, LEAF.notGlobal);
    m.pe().pe.writeSystem("HCR_EL2", 1n << 9n);
    m.run("aside1", operand(0));
    expect(load(m, PAGE, 1)).toBe(1n);
  });

  test("ASIDs are of 16 bits, of 8 with TCR_EL1.AS clear, and TTBR1_EL1's with A1", () => {
    const m = machine(options);
    const { pe } = m.pe();
    const tcr = pe.readSystem("TCR_EL1");
    const drops = (asid: number): boolean => {
      m.map(0, PAGE, A, LEAF.notGlobal);
      m.run("vmalle1", 0n);
      expect(load(m, PAGE)).toBe(1n);
      m.map(0, PAGE, B, LEAF.notGlobal);
      m.run("aside1", BigInt(asid) << 48n);
      return load(m, PAGE) === 2n;
    };
    expect([ASID, ASID & 0xff, 0x77].map(drops)).toEqual([true, false, false]);
    pe.writeSystem("TCR_EL1", tcr & ~(1n << 36n));
    expect([ASID, ASID & 0xff, 0x77].map(drops)).toEqual([true, true, false]);
    pe.writeSystem("TCR_EL1", tcr | (1n << 22n));
    pe.writeSystem("TTBR1_EL1", pe.readSystem("TTBR1_EL1") | (0x77n << 48n));
    expect([ASID, 0x77].map(drops)).toEqual([false, true]);
  });

  test("address spaces keep what they have when another is selected, or a register is written as it was", () => {
    const m = machine(options);
    const { core, pe } = m.pe();
    m.map(1, PAGE, B, LEAF.notGlobal);
    const filled = (): number => core.statistics().tlbFills;
    const spaces = [
      [0, ASID, 1n],
      [1, 7, 2n],
    ] as const;
    for (const [which, asid, wanted] of spaces) {
      m.space(pe, which, asid);
      expect(load(m, PAGE)).toBe(wanted);
    }
    const before = filled();
    for (let i = 0; i < 3; i++) {
      for (const [which, asid, wanted] of spaces) {
        m.space(pe, which, asid);
        for (const name of ["TCR_EL1", "MAIR_EL1", "SCTLR_EL1", "VTCR_EL2", "HCR_EL2"])
          pe.writeSystem(name, pe.readSystem(name));
        expect(load(m, PAGE)).toBe(wanted);
      }
    }
    expect(filled()).toBe(before);
  });

  describe("with a second stage", () => {
    const S2 = 0x10_0000;
    const S2_LEAF = LEAF.af | (3n << 6n) | (15n << 2n) | (3n << 8n);
    const s2Entry = (offset: number): number => S2 + 0x2000 + (offset >>> 12) * 8;
    function guest(): PagedMachine {
      const m = machine(options);
      const { pe } = m.pe();
      // 39 bits from level 1 on: RAM as it is, the first 2 MiB by pages.
      m.machine.write(S2 + 8, BigInt(RAM + S2 + 0x1000) | LEAF.valid);
      m.machine.write(S2 + 0x1000, BigInt(RAM + S2 + 0x2000) | LEAF.valid);
      m.machine.write(S2 + 0x1008, BigInt(RAM + SECOND) | S2_LEAF | LEAF.block);
      for (let at = 0; at < SECOND; at += 4096)
        m.machine.write(s2Entry(at), BigInt(RAM + at) | S2_LEAF | LEAF.valid);
      pe.writeSystem("VTCR_EL2", 25n | (1n << 6n) | (4n << 16n));
      vttbr(m, 5);
      pe.writeSystem("HCR_EL2", 1n);
      return m;
    }
    const vttbr = (m: PagedMachine, vmid: number): void =>
      m.pe().pe.writeSystem("VTTBR_EL2", BigInt(RAM + S2) | (BigInt(vmid) << 48n));

    test.each([
      ["ipas2e1", "vmalle1"],
      ["ipas2le1is", "vmalle1is"],
      ["vmalls12e1", undefined],
      ["alle1is", undefined],
    ])("%s", (name, then) => {
      const m = guest();
      expect(load(m, PAGE)).toBe(1n);
      m.machine.write(s2Entry(A), BigInt(RAM + B) | S2_LEAF | LEAF.valid);
      expect(load(m, PAGE)).toBe(1n);
      // A new page of the first stage is translated by what is known of the second.
      m.map(0, 0x9000, A, LEAF.notGlobal);
      expect(load(m, 0x9000)).toBe(1n);
      m.pe().pe.setLevel(2, 1);
      m.run(name, BigInt((RAM + A) >>> 12));
      if (then !== undefined) m.run(then, 0n);
      m.pe().pe.setLevel(1, 1);
      expect([load(m, PAGE), load(m, 0x9000)]).toEqual([2n, 2n]);
    });

    test("a VMID's entries are its own", () => {
      const m = guest();
      expect(load(m, PAGE)).toBe(1n);
      vttbr(m, 6);
      m.map(0, PAGE, B, LEAF.notGlobal);
      expect(load(m, PAGE)).toBe(2n);
      m.run("vmalle1", 0n);
      vttbr(m, 5);
      expect(load(m, PAGE)).toBe(1n);
    });
  });

  test("tagged addresses are the same pages, and blocks, to it", () => {
    const m = machine(options);
    const { pe } = m.pe();
    pe.writeSystem("TCR_EL1", pe.readSystem("TCR_EL1") | (1n << 37n));
    const tagged = (address: number): bigint => {
      expect(m.run("load", BigInt(address) | (0x5an << 56n))).toBe("wfi");
      return m.x(1);
    };
    expect([tagged(PAGE), tagged(BLOCK + A)]).toEqual([1n, 1n]);
    change(m);
    expect([tagged(PAGE), tagged(BLOCK + A)]).toEqual([1n, 1n]);
    m.run("vale1", operand(PAGE));
    m.run("vale1", operand(BLOCK));
    expect([tagged(PAGE), tagged(BLOCK + A)]).toEqual([2n, 3n]);
  });

  test("pages of 16 and 64 KiB are forgotten whole", () => {
    for (const [bits, tg0] of [
      [14, 2n],
      [16, 1n],
    ] as const) {
      const m = machine(options);
      const { pe } = m.pe();
      // 25 bits of addresses: one level.
      const table = 0x20_0000;
      m.machine.write(table + 8, BigInt(RAM + A) | LEAF.af | LEAF.valid);
      pe.writeSystem("TCR_EL1", (pe.readSystem("TCR_EL1") & ~0xc03fn) | 39n | (tg0 << 14n));
      pe.writeSystem("TTBR0_EL1", BigInt(RAM + table));
      const page = 1 << bits;
      m.machine.write(A + page - 8, 5n);
      m.machine.write(SECOND + A, 3n);
      m.machine.write(SECOND + A + page - 8, 7n);
      expect([load(m, page), load(m, 2 * page - 8)]).toEqual([1n, 5n]);
      m.machine.write(table + 8, BigInt(RAM + SECOND + A) | LEAF.af | LEAF.valid);
      expect([load(m, page), load(m, 2 * page - 8)]).toEqual([1n, 5n]);
      m.run("vale1", BigInt((page + 0x1000) >>> 12));
      expect([load(m, page), load(m, 2 * page - 8)]).toEqual([3n, 7n]);
    }
  });
});
