import { Access, newTranslation, Status, Translated } from "@hypercraft/engine";
import { describe, expect, it } from "vitest";
import { type FakeMachine, fakeMachine, RAM } from "../testing/cpu/fake-core.js";
import { Helper } from "./helper-ids.js";

const ROOT = RAM + 0x8000;
const PC = 0x8000_0100n;

/** A guest in VS-mode whose RAM is the gigapage at 2 GiB; nothing else is mapped. */
function inGuest(): FakeMachine {
  const machine = fakeMachine({ mode: "vm" });
  const { hart, core } = machine;
  core.write64(ROOT + 16, (BigInt(RAM) >> 2n) | 0xdfn);
  hart.writeCsr("hgatp", (8n << 60n) | BigInt(ROOT / 4096));
  hart.writeCsr("hedeleg", 0xb1ffn);
  hart.writeCsr("hideleg", 0x444n);
  hart.writeCsr("hstatus", (1n << 7n) | (1n << 8n));
  hart.writeCsr("sstatus", 1n << 8n);
  hart.writeCsr("sepc", PC);
  hart.enterGuest();
  return machine;
}

describe("vm mode", () => {
  it("starts parked in HS-mode as firmware leaves it", () => {
    const { hart } = fakeMachine({ mode: "vm" });
    expect([hart.priv, hart.v]).toEqual([1, 0]);
    expect(hart.readCsr("medeleg")).toBe(0xfc_b7ffn);
    expect(hart.readCsr("mideleg")).toBe(0x1666n);
    expect(hart.readCsr("mcounteren")).toBe(7n);
    expect(hart.readCsr("menvcfg")).toBe((1n << 63n) | (1n << 61n) | 0xf0n);
    expect(hart.pmp.find(0x1234_5000, 0x1234_5000, 4096, false)).toBe(7);
  });

  it("enters the guest as SRET does", () => {
    const { hart, core } = inGuest();
    expect([hart.priv, hart.v, core.pc]).toEqual([1, 1, PC]);
    expect((hart.readCsr("hstatus") >> 7n) & 3n).toBe(2n);
  });

  it("leaves with the trap's CSRs written where hardware would go to stvec", () => {
    const { hart, core } = inGuest();
    hart.writeCsr("stvec", 0x8000_9000n);
    expect(hart.helper(Helper.ecall, 0, 0, 0, 0, 0)).toBe(Status.exitBefore);
    expect(core.exit).toEqual({ kind: "trap" });
    expect([hart.priv, hart.v, core.pc]).toEqual([1, 0, PC]);
    expect([hart.readCsr("scause"), hart.readCsr("sepc"), hart.readCsr("stval")]).toEqual([10n, PC, 0n]);
    expect((hart.readCsr("hstatus") >> 6n) & 7n).toBe(6n);
    expect((hart.readCsr("sstatus") >> 8n) & 1n).toBe(1n);
    // Not retired, and not counted by the engine either.
    expect(hart.readCsr("minstret")).toBe(0n);
    hart.writeCsr("sepc", PC + 4n);
    hart.enterGuest();
    expect([hart.priv, hart.v, core.pc]).toEqual([1, 1, PC + 4n]);
  });

  it("gives the guest its own traps without leaving", () => {
    const { hart, core } = inGuest();
    hart.writeCsr("vstvec", 0x8000_4000n);
    hart.setMode(0, 1);
    expect(hart.helper(Helper.ecall, 0, 0, 0, 0, 0)).toBe(Status.trap);
    expect([hart.priv, hart.v, core.pc, core.exit]).toEqual([1, 1, 0x8000_4000n, null]);
    expect(hart.readCsr("vscause")).toBe(8n);
  });

  it("leaves before a device access, and finishes it with the answer", () => {
    const machine = inGuest();
    const { hart, core } = machine;
    core.write32(Number(PC), 0x0005_a503);
    const out = newTranslation();
    expect(hart.translate(Access.read, 0x1000_0004, 0, 4, out)).toBe(Translated.exitBefore);
    expect(core.exit).toEqual({ kind: "trap" });
    expect([hart.readCsr("scause"), hart.readCsr("htval"), hart.readCsr("stval")]).toEqual([
      21n,
      0x0400_0001n,
      0x1000_0004n,
    ]);
    expect(hart.readCsr("htinst")).toBe(0x2503n);
    hart.enterGuest();
    core.exit = null;
    core.hasAnswer = true;
    expect(hart.translate(Access.read, 0x1000_0004, 0, 4, out)).toBe(Translated.answered);
    expect(hart.translate(Access.write, 0x1000_0004, 0, 4, out)).toBe(Translated.answered);
    expect([hart.v, core.exit]).toEqual([1, null]);
    // The answer is for the access itself: a fetch or a page-table walk that faults is another matter.
    expect(hart.translateFetch(0x1000_0000, 0, out)).toBe(Translated.exitBefore);
    hart.enterGuest();
    hart.writeCsr("vsatp", (8n << 60n) | 0x1_0000n);
    expect(hart.translate(Access.read, 0x1000_0004, 0, 4, out)).toBe(Translated.exitBefore);
    expect([hart.readCsr("scause"), hart.readCsr("htinst")]).toEqual([21n, 0x3000n]);
  });

  it("takes the guest's interrupts inside, the host's outside", () => {
    const { hart, core } = inGuest();
    hart.writeCsr("vstvec", 0x8000_4001n);
    hart.writeCsr("hie", 0x444n);
    hart.writeCsr("vsstatus", 2n);
    hart.writeCsr("hvip", 0x400n);
    expect(hart.takeInterrupt()).toBe(true);
    expect([core.exit, core.pc, hart.readCsr("vscause")]).toEqual([
      null,
      0x8000_4000n + 36n,
      (1n << 63n) | 9n,
    ]);
    hart.writeCsr("sie", 0x200n);
    hart.setSupervisorExternal(true);
    expect(core.dispatchRequested).toBe(true);
    expect(hart.takeInterrupt()).toBe(true);
    expect(core.exit).toEqual({ kind: "trap" });
    expect([hart.readCsr("scause"), hart.v]).toEqual([(1n << 63n) | 9n, 0]);
  });

  it("waits in the guest without a trap", () => {
    const { hart, core } = inGuest();
    expect(hart.helper(Helper.wfi, 0, 0, 0, 0, 0)).toBe(Status.exit);
    expect([core.exit, hart.v]).toEqual([{ kind: "wait" }, 1]);
  });

  it("reports what would be a trap into M-mode", () => {
    const { hart, core } = inGuest();
    hart.writeCsr("medeleg", 0n);
    expect(hart.helper(Helper.illegal, 0, 0x1234, 0, 0, 0)).toBe(Status.exitBefore);
    expect(core.exit).toMatchObject({ kind: "fatal", cause: 2, interrupt: false, pc: PC, value: 0x1234n });
  });

  it("leaves the count of a failed fetch to the hypervisor that finishes it", () => {
    const { hart } = inGuest();
    expect(hart.translateFetch(0x1000_0000, 0, newTranslation())).toBe(Translated.exitBefore);
    expect(hart.readCsr("minstret")).toBe(0n);
    expect(hart.readCsr("htinst")).toBe(0n);
  });

  it("needs the H extension", () => {
    expect(() => fakeMachine({ mode: "vm", features: { h: false } })).toThrow(
      "vm mode needs the H extension",
    );
  });
});

