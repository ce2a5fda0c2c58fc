import type { Tier } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { createBareMachine, enterProgram } from "../testing/cpu/bare-machine.js";
import { PROGRAM } from "../testing/cpu/qemu-system.js";
import { writeFlagFields } from "./rflags.js";
import { CR4, DR, DR6, DR7, GDTR, GPR, Gpr, IDTR } from "./state.js";

// Breakpoints of the debug registers: SDM volume 3, chapter 18. QEMU has them as well, but sets no RF.

const GDT = 0x1000;
const IDT = 0x2000;
const STACK = 0x9000;
const DATA = 0x5000;
const HANDLER = 0x20_0000;
const [DEBUG, FAULT] = [HANDLER, HANDLER + 0x100];

/** A debug register's part of DR7. */
const enable = (register: number, kind: number, length: number): number =>
  (2 << (2 * register)) | (kind << (16 + 4 * register)) | (length << (18 + 4 * register));

/** Code at `PROGRAM` in flat protected mode; vector 1 stops the machine, all others halt. */
function machine(code: readonly number[], tier: Tier) {
  const m = createBareMachine(tier);
  const { core, cpu, ram } = m;
  const view = new DataView(ram.buffer, ram.byteOffset);
  enterProgram(m);
  view.setBigUint64(GDT + 0x10, 0x00cf9b000000ffffn, true);
  for (let vector = 0; vector < 32; vector++) {
    const at = vector === 1 ? DEBUG : FAULT;
    view.setUint32(IDT + 8 * vector, (0x10 << 16) | (at & 0xffff), true);
    view.setUint32(IDT + 8 * vector + 4, (at & 0xffff_0000) | 0x8e00, true);
  }
  core.set(GDTR.base, GDT, 0);
  core.set(GDTR.limit, 0x17, 0);
  core.set(IDTR.base, IDT, 0);
  core.set(IDTR.limit, 0xff, 0);
  core.set(GPR[Gpr.rsp]!, STACK, 0);
  ram.set(code, PROGRAM);
  ram.set([0xeb, 0xfe], DEBUG);
  ram.set([0xeb, 0xfe], FAULT);
  cpu.reload();
  core.setPc(PROGRAM, 0);
  const pushed = (word: number) => view.getUint32(core.lo(GPR[Gpr.rsp]!) + 4 * word, true);
  return {
    ...m,
    pushed,
    setDr(register: number, address: number, control: number) {
      core.set(DR[register]!, address, 0);
      core.set(DR7, core.lo(DR7) | control, 0);
      cpu.debugRegistersChanged();
    },
    /** Run until a handler loops; gives EIP and EFLAGS that the last exception pushed, and DR6. */
    stop(budget = 1000) {
      core.run(budget);
      return {
        at: cpu.ip,
        eip: pushed(0) - PROGRAM,
        flags: pushed(2),
        dr6: core.lo(DR6) & 0xe00f,
      };
    },
  };
}

/** nop; inc eax; inc ebx; jmp $ */
const STEPS = [0x90, 0x40, 0x43, 0xeb, 0xfe];
const RF = 0x1_0000;

