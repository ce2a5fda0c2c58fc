import { Access, newTranslation, Status, Translated } from "@hypercraft/engine";
import { describe, expect, it } from "vitest";
import { type FakeMachine, fakeMachine, RAM } from "../testing/cpu/fake-core.js";
import { Helper } from "./helper-ids.js";
import { X } from "./state.js";

const MODES = {
  U: { priv: 0, v: 0 },
  HS: { priv: 1, v: 0 },
  M: { priv: 3, v: 0 },
  VU: { priv: 0, v: 1 },
  VS: { priv: 1, v: 1 },
} as const;
type Mode = keyof typeof MODES;

const MTVEC = 0x8000_1000n;
const STVEC = 0x8000_2000n;
const VSTVEC = 0x8000_3000n;
const PC = 0x8000_0100n;

/** A hart in a mode, with vectors, open memory and an instruction at the pc. */
function inMode(mode: Mode, { medeleg = 0n, hedeleg = 0n, instruction = 0x0000_0073 } = {}): FakeMachine {
  const machine = fakeMachine();
  const { hart, core } = machine;
  hart.writeCsr("pmpaddr0", -1n);
  hart.writeCsr("pmpcfg0", 0x1fn);
  hart.writeCsr("mtvec", MTVEC);
  hart.writeCsr("stvec", STVEC);
  hart.writeCsr("vstvec", VSTVEC);
  hart.writeCsr("medeleg", medeleg);
  hart.writeCsr("hedeleg", hedeleg);
  core.write32(Number(PC), instruction);
  core.pc = PC;
  hart.setMode(MODES[mode].priv, MODES[mode].v);
  return machine;
}

