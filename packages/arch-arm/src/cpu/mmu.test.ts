import { Access, Translated, type Translation } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { atLevel, type FakeMachine, fakeMachine, RAM } from "../testing/cpu/fake-machine.js";

const ROOT = RAM + 0x1_0000;
const PAGE = RAM + 0x8_0000;
const AF = 1n << 10n;
const USER = 1n << 6n;
const READ_ONLY = 1n << 7n;
const DEVICE = 1n << 2n;
const VALID = 3n;
/** Attribute 0 Normal, 1 Device. */
const MAIR = 0x00ffn;

const result = (): Translation => ({
  physical: 0,
  readable: false,
  writable: false,
  cacheable: false,
  pageShift: 0,
});

interface Granule {
  readonly name: string;
  readonly bits: number;
  readonly tg0: bigint;
  readonly tg1: bigint;
}
const GRANULES: readonly Granule[] = [
  { name: "4K", bits: 12, tg0: 0n, tg1: 2n },
  { name: "16K", bits: 14, tg0: 2n, tg1: 1n },
  { name: "64K", bits: 16, tg0: 1n, tg1: 3n },
];

/** Tables for one address with an input size of 39 bits: a table per level from `ROOT` on, the leaf last. */
function map(m: FakeMachine, bits: number, va: bigint, leaf: bigint, root = ROOT): void {
  const stride = bits - 3;
  const levels = Math.ceil((39 - bits) / stride);
  for (let i = 0; i < levels; i++) {
    const shift = BigInt(bits + stride * (levels - 1 - i));
    const width = i === 0 ? 39n - shift : BigInt(stride);
    const index = Number(((va & 0x7f_ffff_ffffn) >> shift) & ((1n << width) - 1n));
    const table = root + i * 0x1_0000;
    const entry = i === levels - 1 ? leaf : BigInt(table + 0x1_0000) | VALID;
    m.core.write64(table + index * 8, entry);
  }
}

function machine(level: number, g: Granule = GRANULES[0] as Granule): FakeMachine {
  const m = fakeMachine();
  const { pe } = m;
  pe.writeSystem("MAIR_EL1", MAIR);
  pe.writeSystem("TCR_EL1", 25n | (g.tg0 << 14n) | (25n << 16n) | (g.tg1 << 30n) | (5n << 32n));
  pe.writeSystem("TTBR0_EL1", BigInt(ROOT));
  pe.writeSystem("TTBR1_EL1", BigInt(ROOT));
  pe.writeSystem("SCTLR_EL1", 1n | (1n << 23n));
  atLevel(m, level);
  return m;
}

function translate(m: FakeMachine, access: Access, va: bigint, size = 1): Translation | bigint {
  const out = result();
  const lo = Number(BigInt.asIntN(32, va));
  const hi = Number(BigInt.asIntN(32, va >> 32n));
  const done =
    access === Access.fetch ? m.pe.translateFetch(lo, hi, out) : m.pe.translate(access, lo, hi, size, out);
  if (done === Translated.ok) return out;
  return m.pe.readSystem(m.pe.el === 2 ? "ESR_EL2" : "ESR_EL1") & 0xffff_ffffn;
}
/** EC and the fault's part of the ISS. */
const abort = (ec: number, iss: number): bigint => BigInt(ec * 2 ** 26 + 2 ** 25 + iss);
const leaf = BigInt(PAGE) | AF | VALID;

