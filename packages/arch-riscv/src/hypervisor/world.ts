import type { RiscvHart } from "../cpu/hart.js";
import { H, VS } from "../cpu/state.js";

// How the hypervisor programs a hart for a guest: the CSR writes of hcHyper's start-up, complete.

/** Exceptions a guest kernel handles itself: all but its calls to the hypervisor and second-stage faults. */
const HEDELEG =
  (1n << 0n) |
  (1n << 1n) |
  (1n << 2n) |
  (1n << 3n) |
  (1n << 4n) |
  (1n << 5n) |
  (1n << 6n) |
  (1n << 7n) |
  (1n << 8n) |
  (1n << 12n) |
  (1n << 13n) |
  (1n << 15n);
/** VSSIP, VSTIP, VSEIP. */
const HIDELEG = 0x444n;
/** Cycle, time and instret; the other counters read zero anyway. */
const HCOUNTEREN = 0xffff_ffffn;

const HSTATUS = { spv: 1n << 7n, spvp: 1n << 8n, vsxl64: 2n << 32n } as const;
const SSTATUS_SIE = 1n << 1n;
const SSTATUS_SPP = 1n << 8n;
/** The guest's own vsstatus.FS decides about floating point; the host's has to allow it, and is not kept. */
const SSTATUS_FS_DIRTY = 3n << 13n;

/**
 * Reset the hart and enter a guest at `pc` in VS-mode, with address translation off, interrupts masked and
 * every register zero, its second stage being `hgatp`.
 */
export function enterWorld(hart: RiscvHart, pc: bigint, hgatp: bigint): void {
  hart.reset(pc);
  hart.writeCsr("hedeleg", HEDELEG);
  hart.writeCsr("hideleg", HIDELEG);
  hart.writeCsr("hvip", 0n);
  hart.writeCsr("hcounteren", HCOUNTEREN);
  // Guests without a PMU driver leave this to their firmware, and their user programs read the time.
  hart.writeCsr("scounteren", HCOUNTEREN);
  // A guest may have what the firmware gave its host: Sstc, cache blocks, hardware A/D updates.
  hart.writeCsr("henvcfg", hart.readCsr("menvcfg"));
  hart.writeCsr("vstimecmp", 0xffff_ffff_ffff_ffffn);
  hart.writeCsr("hgatp", hgatp);
  hart.writeCsr("hstatus", HSTATUS.vsxl64 | HSTATUS.spv | HSTATUS.spvp);
  hart.writeCsr("sstatus", hart.readCsr("sstatus") | SSTATUS_SPP | SSTATUS_FS_DIRTY);
  hart.writeCsr("sepc", pc);
  hart.enterGuest();
}

/**
 * Let a guest go on at `pc` after a suspend that lost its state: address translation off and interrupts masked.
 * Which interrupts it enabled, what is pending and its timer live on, as they are what ends the suspend.
 */
export function resumeWorld(hart: RiscvHart, pc: bigint): void {
  hart.writeCsr("vsatp", 0n);
  hart.writeCsr("vsstatus", hart.readCsr("vsstatus") & ~SSTATUS_SIE);
  hart.core.setBig(hart.layout.pc, pc);
}

/** Program the guest's timer in ticks of its `time`; all ones is never. */
export function setGuestTimer(hart: RiscvHart, lo: number, hi: number): void {
  hart.core.set(VS.timecmp, lo, hi);
  hart.timers.update();
}

/** Set the `mask` bits of hvip to `bits`. */
export function setGuestInterrupts(hart: RiscvHart, mask: number, bits: number): void {
  const { core } = hart;
  core.set(H.vip, (core.lo(H.vip) & ~mask) | bits, 0);
  hart.interrupts.refresh();
}
