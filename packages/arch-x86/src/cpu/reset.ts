import { CR0 as CR0_BIT, RIGHTS } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import { writeMxcsr } from "./mxcsr.js";
import { writeFlagFields } from "./rflags.js";
import {
  CR0,
  DR6,
  DR7,
  GDTR,
  GPR,
  Gpr,
  IDTR,
  LDTR,
  msr,
  SEGMENTS,
  Seg,
  type SegmentFields,
  TR,
  X87,
  XCR0,
  x86Layout,
} from "./state.js";

const DATA = RIGHTS.present | RIGHTS.segment | RIGHTS.writable | RIGHTS.accessed;
/** Fast strings, MONITOR. */
const MISC_ENABLE = 1n | (1n << 18n);
/** Memory types of the page attribute table: WB, WT, UC-, UC, twice. */
const PAT = 0x0007_0406_0007_0406n;

/** The state after power-up and after INIT: SDM volume 3, table 9-1. Registers that it does not name are 0. */
export function resetState(cpu: X86Cpu): void {
  const { core } = cpu;
  for (const field of x86Layout.fields.values()) core.setBig(field, 0n);
  // Caches are off, but nothing here asks.
  core.set(CR0, CR0_BIT.ET | CR0_BIT.CD | CR0_BIT.NW, 0);
  core.set(DR6, 0xffff_0ff0 | 0, 0);
  core.set(DR7, 0x400, 0);
  writeFlagFields(core, 0);
  for (const fields of SEGMENTS) {
    core.set(fields.limit, 0xffff, 0);
    core.set(fields.rights, DATA, 0);
  }
  const cs = SEGMENTS[Seg.cs] as SegmentFields;
  core.set(cs.selector, 0xf000, 0);
  core.set(cs.base, 0xffff_0000 | 0, 0);
  for (const table of [GDTR, IDTR]) core.set(table.limit, 0xffff, 0);
  core.set(LDTR.limit, 0xffff, 0);
  core.set(LDTR.rights, RIGHTS.present | 2, 0);
  core.set(TR.limit, 0xffff, 0);
  core.set(TR.rights, RIGHTS.present | 11, 0);
  // Family, model and stepping, as CPUID tells them.
  core.set(GPR[Gpr.rdx]!, cpu.cpuid?.signature ?? 0, 0);
  writeMxcsr(core, 0x1f80);
  core.set(X87.control, 0x40, 0);
  core.set(X87.used, 0, 0);
  core.set(XCR0, 1, 0);
  core.setBig(msr("IA32_PAT"), PAT);
  core.setBig(msr("IA32_MISC_ENABLE"), MISC_ENABLE);
  core.setPc(0xffff_fff0 | 0, 0);
}