describe("the first stage", () => {
  test.each(GRANULES)("$name pages of both halves", (g) => {
    for (const va of [0x12_3456_7000n & -0x1_0000n, 0xffff_ff92_3456_0000n]) {
      const m = machine(1, g);
      map(m, g.bits, va, leaf);
      const out = translate(m, Access.read, va + 0x123n) as Translation;
      expect(out.physical).toBe(PAGE + 0x123);
      expect([out.readable, out.writable, out.cacheable, out.pageShift]).toEqual([true, true, true, 12]);
    }
  });

  test("faults name their level", () => {
    const va = 0x12_3456_7000n;
    const cases: [bigint, number][] = [
      [0n, 7],
      [BigInt(PAGE) | VALID, 0xb],
      [BigInt(PAGE) | AF | 1n, 7],
      [(1n << 46n) | AF | VALID, 3],
    ];
    for (const [entry, code] of cases) {
      const m = machine(1);
      map(m, 12, va, entry);
      expect(translate(m, Access.read, va)).toBe(abort(0x25, code));
    }
    const outside = machine(1);
    expect(translate(outside, Access.write, 1n << 40n)).toBe(abort(0x25, 4 | 0x40));
    const nothing = machine(1);
    expect(translate(nothing, Access.read, va)).toBe(abort(0x25, 5));
    expect(nothing.pe.readSystem("FAR_EL1")).toBe(va);
  });

  test.each([
    // AP[2:1], level, PAN, what each access gets
    ["privileged", 0n, 1, 0n, "rwx"],
    ["privileged from EL0", 0n, 0, 0n, "--x"],
    ["shared", USER, 0, 0n, "rwx"],
    ["shared from EL1", USER, 1, 0n, "rw-"],
    ["shared with PAN", USER, 1, 1n << 22n, "---"],
    ["read-only", READ_ONLY, 1, 0n, "r-x"],
    ["shared read-only", USER | READ_ONLY, 0, 0n, "r-x"],
    ["shared read-only from EL1", USER | READ_ONLY, 1, 0n, "r-x"],
    ["PXN", 1n << 53n, 1, 0n, "rw-"],
    ["UXN", USER | (1n << 54n), 0, 0n, "rw-"],
  ])("permissions: %s", (_, bits, level, pan, wanted) => {
    const va = 0x40_0000n;
    let seen = "";
    for (const [access, letter] of [
      [Access.read, "r"],
      [Access.write, "w"],
      [Access.fetch, "x"],
    ] as const) {
      const m = machine(level);
      m.pe.writeSystem("PAN", pan);
      map(m, 12, va, leaf | bits);
      const got = translate(m, access, va);
      if (typeof got === "bigint") expect(got & 0x3fn).toBe(0xfn);
      seen += typeof got === "bigint" ? "-" : letter;
    }
    expect(seen).toBe(wanted);
  });

  test("Device memory is not kept, and faults on what is unaligned", () => {
    const m = machine(1);
    map(m, 12, 0x40_0000n, leaf | DEVICE);
    expect((translate(m, Access.read, 0x40_0004n, 4) as Translation).cacheable).toBe(false);
    expect(translate(m, Access.write, 0x40_0002n, 4)).toBe(abort(0x25, 0x61));
  });

  test("AT leaves its result in PAR_EL1", () => {
    const m = machine(1);
    map(m, 12, 0x40_0000n, leaf | (3n << 8n));
    m.pe.operations.execute((1 << 14) | (7 << 7) | (8 << 3), 0x40_0123, 0);
    expect(m.pe.readSystem("PAR_EL1")).toBe((0xffn << 56n) | BigInt(PAGE) | 0x980n);
    m.pe.operations.execute((1 << 14) | (7 << 7) | (8 << 3), 0x50_0123, 0);
    expect(m.pe.readSystem("PAR_EL1")).toBe(0x801n | (7n << 1n));
  });
});

describe("the second stage", () => {
  const S2ROOT = RAM + 0x6_0000;
  const S2 = AF | VALID | (0xfn << 2n) | (1n << 8n);
  /** 39 bits of IPA from level 1 on, memory mapped as it is with 1 GiB blocks. */
  function guest(rights: bigint, level = 1): FakeMachine {
    const m = fakeMachine();
    const { pe } = m;
    pe.writeSystem("VTCR_EL2", 25n | (1n << 6n) | (4n << 16n));
    pe.writeSystem("VTTBR_EL2", BigInt(S2ROOT) | (3n << 48n));
    m.core.write64(S2ROOT + 8, (BigInt(RAM) & ~0x3fff_ffffn) | rights | (S2 & ~2n));
    pe.writeSystem("HCR_EL2", 1n);
    atLevel(m, level);
    m.core.pc = BigInt(RAM);
    return m;
  }

  test("maps what the first stage gives", () => {
    const out = translate(guest(3n << 6n), Access.read, BigInt(PAGE)) as Translation;
    expect([out.physical, out.readable, out.writable]).toEqual([PAGE, true, true]);
  });

  test("its faults are EL2's, with the address and the instruction's description", () => {
    const m = guest(3n << 6n);
    // ldrsb w7, [x1]
    m.core.write32(RAM, 0x39c00027);
    const va = 0x900_0018n;
    expect(translate(m, Access.read, va)).toBe(abort(0x24, 5 | (1 << 24) | (1 << 21) | (7 << 16)));
    expect(m.pe.readSystem("HPFAR_EL2")).toBe((va >> 12n) << 4n);
    expect(m.pe.readSystem("FAR_EL2")).toBe(va);
  });

  test("a write without the right is a permission fault", () => {
    const m = guest(1n << 6n);
    // str x3, [x1], #8: writeback leaves no description
    m.core.write32(RAM, 0xf8008423);
    expect(translate(m, Access.write, BigInt(PAGE))).toBe(abort(0x24, 0xd | 0x40));
  });

  test("so are those of walks, which say so", () => {
    const m = guest(3n << 6n);
    m.pe.writeSystem("TTBR0_EL1", 0x1000_0000n);
    m.pe.writeSystem("TCR_EL1", 25n | (5n << 32n));
    m.pe.writeSystem("SCTLR_EL1", 1n);
    expect(translate(m, Access.read, 0x40_0000n)).toBe(abort(0x24, 5 | 0x80));
    expect(m.pe.readSystem("HPFAR_EL2")).toBe(0x10_0000n);
  });
});
