import { aarch64Stage2, type GuestPageTableFormat } from "@hypercraft/guest-page-table";
import { CNTHCTL, CPTR, HCR, SPSR } from "../cpu/control-bits.js";
import { EL2 } from "../cpu/fields.js";
import type { ArmPe } from "../cpu/pe.js";

// How the hypervisor programs a PE for a guest: the writes of EL2's registers before ERET.

/**
 * The guest's exceptions are its own; EL2 gets the second stage's faults, HVC, SMC, WFI, reads of ID registers, and
 * physical interrupts and errors, in whose place the guest has virtual ones. Set/way invalidations also clean, and walks
 * of the guest's tables may not read devices.
 */
const GUEST_HCR = BigInt(
  (HCR.RW |
    HCR.VM |
    HCR.SWIO |
    HCR.PTW |
    HCR.FMO |
    HCR.IMO |
    HCR.AMO |
    HCR.TWI |
    HCR.TID3 |
    HCR.TSC |
    HCR.TIDCP) >>>
    0,
);

/** EL1h, everything masked. */
const ENTRY_SPSR = BigInt(SPSR.DAIF | 5);

const MPIDR_RES1 = 1n << 31n;
const VTCR_RES1 = 1n << 31n;
const WRITE_BACK = 1n;
const INNER_SHAREABLE = 3n;
const GRANULE_4K = 0n;

/** VTCR_EL2 for tables of a format, by ID_AA64MMFR0_EL1.PARange. */
function translationControl(format: GuestPageTableFormat, physicalRange: bigint): bigint {
  const startLevel = 4 - format.levels.length;
  return (
    VTCR_RES1 |
    BigInt(64 - format.inputBits) |
    (BigInt(2 - startLevel) << 6n) |
    (WRITE_BACK << 8n) |
    (WRITE_BACK << 10n) |
    (INNER_SHAREABLE << 12n) |
    (GRANULE_4K << 14n) |
    (physicalRange << 16n)
  );
}

/** What a guest is entered with. */
export interface World {
  readonly pc: bigint;
  /** VTTBR_EL2: a table of the format `aarch64Stage2`, and the VMID. */
  readonly vttbr: bigint;
  /** Aff3 to Aff0 of its MPIDR_EL1. */
  readonly affinity: bigint;
}

/**
 * Reset the PE and enter a guest at `pc` in EL1, with address translation off, exceptions masked and every register
 * zero. What it is told of interrupts (HCR_EL2.VI, VF) is as it was.
 */
export function enterWorld(pe: ArmPe, { pc, vttbr, affinity }: World): void {
  const interrupts = BigInt(pe.core.lo(EL2.hcr) & (HCR.VI | HCR.VF));
  pe.reset(pc);
  pe.writeSystem("HCR_EL2", GUEST_HCR | interrupts);
  pe.writeSystem("VTCR_EL2", translationControl(aarch64Stage2, pe.readSystem("ID_AA64MMFR0_EL1") & 15n));
  pe.writeSystem("VTTBR_EL2", vttbr);
  pe.writeSystem("VPIDR_EL2", pe.readSystem("MIDR_EL1"));
  pe.writeSystem("VMPIDR_EL2", MPIDR_RES1 | affinity);
  // Both timers and both counters are the guest's, who counts from the machine's start.
  pe.writeSystem("CNTHCTL_EL2", BigInt(CNTHCTL.EL1PCTEN | CNTHCTL.EL1PCEN));
  pe.writeSystem("CNTVOFF_EL2", 0n);
  // Floating point, debug and performance monitors too.
  pe.writeSystem("CPTR_EL2", BigInt(CPTR.RES1 & ~CPTR.TFP));
  pe.writeSystem("SPSR_EL2", ENTRY_SPSR);
  pe.writeSystem("ELR_EL2", pc);
  pe.enterGuest();
}

/** Change HCR_EL2.VI and VF, the guest's pending interrupts, as a line does. */
export function setVirtualInterrupt(pe: ArmPe, bit: number, level: boolean): void {
  const { core, interrupts } = pe;
  const hcr = core.lo(EL2.hcr);
  core.set(EL2.hcr, level ? hcr | bit : hcr & ~bit, core.hi(EL2.hcr));
  interrupts.refresh();
}
