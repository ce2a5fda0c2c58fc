import type { Tier } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { le } from "../testing/code-bytes.js";
import { type BareMachine, createBareMachine } from "../testing/cpu/bare-machine.js";
import { enter } from "./entry.js";
import { writeFlagFields } from "./rflags.js";
import { CR0, CR2, EFER, GPR, Gpr, msr, quickCalls } from "./state.js";

// SYSCALL and SYSRET where they are done in translated code: as the helpers do them, and with all that follows from
// the other privilege.

const [KERNEL, USER, STACK] = [0x8000, 0x20_8000, 0x20_7000];
/** A page that only the supervisor may read. */
const SECRET = 0x9000;
const TABLES = 0x10_0000;
const ROUNDS = 3000;
/** CS and SS of the kernel; of the user 0x23 and 0x2b. */
const STAR = (0x1bn << 48n) | (0x08n << 32n);
const SYSCALL = [0x0f, 0x05];
const SYSRET = [0x48, 0x0f, 0x07];
/** TF, IF, DF, IOPL, NT and AC, as Linux has it. */
const FMASK = 0x4_7700n;
const AC = 0x4_0000;

/** Ring 0 in 64-bit mode; the second 2 MiB are the user's. */
function create(tier: Tier): BareMachine {
  const m = createBareMachine(tier);
  const view = new DataView(m.ram.buffer, m.ram.byteOffset);
  view.setUint32(TABLES, TABLES + 0x1007, true);
  view.setUint32(TABLES + 0x1000, TABLES + 0x2007, true);
  view.setUint32(TABLES + 0x2000, 0x83, true);
  view.setUint32(TABLES + 0x2008, 0x20_0087, true);
  m.ram.set(le(0x00af_9b00_0000_ffffn, 8), 0x5008);
  const gdt = { base: 0x5000, limit: 15 };
  enter(m.cpu, { kind: "long", pc: KERNEL, code: 8, data: 0, pageTable: TABLES, gdt });
  m.core.setBig(EFER, m.core.big(EFER) | 1n);
  m.core.setBig(msr("IA32_STAR"), STAR);
  m.core.setBig(msr("IA32_LSTAR"), BigInt(KERNEL));
  m.core.setBig(msr("IA32_FMASK"), FMASK);
  m.core.setBig(GPR[Gpr.rsp]!, BigInt(STACK));
  m.core.setBig(GPR[Gpr.rcx]!, BigInt(USER));
  m.core.set(GPR[Gpr.r11]!, 0x202, 0);
  m.cpu.contexts.refresh();
  return m;
}

/** The state without what says how it came about. */
function stateOf({ core }: BareMachine): Record<string, bigint> {
  const { quickCalls: _, ...fields } = core.state().fields;
  return fields;
}

/** One instruction done both ways. */
function both(prepare: (m: BareMachine) => void): BareMachine {
  const [quick, general] = [create("cold"), create("cold")];
  for (const m of [quick, general]) prepare(m);
  expect(quick.core.lo(quickCalls)).toBe(1);
  general.core.set(quickCalls, 0, 0);
  for (const m of [quick, general]) m.core.run(1);
  expect(stateOf(quick)).toEqual(stateOf(general));
  expect(quick.core.selectedCode).toBe(general.core.selectedCode);
  expect(quick.core.selectedContext).toBe(general.core.selectedContext);
  return quick;
}

/** Leave for the user, at `USER`. */
function leave(m: BareMachine): void {
  m.ram.set(SYSRET, KERNEL);
  m.core.run(1);
  expect(m.cpu.cpl).toBe(3);
}

const FLAGS = [0x202, 0x246, 0xad7, 0x8d7, 0x4202, 0x20_0202, 2];

describe("in translated code as by the helper", () => {
  test.each(FLAGS)("SYSCALL with flags %i", (flags) => {
    const m = both((subject) => {
      leave(subject);
      subject.ram.set(SYSCALL, USER);
      writeFlagFields(subject.core, flags);
    });
    expect(m.cpu.cpl).toBe(0);
    expect(m.core.big(GPR[Gpr.rcx]!)).toBe(BigInt(USER + 2));
    expect(m.core.big(GPR[Gpr.r11]!)).toBe(BigInt(flags));
  });

  test.each([...FLAGS, 0x3202, 0x4_0202, 0x3_0202])("SYSRET with flags %i", (flags) => {
    const m = both((subject) => {
      subject.ram.set(SYSRET, KERNEL);
      subject.core.set(GPR[Gpr.r11]!, flags, 0);
    });
    expect(m.cpu.cpl).toBe(3);
    expect(m.cpu.ip).toBe(BigInt(USER));
  });

  test("SYSRET to an address that is not canonical", () => {
    const m = both((subject) => {
      subject.ram.set(SYSRET, KERNEL);
      subject.core.setBig(GPR[Gpr.rcx]!, 0x8000_0000_0000n);
    });
    expect(m.cpu.cpl).toBe(0);
  });

  test.each([0x1bn, 0x23n, 0xfff8n])("selectors from STAR with %x", (base) => {
    both((subject) => {
      subject.core.setBig(msr("IA32_STAR"), (base << 48n) | ((base ^ 3n) << 32n));
      subject.ram.set(SYSRET, KERNEL);
    });
    both((subject) => {
      leave(subject);
      subject.core.setBig(msr("IA32_STAR"), (base << 48n) | ((base ^ 3n) << 32n));
      subject.ram.set(SYSCALL, USER);
    });
  });
});

