import type { Value } from "@hypercraft/engine";
import { IOPL, RFLAG, RFLAGS_FIXED, RIGHTS, SYSTEM_FLAGS } from "../cpu/control-bits.js";
import { FLAT_CODE, FLAT_STACK } from "../cpu/flat-segments.js";
import { Helper } from "../cpu/helper-ids.js";
import { CODE_CONTEXT, DATA_CONTEXT } from "../cpu/selectable-contexts.js";
import {
  FLAGS,
  GPR,
  Gpr,
  interruptsWaiting,
  msr,
  privilege,
  quickCalls,
  READ_LIMITS,
  RFLAGS,
  SEGMENTS,
  Seg,
  WRITE_LIMITS,
} from "../cpu/state.js";
import { STATUS_FLAGS } from "./flags.js";
import type { X86Builder } from "./lifter.js";
import { flagsImage } from "./stack.js";

// SYSCALL and SYSRET between 64-bit code of rings 3 and 0: every system call goes through both, so they are done where
// they stand. All else about them is the helpers' (cpu/fast-calls.ts).

const [STAR, LSTAR, FMASK] = [msr("IA32_STAR"), msr("IA32_LSTAR"), msr("IA32_FMASK")];
const [RCX, R11] = [GPR[Gpr.rcx]!, GPR[Gpr.r11]!];
const DIRECTION_BIT = 10;
/** Linear addresses have 48 bits. */
const ABOVE_LINEAR = 16;
/** What SYSRET takes of R11. */
const RETURNED = 0x3c_7fd7 & ~(RFLAG.RF | RFLAG.VM);
/** Flags that change more than what they say: they trap, check alignment, or allow CLI and I/O. */
const UNUSUAL = RFLAG.TF | RFLAG.AC | IOPL;

/** CS and SS, flat and of 64 bits, by the low 16 bits of their selectors. */
function loadFlat({ ir, i32, i64 }: X86Builder, code: Value, stack: Value, cpl: number): void {
  const dpl = cpl << RIGHTS.dplShift;
  const [all, none] = [i64.const(0xffff_ffff), i64.const(-1)];
  const load = (number: number, value: Value, rights: number, writable: Value): void => {
    const segment = SEGMENTS[number]!;
    ir.set(segment.selector, i32.and(value, i32.const(0xffff)));
    ir.set(segment.base, i64.const(0));
    ir.set(segment.limit, i32.const(-1));
    ir.set(segment.rights, i32.const(rights));
    ir.set(READ_LIMITS[number]!, all);
    ir.set(WRITE_LIMITS[number]!, writable);
  };
  load(Seg.cs, code, FLAT_CODE | RIGHTS.long | dpl, none);
  load(Seg.ss, stack, FLAT_STACK | dpl, all);
  ir.set(privilege, i32.const(cpl));
}

/** All of RFLAGS from an i64. */
function writeFlags({ ir, i32, i64, flags }: X86Builder, value: Value): void {
  const low = i32.wrap_i64(value);
  flags.explicit(i64.and(value, i64.const(STATUS_FLAGS)));
  ir.set(FLAGS.direction, i32.and(i32.shr_u(low, i32.const(DIRECTION_BIT)), i32.const(1)));
  ir.set(RFLAGS, i32.and(low, i32.const(SYSTEM_FLAGS)));
}

/** Go on at an address in code of the other ring. */
function goOn({ ir, i32 }: X86Builder, target: Value, data: number, code: number): void {
  ir.selectContext(i32.const(data));
  ir.selectCode(i32.const(code));
  ir.jumpIndirect(target);
}

export function syscall(b: X86Builder): void {
  const { ir, i32, i64, mode } = b;
  if (mode.bits !== 64) return b.callAndDispatch(Helper.syscall);
  const unusual = i32.and(ir.get(RFLAGS), i32.const(UNUSUAL));
  ir.callIf(i32.or(i32.eqz(ir.get(quickCalls)), unusual), Helper.syscall, 0, i64.const(0));
  const flags = flagsImage(b);
  const star = i32.wrap_i64(i64.shr_u(ir.get(STAR), i64.const(32)));
  const target = ir.get(LSTAR);
  const mask = ir.get(FMASK);
  ir.set(RCX, ir.pc(b.next));
  ir.set(R11, flags);
  writeFlags(b, i64.or(i64.and(flags, i64.xor(mask, i64.const(-1))), i64.const(RFLAGS_FIXED)));
  loadFlat(b, i32.and(star, i32.const(~3)), i32.add(star, i32.const(8)), 0);
  goOn(b, target, DATA_CONTEXT.barred, CODE_CONTEXT.supervisor);
}

export function sysret(b: X86Builder): void {
  const { ir, i32, i64, mode } = b;
  const bytes = b.d.wide ? 8 : 4;
  if (mode.cpl !== 0 || bytes !== 8) return b.callAndDispatch(Helper.sysret, bytes);
  const target = ir.get(RCX);
  const above = i64.const(ABOVE_LINEAR);
  const beyond = i64.ne(i64.shr_s(i64.shl(target, above), above), target);
  const flags = ir.get(R11);
  const unusual = i32.and(i32.wrap_i64(flags), i32.const(UNUSUAL));
  const apart = i32.or(ir.get(interruptsWaiting), i32.or(i32.eqz(ir.get(quickCalls)), beyond));
  ir.callIf(i32.or(apart, unusual), Helper.sysret, bytes, i64.const(0));
  const star = i32.wrap_i64(i64.shr_u(ir.get(STAR), i64.const(48)));
  writeFlags(b, i64.or(i64.and(flags, i64.const(RETURNED)), i64.const(RFLAGS_FIXED)));
  const user = (distance: number) => i32.or(i32.add(star, i32.const(distance)), i32.const(3));
  loadFlat(b, user(16), user(8), 3);
  goOn(b, target, DATA_CONTEXT.user, CODE_CONTEXT.user);
}
