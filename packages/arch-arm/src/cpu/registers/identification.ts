import { HCR, SCTLR } from "../control-bits.js";
import { BREAKPOINTS, CONTEXT_AWARE, WATCHPOINTS } from "../debug/units.js";
import { EL1, EL2 } from "../fields.js";
import type { ArmPe } from "../pe.js";
import { system } from "../state.js";
import { registerNumber } from "../system-register.js";
import { type Check, Rule } from "../system-registers.js";

/** Implementer 0: reserved for software. */
const MIDR = 0x000f_0000;
// AES with PMULL (2), SHA1, SHA256, CRC32, LSE (2): bits 7:4 and up.
const ID_AA64ISAR0 = 0x0021_1120;
// EL0 to EL2 AArch64 only, FP and Advanced SIMD.
const ID_AA64PFR0 = 0x0000_0111;
const PFR0_GIC = 1 << 24;
/** CSV2 and CSV3: nothing is speculated, so that systems need no measures against it. In the upper half. */
const PFR0_SPECULATION_HI = 0x1100_0000;
// Armv8 debug, PMUv3.
const ID_AA64DFR0 =
  6 | (1 << 8) | ((BREAKPOINTS - 1) << 12) | ((WATCHPOINTS - 1) << 20) | ((CONTEXT_AWARE - 1) << 28);
// 44-bit addresses, 16-bit ASIDs, all granules.
const ID_AA64MMFR0 = 0x0010_0024;
// PAN.
const ID_AA64MMFR1 = 0x0010_0000;
// 64-byte lines, no maintenance needed for code (IDC, DIC).
const CTR = 0xb444_c004 | 0;
const CLIDR = 0x0100_0003;
// 32 KiB, 4 ways, 64-byte lines.
const CCSIDR = 0x000f_e01a;
const DCZID_BLOCK = 4;
const DCZID_DZP = 1 << 4;

/** ID registers: exactly what is implemented (Arm ARM, "AArch64 System register descriptions"). */
export function defineIdentification(pe: ArmPe): void {
  const { core, registers } = pe;
  const trapped =
    (bit: number): Check =>
    () =>
      pe.el === 1 && (core.lo(EL2.hcr) & bit) !== 0 ? Rule.trapEl2 : Rule.allowed;
  const group1 = trapped(HCR.TID1);
  const group2 = trapped(HCR.TID2);
  const group3 = trapped(HCR.TID3);
  // EL1 sees what EL2 wants it to see.
  registers.define(registerNumber(3, 0, 0, 0, 0), "MIDR_EL1", {
    read: () => (pe.el === 1 ? registers.set(core.lo(EL2.vpidr), 0) : registers.set(MIDR, 0)),
    write: undefined,
  });
  registers.define(registerNumber(3, 0, 0, 0, 5), "MPIDR_EL1", {
    read: () =>
      pe.el === 1 ? registers.set(core.lo(EL2.vmpidr), core.hi(EL2.vmpidr)) : registers.set(pe.mpidr, 0),
    write: undefined,
  });
  registers.constant(registerNumber(3, 0, 0, 0, 6), "REVIDR_EL1", 0, group1);
  registers.constant(registerNumber(3, 1, 0, 0, 7), "AIDR_EL1", 0, group1);
  const values = new Map<number, readonly [string, number]>([
    [registerNumber(3, 0, 0, 5, 0), ["ID_AA64DFR0_EL1", ID_AA64DFR0]],
    [registerNumber(3, 0, 0, 6, 0), ["ID_AA64ISAR0_EL1", ID_AA64ISAR0]],
    [registerNumber(3, 0, 0, 7, 0), ["ID_AA64MMFR0_EL1", ID_AA64MMFR0]],
    [registerNumber(3, 0, 0, 7, 1), ["ID_AA64MMFR1_EL1", ID_AA64MMFR1]],
  ]);
  for (let crm = 1; crm < 8; crm++) {
    for (let op2 = 0; op2 < 8; op2++) {
      const number = registerNumber(3, 0, 0, crm, op2);
      if (crm === 4 && op2 === 0) continue;
      // Those of AArch32, and all that is not assigned, read as zero.
      const [name, value] = values.get(number) ?? [`ID_C0_C${crm}_${op2}`, 0];
      registers.constant(number, name, value, group3);
    }
  }
  registers.define(registerNumber(3, 0, 0, 4, 0), "ID_AA64PFR0_EL1", {
    read: () => {
      const gic = pe.interruptController.gic === undefined ? 0 : PFR0_GIC;
      registers.set(ID_AA64PFR0 | gic, PFR0_SPECULATION_HI);
    },
    write: undefined,
    check: group3,
  });
  registers.constant(registerNumber(3, 1, 0, 0, 1), "CLIDR_EL1", CLIDR, group2);
  const selected = system("CSSELR_EL1");
  registers.define(registerNumber(3, 1, 0, 0, 0), "CCSIDR_EL1", {
    read: () => registers.set(core.lo(selected) < 2 ? CCSIDR : 0, 0),
    write: undefined,
    check: group2,
  });
  registers.storage(registerNumber(3, 2, 0, 0, 0), "CSSELR_EL1", selected, {
    maskLo: 15,
    maskHi: 0,
    check: group2,
  });
  registers.constant(registerNumber(3, 3, 0, 0, 1), "CTR_EL0", CTR, () => {
    const hcr = core.lo(EL2.hcr);
    if (pe.el === 0 && (core.lo(EL1.sctlr) & SCTLR.UCT) === 0) return Rule.trapEl1;
    return (hcr & HCR.TID2) !== 0 ? Rule.trapEl2 : Rule.allowed;
  });
  registers.define(registerNumber(3, 3, 0, 0, 7), "DCZID_EL0", {
    read: () => registers.set(DCZID_BLOCK | (pe.operations.zeroRule() === Rule.allowed ? 0 : DCZID_DZP), 0),
    write: undefined,
  });
  registers.storage(registerNumber(3, 4, 0, 0, 0), "VPIDR_EL2", EL2.vpidr, { maskHi: 0 });
  registers.storage(registerNumber(3, 4, 0, 0, 5), "VMPIDR_EL2", EL2.vmpidr, {
    maskHi: 0xff,
    ones: 1 << 31,
  });
}

/** Their values after reset. */
export function resetIdentification({ core, mpidr }: ArmPe): void {
  core.set(EL2.vpidr, MIDR, 0);
  core.set(EL2.vmpidr, mpidr, 0);
}
