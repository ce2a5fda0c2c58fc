import { CR0 as CR0_BIT } from "./control-bits.js";
import type { X86Cpu } from "./cpu.js";
import { Activity, activity, CR0, SEGMENTS, Seg, type SegmentFields, x86Layout } from "./state.js";
import { initSignal, STARTED_UP, startUpSignal } from "./vmx/vmx-state.js";

/** What INIT leaves alone: x87, SSE, XCR0 and model-specific registers, but not EFER (SDM volume 3, table 9-1). */
const KEPT = /^(?:st|fpu|xmm|mxcsr|fpFlags|xcr0|IA32_|MTRR_)/;

const HELD = 1;
const HELD_BOOTSTRAP = 3;

/**
 * INIT: the bootstrap processor starts anew at the reset vector, all others wait for a start-up IPI. It comes between two
 * instructions, to a processor that sends it to itself, too. VMX operation holds it back: a guest leaves by it, and the
 * end of VMX operation lets it through.
 */
export function initProcessor(cpu: X86Cpu, bootstrap: boolean): void {
  const { core } = cpu;
  if (cpu.vmx.active || cpu.sliceStart >= 0) {
    core.set(initSignal, bootstrap ? HELD_BOOTSTRAP : HELD, 0);
    core.requestDispatch();
    return;
  }
  startAnew(cpu, bootstrap);
}

function startAnew(cpu: X86Cpu, bootstrap: boolean): void {
  const { core } = cpu;
  const kept = [...x86Layout.fields].filter(([name]) => KEPT.test(name));
  const values = kept.map(([, field]) => core.big(field));
  const caching = core.lo(CR0) & (CR0_BIT.CD | CR0_BIT.NW);
  cpu.reset();
  kept.forEach(([, field], i) => core.setBig(field, values[i]!));
  core.set(CR0, (core.lo(CR0) & ~(CR0_BIT.CD | CR0_BIT.NW)) | caching, 0);
  if (!bootstrap) core.set(activity, Activity.waitForSipi, 0);
  cpu.reload();
}

/** A start-up IPI: a processor that waits for one goes on at `vector` times 4 KiB, in real mode; others ignore it. */
export function startUpProcessor(cpu: X86Cpu, vector: number): void {
  const { core } = cpu;
  if (core.lo(activity) !== Activity.waitForSipi) return;
  if (cpu.vmx.guest) {
    core.set(startUpSignal, STARTED_UP | vector, 0);
    core.requestDispatch();
    return;
  }
  const cs = SEGMENTS[Seg.cs] as SegmentFields;
  core.set(cs.selector, vector << 8, 0);
  core.set(cs.base, vector << 12, 0);
  core.setPc(vector << 12, 0);
  core.set(activity, Activity.active, 0);
  cpu.reload();
}

/** An INIT that was held back comes now. True if there was one. */
export function releaseInit(cpu: X86Cpu): boolean {
  const held = cpu.core.lo(initSignal);
  if (held === 0) return false;
  cpu.core.set(initSignal, 0, 0);
  startAnew(cpu, held === HELD_BOOTSTRAP);
  return true;
}
