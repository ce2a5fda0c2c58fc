import { xName } from "./registers.js";

// Names of system registers and of the operations of SYS, by op0 << 14 | op1 << 11 | CRn << 7 | CRm << 3 | op2.

export const systemRegister = (op0: number, op1: number, crn: number, crm: number, op2: number): number =>
  (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;

type Entry = readonly [name: string, op1: number, crn: number, crm: number, op2: number];

/** Registers with op0 = 3. */
const REGISTERS: readonly Entry[] = [
  ["MIDR_EL1", 0, 0, 0, 0],
  ["MPIDR_EL1", 0, 0, 0, 5],
  ["REVIDR_EL1", 0, 0, 0, 6],
  ["ID_PFR0_EL1", 0, 0, 1, 0],
  ["ID_PFR1_EL1", 0, 0, 1, 1],
  ["ID_DFR0_EL1", 0, 0, 1, 2],
  ["ID_AFR0_EL1", 0, 0, 1, 3],
  ["ID_MMFR0_EL1", 0, 0, 1, 4],
  ["ID_MMFR1_EL1", 0, 0, 1, 5],
  ["ID_MMFR2_EL1", 0, 0, 1, 6],
  ["ID_MMFR3_EL1", 0, 0, 1, 7],
  ["ID_ISAR0_EL1", 0, 0, 2, 0],
  ["ID_ISAR1_EL1", 0, 0, 2, 1],
  ["ID_ISAR2_EL1", 0, 0, 2, 2],
  ["ID_ISAR3_EL1", 0, 0, 2, 3],
  ["ID_ISAR4_EL1", 0, 0, 2, 4],
  ["ID_ISAR5_EL1", 0, 0, 2, 5],
  ["ID_MMFR4_EL1", 0, 0, 2, 6],
  ["MVFR0_EL1", 0, 0, 3, 0],
  ["MVFR1_EL1", 0, 0, 3, 1],
  ["MVFR2_EL1", 0, 0, 3, 2],
  ["ID_AA64PFR0_EL1", 0, 0, 4, 0],
  ["ID_AA64PFR1_EL1", 0, 0, 4, 1],
  ["ID_AA64DFR0_EL1", 0, 0, 5, 0],
  ["ID_AA64DFR1_EL1", 0, 0, 5, 1],
  ["ID_AA64AFR0_EL1", 0, 0, 5, 4],
  ["ID_AA64AFR1_EL1", 0, 0, 5, 5],
  ["ID_AA64ISAR0_EL1", 0, 0, 6, 0],
  ["ID_AA64ISAR1_EL1", 0, 0, 6, 1],
  ["ID_AA64MMFR0_EL1", 0, 0, 7, 0],
  ["ID_AA64MMFR1_EL1", 0, 0, 7, 1],
  ["ID_AA64MMFR2_EL1", 0, 0, 7, 2],
  ["SCTLR_EL1", 0, 1, 0, 0],
  ["ACTLR_EL1", 0, 1, 0, 1],
  ["CPACR_EL1", 0, 1, 0, 2],
  ["TTBR0_EL1", 0, 2, 0, 0],
  ["TTBR1_EL1", 0, 2, 0, 1],
  ["TCR_EL1", 0, 2, 0, 2],
  ["SPSR_EL1", 0, 4, 0, 0],
  ["ELR_EL1", 0, 4, 0, 1],
  ["SP_EL0", 0, 4, 1, 0],
  ["SPSel", 0, 4, 2, 0],
  ["CurrentEL", 0, 4, 2, 2],
  ["PAN", 0, 4, 2, 3],
  ["AFSR0_EL1", 0, 5, 1, 0],
  ["AFSR1_EL1", 0, 5, 1, 1],
  ["ESR_EL1", 0, 5, 2, 0],
  ["FAR_EL1", 0, 6, 0, 0],
  ["PAR_EL1", 0, 7, 4, 0],
  ["PMINTENSET_EL1", 0, 9, 14, 1],
  ["PMINTENCLR_EL1", 0, 9, 14, 2],
  ["MAIR_EL1", 0, 10, 2, 0],
  ["AMAIR_EL1", 0, 10, 3, 0],
  ["VBAR_EL1", 0, 12, 0, 0],
  ["RVBAR_EL1", 0, 12, 0, 1],
  ["ISR_EL1", 0, 12, 1, 0],
  ["CONTEXTIDR_EL1", 0, 13, 0, 1],
  ["TPIDR_EL1", 0, 13, 0, 4],
  ["CNTKCTL_EL1", 0, 14, 1, 0],
  ["CCSIDR_EL1", 1, 0, 0, 0],
  ["CLIDR_EL1", 1, 0, 0, 1],
  ["AIDR_EL1", 1, 0, 0, 7],
  ["CSSELR_EL1", 2, 0, 0, 0],
  ["CTR_EL0", 3, 0, 0, 1],
  ["DCZID_EL0", 3, 0, 0, 7],
  ["NZCV", 3, 4, 2, 0],
  ["DAIF", 3, 4, 2, 1],
  ["FPCR", 3, 4, 4, 0],
  ["FPSR", 3, 4, 4, 1],
  ["DSPSR_EL0", 3, 4, 5, 0],
  ["DLR_EL0", 3, 4, 5, 1],
  ["PMCR_EL0", 3, 9, 12, 0],
  ["PMCNTENSET_EL0", 3, 9, 12, 1],
  ["PMCNTENCLR_EL0", 3, 9, 12, 2],
  ["PMOVSCLR_EL0", 3, 9, 12, 3],
  ["PMSWINC_EL0", 3, 9, 12, 4],
  ["PMSELR_EL0", 3, 9, 12, 5],
  ["PMCEID0_EL0", 3, 9, 12, 6],
  ["PMCEID1_EL0", 3, 9, 12, 7],
  ["PMCCNTR_EL0", 3, 9, 13, 0],
  ["PMXEVTYPER_EL0", 3, 9, 13, 1],
  ["PMXEVCNTR_EL0", 3, 9, 13, 2],
  ["PMUSERENR_EL0", 3, 9, 14, 0],
  ["PMOVSSET_EL0", 3, 9, 14, 3],
  ["TPIDR_EL0", 3, 13, 0, 2],
  ["TPIDRRO_EL0", 3, 13, 0, 3],
  ["CNTFRQ_EL0", 3, 14, 0, 0],
  ["CNTPCT_EL0", 3, 14, 0, 1],
  ["CNTVCT_EL0", 3, 14, 0, 2],
  ["CNTP_TVAL_EL0", 3, 14, 2, 0],
  ["CNTP_CTL_EL0", 3, 14, 2, 1],
  ["CNTP_CVAL_EL0", 3, 14, 2, 2],
  ["CNTV_TVAL_EL0", 3, 14, 3, 0],
  ["CNTV_CTL_EL0", 3, 14, 3, 1],
  ["CNTV_CVAL_EL0", 3, 14, 3, 2],
  ["PMCCFILTR_EL0", 3, 14, 15, 7],
  ["VPIDR_EL2", 4, 0, 0, 0],
  ["VMPIDR_EL2", 4, 0, 0, 5],
  ["SCTLR_EL2", 4, 1, 0, 0],
  ["ACTLR_EL2", 4, 1, 0, 1],
  ["HCR_EL2", 4, 1, 1, 0],
  ["MDCR_EL2", 4, 1, 1, 1],
  ["CPTR_EL2", 4, 1, 1, 2],
  ["HSTR_EL2", 4, 1, 1, 3],
  ["HACR_EL2", 4, 1, 1, 7],
  ["TTBR0_EL2", 4, 2, 0, 0],
  ["TCR_EL2", 4, 2, 0, 2],
  ["VTTBR_EL2", 4, 2, 1, 0],
  ["VTCR_EL2", 4, 2, 1, 2],
  ["SPSR_EL2", 4, 4, 0, 0],
  ["ELR_EL2", 4, 4, 0, 1],
  ["SP_EL1", 4, 4, 1, 0],
  ["AFSR0_EL2", 4, 5, 1, 0],
  ["AFSR1_EL2", 4, 5, 1, 1],
  ["ESR_EL2", 4, 5, 2, 0],
  ["FAR_EL2", 4, 6, 0, 0],
  ["HPFAR_EL2", 4, 6, 0, 4],
  ["MAIR_EL2", 4, 10, 2, 0],
  ["AMAIR_EL2", 4, 10, 3, 0],
  ["VBAR_EL2", 4, 12, 0, 0],
  ["TPIDR_EL2", 4, 13, 0, 2],
  ["CNTVOFF_EL2", 4, 14, 0, 3],
  ["CNTHCTL_EL2", 4, 14, 1, 0],
  ["CNTHP_TVAL_EL2", 4, 14, 2, 0],
  ["CNTHP_CTL_EL2", 4, 14, 2, 1],
  ["CNTHP_CVAL_EL2", 4, 14, 2, 2],
];

const names = new Map<number, string>(
  REGISTERS.map(([name, op1, crn, crm, op2]) => [systemRegister(3, op1, crn, crm, op2), name]),
);
names.set(systemRegister(2, 0, 0, 2, 2), "MDSCR_EL1");
names.set(systemRegister(2, 0, 1, 0, 4), "OSLAR_EL1");
names.set(systemRegister(2, 0, 1, 1, 4), "OSLSR_EL1");
names.set(systemRegister(2, 0, 1, 3, 4), "OSDLR_EL1");
for (let i = 0; i < 16; i++) {
  names.set(systemRegister(2, 0, 0, i, 4), `DBGBVR${i}_EL1`);
  names.set(systemRegister(2, 0, 0, i, 5), `DBGBCR${i}_EL1`);
  names.set(systemRegister(2, 0, 0, i, 6), `DBGWVR${i}_EL1`);
  names.set(systemRegister(2, 0, 0, i, 7), `DBGWCR${i}_EL1`);
}

const numbers = new Map([...names].map(([number, name]) => [name, number]));

/** Number of a system register. Throws a `RangeError` for a name that is not in the table. */
export function systemRegisterNumber(name: string): number {
  const number = numbers.get(name);
  if (number === undefined) throw new RangeError(`no system register ${name}`);
  return number;
}

/** The manual's name, or the generic one (`S3_0_C1_C0_0`). */
export function systemRegisterName(number: number): string {
  const known = names.get(number);
  if (known !== undefined) return known;
  const [op0, op1] = [number >> 14, (number >> 11) & 7];
  return `S${op0}_${op1}_C${(number >> 7) & 15}_C${(number >> 3) & 15}_${number & 7}`;
}

/** Operations of SYS, op0 = 1, in CRn 7 and 8. True: takes a register. */
type Operation = readonly [
  name: string,
  op1: number,
  crn: number,
  crm: number,
  op2: number,
  operand: boolean,
];
const OPERATIONS: readonly Operation[] = [
  ["ic ialluis", 0, 7, 1, 0, false],
  ["ic iallu", 0, 7, 5, 0, false],
  ["ic ivau", 3, 7, 5, 1, true],
  ["dc ivac", 0, 7, 6, 1, true],
  ["dc isw", 0, 7, 6, 2, true],
  ["dc csw", 0, 7, 10, 2, true],
  ["dc cisw", 0, 7, 14, 2, true],
  ["dc zva", 3, 7, 4, 1, true],
  ["dc cvac", 3, 7, 10, 1, true],
  ["dc cvau", 3, 7, 11, 1, true],
  ["dc civac", 3, 7, 14, 1, true],
  ["at s1e1r", 0, 7, 8, 0, true],
  ["at s1e1w", 0, 7, 8, 1, true],
  ["at s1e0r", 0, 7, 8, 2, true],
  ["at s1e0w", 0, 7, 8, 3, true],
  ["at s1e2r", 4, 7, 8, 0, true],
  ["at s1e2w", 4, 7, 8, 1, true],
  ["at s12e1r", 4, 7, 8, 4, true],
  ["at s12e1w", 4, 7, 8, 5, true],
  ["at s12e0r", 4, 7, 8, 6, true],
  ["at s12e0w", 4, 7, 8, 7, true],
  ...(["is", ""] as const).flatMap((shared): Operation[] => {
    const crm = shared === "is" ? 3 : 7;
    return [
      [`tlbi vmalle1${shared}`, 0, 8, crm, 0, false],
      [`tlbi vae1${shared}`, 0, 8, crm, 1, true],
      [`tlbi aside1${shared}`, 0, 8, crm, 2, true],
      [`tlbi vaae1${shared}`, 0, 8, crm, 3, true],
      [`tlbi vale1${shared}`, 0, 8, crm, 5, true],
      [`tlbi vaale1${shared}`, 0, 8, crm, 7, true],
      [`tlbi alle2${shared}`, 4, 8, crm, 0, false],
      [`tlbi vae2${shared}`, 4, 8, crm, 1, true],
      [`tlbi alle1${shared}`, 4, 8, crm, 4, false],
      [`tlbi vale2${shared}`, 4, 8, crm, 5, true],
      [`tlbi vmalls12e1${shared}`, 4, 8, crm, 6, false],
      [`tlbi ipas2e1${shared}`, 4, 8, shared === "is" ? 0 : 4, 1, true],
      [`tlbi ipas2le1${shared}`, 4, 8, shared === "is" ? 0 : 4, 5, true],
    ];
  }),
];
const operations = new Map(
  OPERATIONS.map(([name, op1, crn, crm, op2, operand]) => [
    systemRegister(0, op1, crn, crm, op2),
    { name, operand },
  ]),
);

/** Text of an operation of SYS with its register; undefined if it has no name. `number` is without op0. */
export function operationName(number: number, rt: number): string | undefined {
  const known = operations.get(number);
  if (known === undefined || (!known.operand && rt !== 31)) return undefined;
  return known.operand ? `${known.name}, ${xName(rt)}` : known.name;
}

/** Fields of MSR (immediate), by op1 << 3 | op2. */
export const PSTATE_FIELDS: ReadonlyMap<number, string> = new Map([
  [(0 << 3) | 4, "PAN"],
  [(0 << 3) | 5, "SPSel"],
  [(3 << 3) | 6, "DAIFSet"],
  [(3 << 3) | 7, "DAIFClr"],
]);