const ecall = ({ hart }: FakeMachine): number => hart.helper(Helper.ecall, 0, 0, 0, 0, 0);
const bits = (value: bigint, high: number, low: number): bigint =>
  (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
const modeOf = ({ hart }: FakeMachine): Mode =>
  (Object.keys(MODES) as Mode[]).find((m) => MODES[m].priv === hart.priv && MODES[m].v === hart.v)!;

const ALL = (1n << 64n) - 1n;
const MIE = 1n << 3n;
const SIE = 1n << 1n;

describe("trap entry", () => {
  // Cause of ECALL, and the target for no, medeleg only, and medeleg with hedeleg.
  it.each<[Mode, bigint, Mode, Mode, Mode]>([
    ["U", 8n, "M", "HS", "HS"],
    ["VU", 8n, "M", "HS", "VS"],
    ["HS", 9n, "M", "HS", "HS"],
    // hedeleg[10] is read-only zero.
    ["VS", 10n, "M", "HS", "HS"],
    // medeleg[11] is read-only zero.
    ["M", 11n, "M", "M", "M"],
  ])("takes an ECALL of %s-mode (%d) where delegation says", (mode, cause, none, medeleg, both) => {
    const run = (options: { medeleg?: bigint; hedeleg?: bigint }): [Mode, bigint, bigint] => {
      const machine = inMode(mode, options);
      expect(ecall(machine)).toBe(Status.trap);
      const to = modeOf(machine);
      const prefix = { M: "m", HS: "s", VS: "vs", U: "", VU: "" }[to];
      expect(machine.core.pc).toBe({ M: MTVEC, HS: STVEC, VS: VSTVEC, U: 0n, VU: 0n }[to]);
      expect(machine.hart.readCsr(`${prefix}tval`)).toBe(0n);
      return [to, machine.hart.readCsr(`${prefix}cause`), machine.hart.readCsr(`${prefix}epc`)];
    };
    expect(run({})).toEqual([none, cause, PC]);
    expect(run({ medeleg: ALL })).toEqual([medeleg, cause, PC]);
    expect(run({ medeleg: ALL, hedeleg: ALL })).toEqual([both, cause, PC]);
    // hedeleg alone delegates nothing.
    expect(run({ hedeleg: ALL })).toEqual([none, cause, PC]);
  });

  // Tables "Value of mstatus fields MPV and MPP after a trap into M-mode".
  it.each<[Mode, bigint, bigint]>([
    ["U", 0n, 0n],
    ["HS", 0n, 1n],
    ["M", 0n, 3n],
    ["VU", 1n, 0n],
    ["VS", 1n, 1n],
  ])("into M-mode from %s sets MPV %d, MPP %d and stacks MIE", (mode, mpv, mpp) => {
    for (const mie of [0n, MIE]) {
      const machine = inMode(mode);
      machine.hart.writeCsr("mstatus", mie | (mpv ? 0n : 1n << 39n) | (2n << 11n));
      ecall(machine);
      const mstatus = machine.hart.readCsr("mstatus");
      expect([
        bits(mstatus, 39, 39),
        bits(mstatus, 12, 11),
        bits(mstatus, 3, 3),
        bits(mstatus, 7, 7),
      ]).toEqual([mpv, mpp, 0n, mie >> 3n]);
      expect(machine.hart.v).toBe(0);
    }
  });

  // Table "Value of hstatus field SPV and sstatus field SPP after a trap into HS-mode".
  it.each<[Mode, bigint, bigint, "kept" | bigint]>([
    ["U", 0n, 0n, "kept"],
    ["HS", 0n, 1n, "kept"],
    ["VU", 1n, 0n, 0n],
    ["VS", 1n, 1n, 1n],
  ])("into HS-mode from %s sets SPV %d, SPP %d, SPVP %s", (mode, spv, spp, spvp) => {
    for (const before of [0n, 1n]) {
      const machine = inMode(mode, { medeleg: ALL });
      machine.hart.writeCsr("hstatus", (before << 8n) | ((1n - spv) << 7n) | (1n << 6n));
      machine.hart.writeCsr("sstatus", SIE);
      ecall(machine);
      const hstatus = machine.hart.readCsr("hstatus");
      const sstatus = machine.hart.readCsr("sstatus");
      expect([bits(hstatus, 7, 7), bits(sstatus, 8, 8)]).toEqual([spv, spp]);
      expect(bits(hstatus, 8, 8)).toBe(spvp === "kept" ? before : spvp);
      // GVA is cleared: an ECALL's trap value is no address.
      expect(bits(hstatus, 6, 6)).toBe(0n);
      expect([bits(sstatus, 1, 1), bits(sstatus, 5, 5)]).toEqual([0n, 1n]);
    }
  });

  it("into VS-mode touches vsstatus only", () => {
    const machine = inMode("VU", { medeleg: ALL, hedeleg: ALL });
    const { hart } = machine;
    hart.writeCsr("vsstatus", SIE);
    hart.writeCsr("sstatus", SIE);
    hart.writeCsr("hstatus", 1n << 8n);
    const before = [hart.readCsr("hstatus"), hart.readCsr("sstatus"), hart.readCsr("mstatus")];
    ecall(machine);
    expect(modeOf(machine)).toBe("VS");
    const vsstatus = hart.readCsr("vsstatus");
    expect([bits(vsstatus, 8, 8), bits(vsstatus, 5, 5), bits(vsstatus, 1, 1)]).toEqual([0n, 1n, 0n]);
    expect([hart.readCsr("hstatus"), hart.readCsr("sstatus"), hart.readCsr("mstatus")]).toEqual(before);
  });

  it("sets GVA exactly for traps that write a guest virtual address", () => {
    const gva = (mode: Mode, helper: number, constant: number, target: "m" | "s"): bigint => {
      const machine = inMode(mode, { medeleg: target === "s" ? ALL : 0n });
      machine.hart.helper(helper, constant, 0x1234, 0, 0, 0);
      return target === "s"
        ? bits(machine.hart.readCsr("hstatus"), 6, 6)
        : bits(machine.hart.readCsr("mstatus"), 38, 38);
    };
    for (const target of ["m", "s"] as const) {
      expect(gva("VS", Helper.ebreak, 0, target)).toBe(1n);
      expect(gva("HS", Helper.ebreak, 0, target)).toBe(0n);
      expect(gva("VS", Helper.illegal, 0, target)).toBe(0n);
      expect(gva("VS", Helper.trap, 22, target)).toBe(0n);
      // An access by HLV in HS-mode: SPV is 0 and GVA 1. vsatp is Bare, hgatp too, and no device answers.
      expect(gva("HS", Helper.hypervisorLoad, 4, target)).toBe(1n);
      expect(gva("VU", Helper.trap, 0, target)).toBe(1n);
    }
  });

  it("sets GVA for accesses that MPRV makes as a guest, unless MPP is M", () => {
    const gva = (mpp: bigint, mpv: bigint): bigint => {
      const { hart } = inMode("M");
      hart.writeCsr("mstatus", (1n << 17n) | (mpp << 11n) | (mpv << 39n));
      hart.physicalAccess(Access.read, 0x1000_0000, 4, 0, 0, 0x1000_0000, 0);
      expect(hart.readCsr("mcause")).toBe(5n);
      return bits(hart.readCsr("mstatus"), 38, 38);
    };
    expect([gva(1n, 1n), gva(0n, 1n), gva(1n, 0n), gva(3n, 1n)]).toEqual([1n, 1n, 0n, 0n]);
  });

  it("does not use medeleg in M-mode", () => {
    const machine = inMode("M", { medeleg: ALL });
    machine.hart.helper(Helper.illegal, 0, 0x1234, 0, 0, 0);
    expect(modeOf(machine)).toBe("M");
    expect(machine.hart.readCsr("mtval")).toBe(0x1234n);
  });

  it("reports the instruction as the trap value of a refused CSR access", () => {
    // csrr a0, hgatp in VS-mode and in U-mode.
    const read = 0x6800_2573;
    for (const [mode, cause] of [["VS", 22n] as const, ["U", 2n] as const]) {
      const machine = inMode(mode, { instruction: read });
      expect(machine.hart.helper(Helper.csrRead, 0x680, 0, 0, 0, 0)).toBe(Status.trap);
      expect(machine.hart.readCsr("mcause")).toBe(cause);
      expect(machine.hart.readCsr("mtval")).toBe(BigInt(read));
    }
  });

  it("vectors interrupts but not exceptions", () => {
    const machine = inMode("U");
    machine.hart.writeCsr("mtvec", MTVEC | 1n);
    ecall(machine);
    expect(machine.core.pc).toBe(MTVEC);
    machine.hart.setMode(0, 0);
    machine.hart.writeCsr("mie", 1n << 7n);
    machine.hart.setMachineTimer(true);
    expect(machine.hart.takeInterrupt()).toBe(true);
    expect(machine.core.pc).toBe(MTVEC + 4n * 7n);
    expect(machine.hart.readCsr("mcause")).toBe((1n << 63n) | 7n);
  });

  it("carries a vector across bit 31", () => {
    const machine = inMode("U");
    machine.hart.writeCsr("mtvec", 0xffff_fff1n);
    machine.hart.writeCsr("mie", 1n << 7n);
    machine.hart.setMachineTimer(true);
    machine.hart.takeInterrupt();
    expect(machine.core.pc).toBe(0x1_0000_000cn);
  });

  it("writes the transformed instruction of an access that faults, with the distance to the faulting part", () => {
    // ld a0, 4(a1), the second half of which lies in a page nothing maps.
    const machine = inMode("VS", { medeleg: ALL, instruction: 0x0045_b503 });
    const { hart, core } = machine;
    hart.writeCsr("hgatp", (8n << 60n) | ((BigInt(RAM) + 0x8000n) >> 12n));
    // Guest RAM at its own address, as one gigapage.
    core.write64(RAM + 0x8000 + 2 * 8, (BigInt(RAM) >> 2n) | 0xdfn);
    core.setBig(X[11]!, 0xbfff_fff8n);
    const out = newTranslation();
    expect(hart.translate(Access.read, 0xc000_0000 | 0, 0, 4, out)).toBe(Translated.trap);
    expect(hart.readCsr("scause")).toBe(21n);
    expect(hart.readCsr("stval")).toBe(0xc000_0000n);
    expect(hart.readCsr("htval")).toBe(0xc000_0000n >> 2n);
    // funct3 3, rd 10, opcode LOAD; Addr. Offset 4.
    expect(hart.readCsr("htinst")).toBe((4n << 15n) | (3n << 12n) | (10n << 7n) | 3n);
    expect(bits(hart.readCsr("hstatus"), 6, 6)).toBe(1n);
  });

  it("leaves a compressed access to the handler, which finds the instruction by its address", () => {
    // c.lw a0, 0(a1)
    const { hart, core } = inMode("VS", { medeleg: ALL, instruction: 0x4188 });
    hart.writeCsr("hgatp", (8n << 60n) | ((BigInt(RAM) + 0x8000n) >> 12n));
    core.write64(RAM + 0x8000 + 2 * 8, (BigInt(RAM) >> 2n) | 0xdfn);
    const out = newTranslation();
    expect(hart.translate(Access.read, 0x1000_0000, 0, 4, out)).toBe(Translated.trap);
    expect([hart.readCsr("scause"), hart.readCsr("htval")]).toEqual([21n, 0x1000_0000n >> 2n]);
    expect(hart.readCsr("htinst")).toBe(0n);
  });

  it("clears mtval2, mtinst, htval and htinst on other traps", () => {
    for (const [target, medeleg] of [["m", 0n] as const, ["h", ALL] as const]) {
      const machine = inMode("U", { medeleg });
      const names = target === "m" ? ["mtval2", "mtinst"] : ["htval", "htinst"];
      for (const name of names) machine.hart.writeCsr(name, 0x55n);
      ecall(machine);
      expect(names.map((name) => machine.hart.readCsr(name))).toEqual([0n, 0n]);
    }
  });

  it("ends in a report when every trap leads to the same trap", () => {
    const machine = inMode("M");
    machine.core.pc = MTVEC;
    let traps = 0;
    while (ecall(machine) === Status.trap) traps++;
    expect(traps).toBe(10_000);
    expect(machine.core.exit).toMatchObject({ kind: "fatal", cause: 11, interrupt: false, pc: MTVEC });
  });
});

describe("MRET", () => {
  it.each<[bigint, bigint, Mode]>([
    [0n, 0n, "U"],
    [0n, 1n, "HS"],
    [0n, 3n, "M"],
    [1n, 0n, "VU"],
    [1n, 1n, "VS"],
    // MPV is ignored when MPP = 3.
    [1n, 3n, "M"],
  ])("with MPV %d, MPP %d goes to %s", (mpv, mpp, mode) => {
    for (const mpie of [0n, 1n]) {
      const machine = inMode("M");
      const { hart } = machine;
      hart.writeCsr("mepc", 0x8000_4562n);
      hart.writeCsr("mstatus", (mpv << 39n) | (mpp << 11n) | (mpie << 7n) | (1n << 17n) | (1n << 38n));
      expect(hart.helper(Helper.mret, 0, 0, 0, 0, 0)).toBe(Status.redispatch);
      expect(modeOf(machine)).toBe(mode);
      expect(machine.core.pc).toBe(0x8000_4562n);
      const mstatus = hart.readCsr("mstatus");
      expect([
        bits(mstatus, 39, 39),
        bits(mstatus, 12, 11),
        bits(mstatus, 3, 3),
        bits(mstatus, 7, 7),
      ]).toEqual([0n, 0n, mpie, 1n]);
      // MPRV is cleared on the way to a mode below M, GVA is not touched.
      expect(bits(mstatus, 17, 17)).toBe(mode === "M" ? 1n : 0n);
      expect(bits(mstatus, 38, 38)).toBe(1n);
    }
  });

  it.each<Mode>(["U", "HS", "VU", "VS"])("is an illegal instruction in %s-mode", (mode) => {
    const machine = inMode(mode, { instruction: 0x3020_0073 });
    expect(machine.hart.helper(Helper.mret, 0, 0, 0, 0, 0)).toBe(Status.trap);
    expect(machine.hart.readCsr("mcause")).toBe(2n);
    expect(machine.hart.readCsr("mtval")).toBe(0x3020_0073n);
  });
});

describe("SRET", () => {
  it.each<[Mode, bigint, bigint, Mode]>([
    ["HS", 0n, 0n, "U"],
    ["HS", 0n, 1n, "HS"],
    ["HS", 1n, 0n, "VU"],
    ["HS", 1n, 1n, "VS"],
    ["M", 1n, 1n, "VS"],
    ["M", 0n, 0n, "U"],
  ])("from %s with SPV %d, SPP %d goes to %s", (from, spv, spp, to) => {
    const machine = inMode(from);
    const { hart } = machine;
    hart.writeCsr("sepc", 0x8000_4562n);
    hart.writeCsr("hstatus", (spv << 7n) | (1n << 8n));
    hart.writeCsr("mstatus", (spp << 8n) | (1n << 5n) | (from === "M" ? 1n << 17n : 0n));
    expect(hart.helper(Helper.sret, 0, 0, 0, 0, 0)).toBe(Status.redispatch);
    expect(modeOf(machine)).toBe(to);
    expect(machine.core.pc).toBe(0x8000_4562n);
    const sstatus = hart.readCsr("sstatus");
    expect([bits(sstatus, 8, 8), bits(sstatus, 1, 1), bits(sstatus, 5, 5)]).toEqual([0n, 1n, 1n]);
    expect(bits(hart.readCsr("hstatus"), 8, 7)).toBe(2n);
    expect(bits(hart.readCsr("mstatus"), 17, 17)).toBe(0n);
  });

  it.each<[bigint, Mode]>([
    [0n, "VU"],
    [1n, "VS"],
  ])("from VS with vsstatus.SPP %d goes to %s and leaves HS-level state alone", (spp, to) => {
    const machine = inMode("VS");
    const { hart } = machine;
    hart.writeCsr("vsepc", 0x8000_4562n);
    hart.writeCsr("vsstatus", (spp << 8n) | (1n << 1n));
    hart.writeCsr("hstatus", 1n << 7n);
    hart.helper(Helper.sret, 0, 0, 0, 0, 0);
    expect(modeOf(machine)).toBe(to);
    const vsstatus = hart.readCsr("vsstatus");
    expect([bits(vsstatus, 8, 8), bits(vsstatus, 1, 1), bits(vsstatus, 5, 5)]).toEqual([0n, 0n, 1n]);
    expect(bits(hart.readCsr("hstatus"), 7, 7)).toBe(1n);
  });

  it.each<[Mode, string, bigint, bigint]>([
    ["U", "none", 0n, 2n],
    ["VU", "none", 0n, 22n],
    ["HS", "mstatus", 1n << 22n, 2n],
    ["VS", "hstatus", 1n << 22n, 22n],
  ])("is refused in %s-mode (%s.TSR/VTSR)", (mode, csr, value, cause) => {
    const machine = inMode(mode);
    if (csr !== "none") machine.hart.writeCsr(csr, value);
    expect(machine.hart.helper(Helper.sret, 0, 0, 0, 0, 0)).toBe(Status.trap);
    expect(machine.hart.readCsr("mcause")).toBe(cause);
  });

  it("in VS-mode does not mind mstatus.TSR", () => {
    const machine = inMode("VS");
    machine.hart.writeCsr("mstatus", 1n << 22n);
    expect(machine.hart.helper(Helper.sret, 0, 0, 0, 0, 0)).toBe(Status.redispatch);
  });
});

describe("accesses that the engine reports", () => {
  it.each<[Access, bigint, bigint]>([
    [Access.read, 4n, 5n],
    [Access.write, 6n, 7n],
    [Access.rmw, 6n, 7n],
  ])("of kind %d fault misaligned with %d, without a device with %d", (access, misaligned, fault) => {
    const { hart } = inMode("M", { instruction: 0x0005_a503 });
    expect(hart.misaligned(access, 0x1001, 0)).toBe(Status.trap);
    expect([hart.readCsr("mcause"), hart.readCsr("mtval")]).toEqual([misaligned, 0x1001n]);
    expect(hart.physicalAccess(access, 0x1000_0000, 4, 0, 0, 0x1000_0000, 0)).toBe(Status.trap);
    expect([hart.readCsr("mcause"), hart.readCsr("mtval")]).toEqual([fault, 0x1000_0000n]);
  });

  it("reach devices in pieces of at most four bytes, aligned", () => {
    const machine = inMode("M");
    const { hart, core, log } = machine;
    machine.device = 0x1234_5678;
    expect(hart.physicalAccess(Access.read, 0x1000_0008, 8, 0, 0, 0, 0)).toBe(Status.next);
    expect(core.answer).toBe(0x1234_5678_1234_5678n);
    expect(hart.physicalAccess(Access.write, 0x1000_0008, 8, -1, 2, 0, 0)).toBe(Status.next);
    expect(hart.physicalAccess(Access.write, 0x1000_0003, 1, 0x1ff, 0, 0, 0)).toBe(Status.next);
    expect(hart.physicalAccess(Access.write, 0x1000_0002, 4, 0, 0, 2, 0)).toBe(Status.trap);
    expect(hart.physicalAccess(Access.rmw, 0x1000_0008, 4, 0, 0, 8, 0)).toBe(Status.trap);
    expect(log).toEqual([
      "r4 10000008",
      "r4 1000000c",
      "w4 10000008=ffffffff",
      "w4 1000000c=2",
      "w1 10000003=ff",
    ]);
  });

  it("that fetch across the edge of a PMP entry fault at the part that lies outside", () => {
    // S-mode may execute the 8 bytes from PC and nothing else; a 32-bit instruction at PC + 6 ends beyond them.
    const { hart, core } = inMode("M");
    const out = newTranslation();
    hart.writeCsr("pmpaddr0", PC >> 2n);
    hart.writeCsr("pmpaddr1", (PC + 8n) >> 2n);
    hart.writeCsr("pmpcfg0", 0x0f00n);
    core.write32(Number(PC + 4n), 0x0001_0001);
    core.write32(Number(PC + 6n), 0x0000_0013);
    hart.setMode(1, 0);
    const at = (address: bigint): number => hart.translateFetch(Number(address) | 0, 0, out);
    expect([at(PC), at(PC + 4n)]).toEqual([Translated.ok, Translated.ok]);
    expect(out.cacheable).toBe(false);
    expect(at(PC + 6n)).toBe(Translated.trap);
    expect([hart.readCsr("mcause"), hart.readCsr("mtval")]).toEqual([1n, PC + 8n]);
  });

  it("cannot be fetches from a device", () => {
    const { hart } = inMode("M");
    const out = newTranslation();
    expect(hart.translateFetch(0x1000_0000, 0, out)).toBe(Translated.trap);
    expect([hart.readCsr("mcause"), hart.readCsr("mtval")]).toEqual([1n, 0x1000_0000n]);
  });
});