describe.each<Tier>(["cold", "hot"])("debug registers (%s tier)", (tier) => {
  test("stop an instruction before it is executed, and let it pass with RF", () => {
    const m = machine(STEPS, tier);
    m.setDr(1, PROGRAM + 1, enable(1, 0, 0));
    expect(m.stop()).toEqual({ at: BigInt(DEBUG), eip: 1, flags: 2, dr6: 2 });
    expect(m.core.lo(GPR[Gpr.rax]!)).toBe(0);
    // The handler sets RF in the image, and returns.
    const { core, ram } = m;
    new DataView(ram.buffer, ram.byteOffset).setUint32(core.lo(GPR[Gpr.rsp]!) + 8, 2 | RF, true);
    ram.set([0xcf], DEBUG + 2);
    core.setPc(DEBUG + 2, 0);
    core.run(20);
    expect([core.lo(GPR[Gpr.rax]!), core.lo(GPR[Gpr.rbx]!)]).toEqual([1, 1]);
    // RF was for that one instruction.
    core.setPc(PROGRAM, 0);
    expect(m.stop().eip).toBe(1);
  });

  test("do not stop within an instruction, nor where they are not enabled", () => {
    const m = machine([0xb8, 1, 2, 3, 4, 0xeb, 0xfe], tier);
    m.setDr(0, PROGRAM + 1, enable(0, 0, 0));
    m.setDr(2, PROGRAM, 0);
    m.core.run(50);
    expect(m.cpu.ip).toBe(BigInt(PROGRAM + 5));
  });

  // mov [DATA], eax; inc ebx; jmp $ and the same that reads.
  const store = [0xa3, 0, 0x50, 0, 0, 0x43, 0xeb, 0xfe];
  const load = [0xa1, 0, 0x50, 0, 0, 0x43, 0xeb, 0xfe];
  test.each([
    ["a write", store, 1, 0, 0, true],
    ["a write further up", store, 1, 3, 3, true],
    ["a write behind", store, 1, 4, 0, false],
    ["a read, if reads are", load, 3, 0, 3, true],
    ["a read, if only writes are", load, 1, 0, 3, false],
    ["a write, if accesses are", store, 3, 2, 1, true],
  ] as const)("watch %s", (_, code, kind, offset, length, hit) => {
    const m = machine(code, tier);
    m.setDr(3, DATA + offset, enable(3, kind, length));
    const end = m.stop();
    if (!hit) return expect(m.cpu.ip).toBe(BigInt(PROGRAM + 6));
    // A trap: the access is done, the next instruction is not.
    expect(end).toEqual({ at: BigInt(DEBUG), eip: 5, flags: 2, dr6: 8 });
    expect(m.core.lo(GPR[Gpr.rbx]!)).toBe(0);
  });

  test("stop each repetition of a string instruction", () => {
    // mov ecx, 5; mov edi, DATA; rep stosb; jmp $
    const m = machine([0xb9, 5, 0, 0, 0, 0xbf, 0, 0x50, 0, 0, 0xf3, 0xaa, 0xeb, 0xfe], tier);
    m.setDr(0, DATA + 2, enable(0, 1, 0));
    expect(m.stop()).toMatchObject({ at: BigInt(DEBUG), eip: 10, dr6: 1 });
    expect(m.core.lo(GPR[Gpr.rcx]!)).toBe(2);
  });

  test("are held back by MOV SS, for an instruction", () => {
    // mov ss, [DATA]; inc ebx; inc ebx; jmp $
    const m = machine([0x8e, 0x15, 0, 0x50, 0, 0, 0x43, 0x43, 0xeb, 0xfe], tier);
    const data = new DataView(m.ram.buffer, m.ram.byteOffset);
    data.setUint16(DATA, 8, true);
    data.setBigUint64(GDT + 8, 0x00cf93000000ffffn, true);
    m.setDr(0, DATA, enable(0, 3, 0));
    expect(m.stop()).toMatchObject({ at: BigInt(DEBUG), eip: 7, dr6: 1 });
  });

  test("come after INT, where MOV SS before it holds them back", () => {
    // mov ss, [DATA]; int 3
    const m = machine([0x8e, 0x15, 0, 0x50, 0, 0, 0xcd, 3], tier);
    const data = new DataView(m.ram.buffer, m.ram.byteOffset);
    data.setUint16(DATA, 8, true);
    data.setBigUint64(GDT + 8, 0x00cf93000000ffffn, true);
    m.setDr(0, DATA, enable(0, 3, 0));
    expect(m.stop()).toMatchObject({ at: BigInt(DEBUG), eip: FAULT - PROGRAM, dr6: 1 });
    expect(m.pushed(3) - PROGRAM).toBe(8);
  });

  test("at an instruction behind MOV SS are held back, too", () => {
    // mov ss, [DATA]; inc ebx; inc ebx; jmp $
    const m = machine([0x8e, 0x15, 0, 0x50, 0, 0, 0x43, 0x43, 0xeb, 0xfe], tier);
    const data = new DataView(m.ram.buffer, m.ram.byteOffset);
    data.setUint16(DATA, 8, true);
    data.setBigUint64(GDT + 8, 0x00cf93000000ffffn, true);
    m.setDr(0, PROGRAM + 6, enable(0, 0, 0));
    m.setDr(1, PROGRAM + 7, enable(1, 0, 0));
    // What the last exception hit does not stay.
    m.core.set(DR6, 0xffff_0ff8 | 0, 0);
    expect(m.stop()).toMatchObject({ at: BigInt(DEBUG), eip: 7, dr6: 2 });
  });

  test("watch ports, with CR4.DE", () => {
    // mov dx, 0x123; in al, dx; inc ebx; jmp $
    const code = [0x66, 0xba, 0x23, 1, 0xec, 0x43, 0xeb, 0xfe];
    const m = machine(code, tier);
    m.core.set(CR4, 8, 0);
    m.setDr(2, 0x123, enable(2, 2, 0));
    expect(m.stop()).toMatchObject({ at: BigInt(DEBUG), eip: 5, dr6: 4 });
    const other = machine(code, tier);
    other.setDr(2, 0x123, enable(2, 2, 0));
    other.core.run(50);
    expect(other.cpu.ip).toBe(BigInt(PROGRAM + 6));
  });

  test("protect themselves with DR7.GD", () => {
    // mov eax, dr0
    const m = machine([0x0f, 0x21, 0xc0, 0xeb, 0xfe], tier);
    m.setDr(0, 0, 1 << 13);
    expect(m.stop()).toMatchObject({ at: BigInt(DEBUG), eip: 0, dr6: 1 << 13 });
    expect(m.core.lo(DR7) & (1 << 13)).toBe(0);
  });

  test("step with a watched write: one trap has both reasons", () => {
    const m = machine(store, tier);
    m.setDr(0, DATA, enable(0, 1, 3));
    writeFlagFields(m.core, 0x102);
    m.cpu.modeChanged();
    expect(m.stop()).toMatchObject({ eip: 5, dr6: 0x4001, flags: 0x102 });
  });
});

test("faults push RF, traps and interrupts do not", () => {
  // ud2; and int3.
  const fault = machine([0x0f, 0x0b], "cold");
  fault.core.run(20);
  expect([fault.pushed(0) - PROGRAM, fault.pushed(2)]).toEqual([0, 2 | RF]);
  const trap = machine([0xcc], "cold");
  trap.core.run(20);
  expect([trap.pushed(0) - PROGRAM, trap.pushed(2)]).toEqual([1, 2]);
});