describe("SYSCALL in compatibility mode", () => {
  /** In ring 3, at SYSCALL. */
  function prepare(entry: number): BareMachine {
    const m = create("cold");
    m.core.setBig(msr("IA32_CSTAR"), BigInt(entry));
    m.ram.set([0x0f, 0x07], KERNEL);
    m.core.run(1);
    expect([m.cpu.cpl, m.cpu.bits64]).toEqual([3, false]);
    m.ram.set(SYSCALL, USER);
    m.core.run(1);
    return m;
  }

  test("goes where IA32_CSTAR says", () => {
    const m = prepare(KERNEL);
    expect([m.cpu.cpl, m.cpu.bits64, m.cpu.ip]).toEqual([0, true, BigInt(KERNEL)]);
    expect(m.core.big(GPR[Gpr.rcx]!)).toBe(BigInt(USER + 2));
  });

  test("is an invalid opcode where a kernel left that 0, as for Intel's processors", () => {
    const m = prepare(0);
    expect([m.cpu.cpl, m.cpu.ip, m.core.big(GPR[Gpr.rcx]!)]).toEqual([3, BigInt(USER), BigInt(USER)]);
  });
});

describe.each<Tier>(["cold", "hot"])("system calls, %s tier", (tier) => {
  // MOV EAX, [SECRET]; ADD ESI, EAX; SYSRETQ.
  const kernel = [0x8b, 0x04, 0x25, ...le(SECRET, 4), 0x01, 0xc6, ...SYSRET];
  // SYSCALL; INC EBX; CMP EBX, n; JNE back; then what has to fault.
  const user = (rounds: number) => [...SYSCALL, 0xff, 0xc3, 0x81, 0xfb, ...le(rounds, 4), 0x75, 0xf4];

  function start(m: BareMachine, after: readonly number[]): void {
    m.ram.set(SYSRET, KERNEL);
    m.ram.set([...user(ROUNDS), ...after], USER);
    m.ram.set(le(7, 4), SECRET);
    m.core.run(1);
    m.ram.set(kernel, KERNEL);
    m.core.ramWritten(m.core.ramOffset(KERNEL), kernel.length);
  }

  test("each comes back, and the kernel's pages are the kernel's", () => {
    const m = create(tier);
    // MOV EAX, [SECRET].
    start(m, [0x8b, 0x04, 0x25, ...le(SECRET, 4)]);
    m.core.run(ROUNDS * 7);
    expect(m.core.lo(GPR[Gpr.rbx]!)).toBe(ROUNDS);
    expect(m.core.lo(GPR[Gpr.rsi]!)).toBe(7 * ROUNDS);
    // A page fault, which nobody is there to take.
    m.core.run(10);
    expect(m.core.big(CR2)).toBe(BigInt(SECRET));
    expect(m.core.lo(GPR[Gpr.rax]!)).toBe(7);
  });

  test("with alignment checked in the user's code", () => {
    const m = create(tier);
    m.core.set(CR0, m.core.lo(CR0) | AC, 0);
    m.cpu.contexts.refresh();
    start(m, [0xeb, 0xfe]);
    writeFlagFields(m.core, AC | 0x202);
    m.cpu.modeChanged();
    m.core.run(ROUNDS * 7);
    expect(m.core.lo(GPR[Gpr.rbx]!)).toBe(ROUNDS);
    expect(m.cpu.contexts.alignmentChecked).toBe(true);
  });
});

test("both tiers are in the same state after each slice", () => {
  const [cold, hot] = (["cold", "hot"] as const).map((tier) => {
    const m = create(tier);
    leave(m);
    m.ram.set([0x01, 0xc6, ...SYSRET], KERNEL);
    m.core.ramWritten(m.core.ramOffset(KERNEL), 8);
    // ADD EAX, EBX; SYSCALL; SUB EBX, EAX; JMP back.
    m.ram.set([0x01, 0xd8, ...SYSCALL, 0x29, 0xc3, 0xeb, 0xf8], USER);
    m.core.set(GPR[Gpr.rax]!, 12345, 0);
    return m;
  }) as [BareMachine, BareMachine];
  for (let i = 0; i < 500; i++) {
    for (const { core } of [cold, hot]) core.run(53);
    expect(hot.core.state()).toEqual(cold.core.state());
  }
});
