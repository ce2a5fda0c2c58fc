import { CR0 as CR0_BIT, CR4 as CR4_BIT, EFER as EFER_BIT, RIGHTS, SystemType } from "../cpu/control-bits.js";
import type { X86Cpu } from "../cpu/cpu.js";
import { CR0, CR3, CR4, EFER, SEGMENTS, Seg, TR } from "../cpu/state.js";

// The processor as firmware and a host's start leave it to a hypervisor: 64-bit mode. As no instruction of the host's is
// ever fetched, its tables are nowhere.

const HOST_CR0 = CR0_BIT.PE | CR0_BIT.MP | CR0_BIT.ET | CR0_BIT.NE | CR0_BIT.WP | CR0_BIT.AM | CR0_BIT.PG;
const HOST_CR4 = CR4_BIT.PAE | CR4_BIT.PGE | CR4_BIT.OSFXSR | CR4_BIT.OSXMMEXCPT;
const HOST_EFER = EFER_BIT.SCE | EFER_BIT.LME | EFER_BIT.LMA | EFER_BIT.NXE;
/** The host's selectors. */
export const HostSelector = { code: 0x08, data: 0x10, task: 0x18 } as const;

const FLAT = RIGHTS.present | RIGHTS.segment | RIGHTS.writable | RIGHTS.accessed | RIGHTS.granularity;
const TSS_LIMIT = 0x67;

/** Put a processor that was just reset where a 64-bit hypervisor has it. */
export function enterHostMode(cpu: X86Cpu): void {
  const { core, segments } = cpu;
  core.set(CR0, HOST_CR0, 0);
  core.set(CR3, 0, 0);
  core.set(CR4, HOST_CR4, 0);
  core.set(EFER, HOST_EFER, 0);
  for (const [number, fields] of SEGMENTS.entries())
    if (number === Seg.cs)
      segments.set(fields, HostSelector.code, 0, 0, -1, FLAT | RIGHTS.code | RIGHTS.long);
    else segments.set(fields, HostSelector.data, 0, 0, -1, FLAT | RIGHTS.big);
  segments.set(TR, HostSelector.task, 0, 0, TSS_LIMIT, RIGHTS.present | SystemType.busyTss);
  core.setPc(0, 0);
  cpu.reload();
}
