import { isCanonical, isCanonicalHalf } from "./canonical.js";
import { EFER as EFER_BIT, RFLAG, RFLAGS_FIXED, RIGHTS } from "./control-bits.js";
import { requireRing0 } from "./control-registers.js";
import type { X86Cpu } from "./cpu.js";
import { generalProtection, invalidOpcode } from "./fault.js";
import { FLAT_CODE, FLAT_STACK } from "./flat-segments.js";
import { readFlags, writeFlagFields } from "./rflags.js";
import { EFER, GPR, Gpr, msr, Seg } from "./state.js";

// SYSCALL, SYSRET, SYSENTER, SYSEXIT: SDM volume 2. They load CS and SS with fixed contents.

const [STAR, LSTAR, CSTAR] = [msr("IA32_STAR"), msr("IA32_LSTAR"), msr("IA32_CSTAR")];
const FMASK = msr("IA32_FMASK");
const SYSCALL_LENGTH = 2;

/** Flat code and stack segments of a privilege level. */
function loadFlat(cpu: X86Cpu, cs: number, ss: number, cpl: number, long: boolean): void {
  const dpl = cpl << RIGHTS.dplShift;
  cpu.segments.loadFlat(Seg.cs, cs, FLAT_CODE | dpl | (long ? RIGHTS.long : RIGHTS.big));
  cpu.segments.loadFlat(Seg.ss, ss, FLAT_STACK | dpl);
  cpu.setPrivilege(cpl);
}

/**
 * SYSCALL. In compatibility mode it goes to IA32_CSTAR, as AMD's manual has it and hypervisors with their tests count
 * on. Intel's processors have #UD there, which kernels that know them rely on: those leave that register 0.
 */
export function syscall(cpu: X86Cpu): void {
  const { core } = cpu;
  if (!cpu.longMode || (core.lo(EFER) & EFER_BIT.SCE) === 0) throw invalidOpcode();
  if (!cpu.bits64 && core.big(CSTAR) === 0n) throw invalidOpcode();
  const flags = readFlags(core);
  const target = cpu.bits64 ? LSTAR : CSTAR;
  if (cpu.bits64) {
    const next = (core.pcLo() >>> 0) + SYSCALL_LENGTH;
    core.set(GPR[Gpr.rcx]!, next | 0, core.pcHi() + Math.floor(next / 2 ** 32));
  } else core.setBig(GPR[Gpr.rcx]!, cpu.currentIp + BigInt(SYSCALL_LENGTH));
  core.set(GPR[Gpr.r11]!, flags & ~RFLAG.RF, 0);
  const cs = core.hi(STAR) & 0xffff;
  loadFlat(cpu, cs & ~3, cs + 8, 0, true);
  writeFlagFields(core, (flags & ~core.lo(FMASK) & ~RFLAG.RF) | RFLAGS_FIXED);
  cpu.modeChanged();
  cpu.interrupts.stepAsLeft();
  core.setPc(core.lo(target), core.hi(target));
}

export function sysret(cpu: X86Cpu, size: number): void {
  const { core } = cpu;
  if (!cpu.bits64 || (core.lo(EFER) & EFER_BIT.SCE) === 0) throw invalidOpcode();
  requireRing0(cpu);
  const target = GPR[Gpr.rcx]!;
  const [lo, hi] = [core.lo(target), core.hi(target)];
  if (size === 8 && !isCanonicalHalf(hi)) throw generalProtection();
  const kept = RFLAG.RF | RFLAG.VM;
  const flags = (core.lo(GPR[Gpr.r11]!) & 0x3c_7fd7 & ~kept) | RFLAGS_FIXED;
  const base = core.hi(STAR) >>> 16;
  loadFlat(cpu, (size === 8 ? base + 16 : base) | 3, (base + 8) | 3, 3, size === 8);
  writeFlagFields(core, flags);
  cpu.modeChanged();
  cpu.interrupts.stepAsLeft();
  core.setPc(lo, size === 8 ? hi : 0);
}

export function sysenter(cpu: X86Cpu): void {
  const { core } = cpu;
  const cs = core.lo(msr("IA32_SYSENTER_CS"));
  if (!cpu.protectedMode || (cs & 0xfffc) === 0) throw generalProtection();
  const flags = readFlags(core) & ~(RFLAG.VM | RFLAG.IF | RFLAG.RF);
  const long = cpu.longMode;
  loadFlat(cpu, cs & 0xfffc, (cs & 0xfffc) + 8, 0, long);
  writeFlagFields(core, flags);
  const sized = (value: bigint) => (long ? value : value & 0xffff_ffffn);
  core.setBig(GPR[Gpr.rsp]!, sized(core.big(msr("IA32_SYSENTER_ESP"))));
  cpu.modeChanged();
  cpu.setIp(sized(core.big(msr("IA32_SYSENTER_EIP"))));
}

export function sysexit(cpu: X86Cpu, size: number): void {
  const { core } = cpu;
  const cs = core.lo(msr("IA32_SYSENTER_CS"));
  if (!cpu.protectedMode || (cs & 0xfffc) === 0 || cpu.cpl !== 0) throw generalProtection();
  const long = size === 8;
  const [target, stack] = [core.big(GPR[Gpr.rdx]!), core.big(GPR[Gpr.rcx]!)];
  if (long && !(isCanonical(target) && isCanonical(stack))) throw generalProtection();
  const first = (cs & 0xfffc) + (long ? 32 : 16);
  loadFlat(cpu, first | 3, (first + 8) | 3, 3, long);
  const sized = (value: bigint) => (long ? value : value & 0xffff_ffffn);
  core.setBig(GPR[Gpr.rsp]!, sized(stack));
  cpu.modeChanged();
  cpu.setIp(sized(target));
}