describe("reset", () => {
  it("goes to M-mode at the vector given, and leaves interrupt inputs alone", () => {
    const { hart, core } = fakeMachine({ resetVector: 0x1000n });
    expect([hart.priv, hart.v, core.pc]).toEqual([3, 0, 0x1000n]);
    expect(hart.readCsr("mstatus")).toBe(0xan << 32n);
    hart.setMachineExternal(true);
    hart.writeCsr("pmpcfg0", 0x9fn);
    hart.writeCsr("mscratch", 5n);
    hart.setMode(1, 1);
    hart.reset(0x2000n);
    expect([hart.priv, hart.v, core.pc]).toEqual([3, 0, 0x2000n]);
    expect([hart.readCsr("mip"), hart.readCsr("pmpcfg0"), hart.readCsr("mscratch")]).toEqual([
      0x800n,
      0n,
      0n,
    ]);
    expect(hart.readCsr("mideleg")).toBe(0x1444n);
    expect(core.reservationCleared).toBe(2);
  });

  it("sets ADUE only where hardware can and is asked to", () => {
    const adue = (features: object): bigint => fakeMachine({ features }).hart.readCsr("menvcfg");
    expect(adue({})).toBe(1n << 61n);
    expect(adue({ adueAtReset: false })).toBe(0n);
    expect(adue({ svadu: false })).toBe(0n);
  });
});

describe("a restored state", () => {
  it("goes on as the saved one would", () => {
    const first = inGuest();
    first.hart.writeCsr("hie", 0x444n);
    first.hart.writeCsr("vsstatus", 2n | (3n << 13n));
    first.hart.writeCsr("sstatus", 3n << 13n);
    first.hart.writeCsr("hvip", 0x40n);
    first.hart.writeCsr("henvcfg", 1n << 63n);
    first.hart.writeCsr("vstimecmp", 5000n);
    first.hart.save();
    const second = fakeMachine({ mode: "vm" });
    for (const field of first.hart.layout.fields.values()) second.core.setBig(field, first.core.big(field));
    second.core.bytes.set(first.core.bytes);
    second.hart.reload();
    const view = ({ hart }: FakeMachine) => [
      hart.priv,
      hart.v,
      hart.codeMode(),
      hart.interrupts.pending,
      hart.interrupts.deliverable,
      hart.nextDeadline(),
      ...hart.csrs.all.map(({ name }) => [name, hart.readCsr(name)]),
    ];
    expect(view(second)).toEqual(view(first));
    const [a, b] = [newTranslation(), newTranslation()];
    expect(first.hart.translate(Access.write, RAM | 0, 0, 8, a)).toBe(Translated.ok);
    expect(second.hart.translate(Access.write, RAM | 0, 0, 8, b)).toBe(Translated.ok);
    expect(b).toEqual(a);
  });
});
