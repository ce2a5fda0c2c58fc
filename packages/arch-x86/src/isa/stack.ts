import type { Value } from "@hypercraft/engine";
import { Helper } from "../cpu/helper-ids.js";
import { FLAGS, GPR, Gpr, RFLAGS } from "../cpu/state.js";
import type { InstructionOptions, X86Declaration } from "./declaration.js";
import { STATUS_FLAGS } from "./flags.js";
import { type X86Builder, x86 } from "./lifter.js";

// PUSH, POP, PUSHF, POPF and LEAVE.

const insn = x86("base");
const D64: InstructionOptions = { size64: "d64" };

const push = (b: X86Builder): void => b.push(b.size, b.signed(0));

const pop = (b: X86Builder): void => {
  const value = b.top(b.size);
  if (!b.isMemory(0)) {
    // POP RSP keeps what it popped; other registers are loaded straight away.
    const keeps = b.register(0) === Gpr.rsp;
    if (!keeps) b.write(0, value);
    b.drop(b.size);
    if (keeps) b.write(0, value);
    return;
  }
  // The address is computed with the stack pointer after the pop, which is put back if the store faults.
  const pointer = b.stackOffset(b.stackPointer(), b.size);
  b.popTo(value, pointer);
};

const DIRECTION_BIT = 10;
const [TF, IF, IOPL, NT, AC, ID] = [0x100, 0x200, 0x3000, 0x4000, 0x4_0000, 0x20_0000];
const VIRTUAL_8086_AND_RESUME = 0x3_0000;

/** RFLAGS as PUSHF shows it: without VM and RF. */
export function flagsImage(b: X86Builder): Value {
  const { ir, i32, i64 } = b;
  const direction = i32.shl(ir.get(FLAGS.direction), i32.const(DIRECTION_BIT));
  const system = i32.and(ir.get(RFLAGS), i32.const(~VIRTUAL_8086_AND_RESUME));
  const rest = i32.or(i32.or(system, direction), i32.const(2));
  return i64.or(b.flags.all(), i64.extend_i32_u(rest));
}

/** What POPF may change in RFLAGS at this privilege beyond the status flags and DF. */
function changeable({ mode, size }: X86Builder): number {
  const flags =
    TF | NT | AC | ID | (mode.interruptsAllowed ? IF : 0) | (mode.cpl === 0 && !mode.virtual8086 ? IOPL : 0);
  return size === 2 ? flags & 0xffff : flags;
}

/** Are IOPL and virtual-8086 mode in the way of PUSHF and POPF? */
const restricted = (b: X86Builder): boolean => b.mode.virtual8086 && !b.mode.interruptsAllowed;

const pushFlags = (b: X86Builder): void => {
  if (restricted(b)) return b.raise(13, 0);
  b.push(b.size, flagsImage(b));
};

const popFlags = (b: X86Builder): void => {
  if (restricted(b)) return b.raise(13, 0);
  const { ir, i32 } = b;
  const value = b.top(b.size);
  const low = i32.wrap_i64(value);
  const changed = i32.and(i32.xor(low, ir.get(RFLAGS)), i32.const(changeable(b)));
  ir.callIf(changed, Helper.popFlags, b.size, value);
  b.drop(b.size);
  b.flags.explicit(b.i64.and(value, b.i64.const(STATUS_FLAGS)));
  ir.set(FLAGS.direction, i32.and(i32.shr_u(low, i32.const(DIRECTION_BIT)), i32.const(1)));
};

const leave = (b: X86Builder): void => {
  const { mode, size } = b;
  const frame = b.zeroExtended(mode.stack, b.ir.get(GPR[Gpr.rbp]!));
  const value = b.loadStack(frame, size);
  b.setStackPointer(b.stackOffset(frame, size));
  b.setGpr(Gpr.rbp, size, value);
};

export const stack: readonly X86Declaration<X86Builder>[] = [
  insn("push Zv", "50+r", push, D64),
  insn("push Ev", "FF /6", push, D64),
  insn("push Iz", "68", push, D64),
  insn("push sIb", "6A", push, D64),
  insn("pop Zv", "58+r", pop, D64),
  insn("pop Ev", "8F /0", pop, D64),
  insn("pushf", "9C", pushFlags, { ...D64, text: "pushf/pushfd/pushfq" }),
  insn("popf", "9D", popFlags, { ...D64, text: "popf/popfd/popfq" }),
  insn("leave", "C9", leave, D64),
];
