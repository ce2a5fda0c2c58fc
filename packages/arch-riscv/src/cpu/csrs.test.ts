import { describe, expect, it } from "vitest";
import { fakeMachine } from "../testing/cpu/fake-core.js";
import type { HartFeatures } from "./features.js";

const ALL = (1n << 64n) - 1n;
const STCE = 1n << 63n;
const ADUE = 1n << 61n;

/** What a CSR reads after all ones and after zero were written to it, all else as after a reset. */
function extremes(name: string, features: Partial<HartFeatures> = {}): [bigint, bigint] {
  const { hart } = fakeMachine({ features }, 4096);
  hart.writeCsr(name, ALL);
  const ones = hart.readCsr(name);
  hart.writeCsr(name, 0n);
  return [ones, hart.readCsr(name)];
}

const EVERY_BIT: [bigint, bigint] = [ALL, 0n];

describe("CSR fields", () => {
  it.each<[string, bigint, bigint]>([
    // SD, UXL and SXL 2, MPV, GVA; TSR TW TVM MXR SUM MPRV, FS, MPP, SPP, MPIE SPIE MIE SIE.
    ["mstatus", (1n << 63n) | 0xc0_0000_0000n | 0xa_0000_0000n | 0x7e_79aan, 0xa_0000_0000n],
    ["sstatus", (1n << 63n) | 0x2_0000_0000n | 0xc_6122n, 0x2_0000_0000n],
    ["vsstatus", (1n << 63n) | 0x2_0000_0000n | 0xc_6122n, 0x2_0000_0000n],
    // VTSR VTW VTVM HU SPVP SPV GVA, VSXL 2; VGEIN is zero, as there are no guest external interrupts.
    ["hstatus", 0x2_0070_03c0n, 0x2_0000_0000n],
    ["misa", (2n << 62n) | 0x14_11afn, (2n << 62n) | 0x14_11afn],
    ["medeleg", 0xfc_b7ffn, 0n],
    ["hedeleg", 0xc_b1ffn, 0n],
    ["mideleg", 0x1666n, 0x1444n],
    ["hideleg", 0x444n, 0n],
    ["mie", 0x1eeen, 0n],
    ["hvip", 0x444n, 0n],
    ["mcounteren", 7n, 0n],
    ["scounteren", 7n, 0n],
    ["hcounteren", 7n, 0n],
    ["mcountinhibit", 5n, 0n],
    ["menvcfg", STCE | ADUE | 0xf1n, 0n],
    ["senvcfg", 0xf1n, 0n],
    // STCE cannot be set while menvcfg.STCE is clear; ADUE is set there after a reset.
    ["henvcfg", ADUE | 0xf1n, 0n],
    ["mtvec", ALL - 2n, 0n],
    ["stvec", ALL - 2n, 0n],
    ["vstvec", ALL - 2n, 0n],
    ["mepc", ALL - 1n, 0n],
    ["sepc", ALL - 1n, 0n],
    ["vsepc", ALL - 1n, 0n],
    // A MODE that does not exist: satp and vsatp keep their value.
    ["satp", 0n, 0n],
    ["vsatp", 0n, 0n],
    // hgatp keeps only its MODE: VMID of 14 bits, PPN with two zeros at the end.
    ["hgatp", 0x03ff_ffff_ffff_fffcn, 0n],
    ["hgeie", 0n, 0n],
    ["mhpmcounter3", 0n, 0n],
    ["mhpmevent31", 0n, 0n],
    ["tselect", 0n, 0n],
    ["tdata1", 0n, 0n],
    ["pmpaddr15", (1n << 54n) - 1n, 0n],
  ])("of %s that can be written are %x", (name, ones, zeros) => {
    expect(extremes(name)).toEqual([ones, zeros]);
  });

  it.each([
    "mscratch",
    "mcause",
    "mtval",
    "mtval2",
    "mtinst",
    "sscratch",
    "scause",
    "stval",
    "stimecmp",
    "vsscratch",
    "vscause",
    "vstval",
    "vstimecmp",
    "htval",
    "htinst",
    "htimedelta",
  ])("of %s are all of them", (name) => {
    expect(extremes(name)).toEqual(EVERY_BIT);
  });

  it("hold the schemes the hart has, and no others", () => {
    const modes = (name: string, sv: 39 | 48 | 57): number[] => {
      const { hart } = fakeMachine({ features: { sv } }, 4096);
      return Array.from({ length: 16 }, (_, mode) => mode).filter((mode) => {
        hart.writeCsr(name, 0n);
        const value = (BigInt(mode) << 60n) | 0x1000n;
        hart.writeCsr(name, value);
        return hart.readCsr(name) === value;
      });
    };
    for (const name of ["satp", "vsatp", "hgatp"]) {
      expect(modes(name, 39)).toEqual([0, 8]);
      expect(modes(name, 48)).toEqual([0, 8, 9]);
      expect(modes(name, 57)).toEqual([0, 8, 9, 10]);
    }
  });

  it("keep hgatp's MODE when an unsupported one is written, and take the rest", () => {
    const { hart } = fakeMachine();
    hart.writeCsr("hgatp", (8n << 60n) | 4n);
    hart.writeCsr("hgatp", (3n << 60n) | (5n << 44n) | 8n);
    expect(hart.readCsr("hgatp")).toBe((8n << 60n) | (5n << 44n) | 8n);
  });

  it("keep MPP when 2 is written to it", () => {
    const { hart } = fakeMachine();
    const mpp = (): bigint => (hart.readCsr("mstatus") >> 11n) & 3n;
    for (const legal of [0n, 1n, 3n]) {
      hart.writeCsr("mstatus", legal << 11n);
      hart.writeCsr("mstatus", 2n << 11n);
      expect(mpp()).toBe(legal);
    }
  });

  it("never hold the reserved CBIE", () => {
    const { hart } = fakeMachine();
    for (const name of ["menvcfg", "senvcfg", "henvcfg"]) {
      const kept = [0n, 1n, 2n, 3n].map((cbie) => {
        hart.writeCsr(name, cbie << 4n);
        return hart.readCsr(name) >> 4n;
      });
      expect(kept).toEqual([0n, 1n, 0n, 3n]);
    }
  });

  it("let hardware update A and D bits after a reset, of guests too, where it can", () => {
    const reset = (features: object): bigint[] => {
      const { hart } = fakeMachine({ features });
      hart.reset(0n);
      return ["menvcfg", "henvcfg"].map((name) => hart.readCsr(name));
    };
    expect(reset({})).toEqual([ADUE, ADUE]);
    expect(reset({ adueAtReset: false })).toEqual([0n, 0n]);
    expect(reset({ svadu: false })).toEqual([0n, 0n]);
  });

  it("of sstatus are those of mstatus, and vsstatus's are its own", () => {
    const { hart } = fakeMachine();
    hart.writeCsr("mstatus", 3n << 13n);
    expect(hart.readCsr("sstatus")).toBe((1n << 63n) | (2n << 32n) | (3n << 13n));
    hart.writeCsr("sstatus", 1n << 18n);
    expect(hart.readCsr("mstatus")).toBe((0xan << 32n) | (1n << 18n));
    expect(hart.readCsr("vsstatus")).toBe(2n << 32n);
  });

  it("depend on the extensions the hart has", () => {
    expect(extremes("menvcfg", { sstc: false, svadu: false, zicbom: false, zicboz: false })).toEqual([
      1n,
      0n,
    ]);
    expect(extremes("menvcfg", { zicboz: false })).toEqual([STCE | ADUE | 0x71n, 0n]);
    expect(extremes("misa", { h: false, fd: false })[0]).toBe((2n << 62n) | 0x14_1107n);
    expect(extremes("mideleg", { h: false })).toEqual([0x222n, 0n]);
    expect(extremes("medeleg", { h: false })).toEqual([0xc_b3ffn, 0n]);
    expect(extremes("mie", { h: false })).toEqual([0xaaan, 0n]);
    expect(extremes("mstatus", { h: false })[0] & (3n << 38n)).toBe(0n);
    const { hart } = fakeMachine({ features: { h: false, fd: false, sstc: false } });
    for (const name of ["hstatus", "hgatp", "vsstatus", "mtinst", "mtval2", "stimecmp", "fcsr"])
      expect(() => hart.readCsr(name)).toThrow(RangeError);
  });

  it("names and numbers agree with the manual's list", () => {
    const { hart } = fakeMachine();
    const numbers = Object.fromEntries(hart.csrs.all.map(({ name, number }) => [name, number]));
    expect(numbers).toMatchObject({
      fflags: 0x001,
      frm: 0x002,
      fcsr: 0x003,
      cycle: 0xc00,
      time: 0xc01,
      instret: 0xc02,
      sstatus: 0x100,
      sie: 0x104,
      stvec: 0x105,
      scounteren: 0x106,
      senvcfg: 0x10a,
      sscratch: 0x140,
      sepc: 0x141,
      scause: 0x142,
      stval: 0x143,
      sip: 0x144,
      stimecmp: 0x14d,
      satp: 0x180,
      hstatus: 0x600,
      hedeleg: 0x602,
      hideleg: 0x603,
      hie: 0x604,
      htimedelta: 0x605,
      hcounteren: 0x606,
      hgeie: 0x607,
      henvcfg: 0x60a,
      htval: 0x643,
      hip: 0x644,
      hvip: 0x645,
      htinst: 0x64a,
      hgatp: 0x680,
      hgeip: 0xe12,
      vsstatus: 0x200,
      vsie: 0x204,
      vstvec: 0x205,
      vsscratch: 0x240,
      vsepc: 0x241,
      vscause: 0x242,
      vstval: 0x243,
      vsip: 0x244,
      vstimecmp: 0x24d,
      vsatp: 0x280,
      mvendorid: 0xf11,
      marchid: 0xf12,
      mimpid: 0xf13,
      mhartid: 0xf14,
      mconfigptr: 0xf15,
      mstatus: 0x300,
      misa: 0x301,
      medeleg: 0x302,
      mideleg: 0x303,
      mie: 0x304,
      mtvec: 0x305,
      mcounteren: 0x306,
      menvcfg: 0x30a,
      mcountinhibit: 0x320,
      mscratch: 0x340,
      mepc: 0x341,
      mcause: 0x342,
      mtval: 0x343,
      mip: 0x344,
      mtinst: 0x34a,
      mtval2: 0x34b,
      pmpcfg0: 0x3a0,
      pmpcfg2: 0x3a2,
      pmpaddr0: 0x3b0,
      pmpaddr15: 0x3bf,
      mcycle: 0xb00,
      minstret: 0xb02,
      mhpmcounter3: 0xb03,
      mhpmcounter31: 0xb1f,
      mhpmevent3: 0x323,
      mhpmevent31: 0x33f,
      tselect: 0x7a0,
      tdata1: 0x7a1,
    });
    expect(hart.readCsr(0x301)).toBe(hart.readCsr("misa"));
    expect(() => hart.readCsr("nonsense")).toThrow("no CSR nonsense");
  });

  it("mhartid is the hart's own", () => {
    expect(fakeMachine({ hartId: 3 }).hart.readCsr("mhartid")).toBe(3n);
  });
});
