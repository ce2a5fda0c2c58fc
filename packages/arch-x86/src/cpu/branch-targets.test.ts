import type { Tier } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { le } from "../testing/code-bytes.js";
import { type BareMachine, createBareMachine } from "../testing/cpu/bare-machine.js";
import { enter } from "./entry.js";
import { GPR, Gpr, IDTR } from "./state.js";

// A branch to where no code can be faults itself: the saved instruction pointer is its own, and nothing was pushed or
// popped (SDM volume 2, CALL, JMP, RET, Jcc: "#GP(0) if the target offset is beyond the code segment limit", "if it is
// not canonical").

const CODE = 0x8000;
const HANDLER = 0x9000;
const STACK = 0x7000;
const STOP = [0xeb, 0xfe];
const GP = 13;

function start(m: BareMachine, code: readonly number[]): void {
  m.ram.set(code, CODE);
  m.ram.set(STOP, HANDLER);
  m.core.set(GPR[Gpr.rsp]!, STACK, 0);
}

/** Runs code in real mode; gives the offset that #GP saved and the stack pointer at the instruction. */
function inRealMode(tier: Tier, code: readonly number[], budget: number) {
  const m = createBareMachine(tier);
  enter(m.cpu, { kind: "real", cs: 0, ip: CODE, data: 0 });
  start(m, code);
  m.ram.set(le(HANDLER, 4), 4 * GP);
  m.core.run(budget);
  const pointer = m.core.lo(GPR[Gpr.rsp]!);
  const saved = new DataView(m.ram.buffer, m.ram.byteOffset).getUint16(pointer, true);
  return { at: saved - CODE, pointer: pointer + 6 };
}

const TABLES = 0x10_0000;
const IDT = 0x20_0000;

/** The same in 64-bit mode, with RBX not canonical. */
function inLongMode(tier: Tier, code: readonly number[], budget: number) {
  const m = createBareMachine(tier);
  const view = new DataView(m.ram.buffer, m.ram.byteOffset);
  view.setUint32(TABLES, TABLES + 0x1003, true);
  view.setUint32(TABLES + 0x1000, 0x83, true);
  const gate = [...le(HANDLER, 2), ...le(8, 2), 0, 0x8e, ...le(0, 10)];
  m.ram.set(gate, IDT + 16 * GP);
  // A flat code segment of 64 bits.
  m.ram.set(le(0x00af_9b00_0000_ffffn, 8), 0x5008);
  enter(m.cpu, {
    kind: "long",
    pc: CODE,
    code: 8,
    data: 0,
    pageTable: TABLES,
    gdt: { base: 0x5000, limit: 15 },
  });
  m.core.setBig(IDTR.base, BigInt(IDT));
  m.core.set(IDTR.limit, 0xfff, 0);
  m.core.setBig(GPR[Gpr.rbx]!, 0x8000_0000_0000n);
  start(m, code);
  m.core.run(budget);
  const pointer = m.core.lo(GPR[Gpr.rsp]!);
  // Error code, RIP, CS, RFLAGS, RSP.
  return {
    at: Number(view.getBigUint64(pointer + 8, true)) - CODE,
    pointer: view.getUint32(pointer + 32, true),
  };
}

/** Often enough that the hot tier compiles it: an instruction that does nothing, a thousand times. */
const warm = [0xb9, ...le(1000, 2), 0x90, 0xe2, 0xfd];
const warm64 = [0xb9, ...le(1000, 4), 0x90, 0xff, 0xc9, 0x75, 0xfb];

describe.each<Tier>(["cold", "hot"])("a branch to where no code can be, %s tier", (tier) => {
  test.each([
    ["jmp", [], [0x66, 0xe9, ...le(0x1_0000, 4)]],
    ["call", [], [0x66, 0xe8, ...le(0x1_0000, 4)]],
    ["jz", [0x31, 0xc0], [0x66, 0x0f, 0x84, ...le(0x1_0000, 4)]],
    ["jmp *", [0x66, 0xb8, ...le(0x1_0000, 4)], [0x66, 0xff, 0xe0]],
    ["call *", [0x66, 0xb8, ...le(0x1_0000, 4)], [0x66, 0xff, 0xd0]],
  ])("beyond the limit: %s", (_, before, branch) => {
    const code = [...warm, ...before, ...branch, ...STOP];
    const at = warm.length + before.length;
    expect(inRealMode(tier, code, 5000)).toEqual({ at, pointer: STACK });
  });

  test("beyond the limit: ret, and a branch that is not taken goes on", () => {
    // push dword 0x10000; ret of 32 bits
    const code = [...warm, 0x66, 0x68, ...le(0x1_0000, 4), 0x66, 0xc3];
    expect(inRealMode(tier, code, 5000)).toEqual({ at: warm.length + 6, pointer: STACK - 4 });
    // or al, 1; jz far; jmp far
    const not = [...warm, 0x0c, 1, 0x66, 0x0f, 0x84, ...le(0x1_0000, 4), 0x66, 0xe9, ...le(0x1_0000, 4)];
    expect(inRealMode(tier, not, 5000)).toEqual({ at: warm.length + 9, pointer: STACK });
  });

  test.each([
    ["jmp *", [0xff, 0xe3], 0, 0],
    ["call *", [0xff, 0xd3], 0, 0],
    ["ret", [0x53, 0xc3], 1, 8],
    ["ret with parameters", [0x53, 0xc2, 8, 0], 1, 8],
  ])("that is not canonical: %s", (_, code, at, pushed) => {
    expect(inLongMode(tier, [...warm64, ...code, ...STOP], 5000)).toEqual({
      at: warm64.length + at,
      pointer: STACK - pushed,
    });
  });
});
