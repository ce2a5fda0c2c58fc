/** The number of a system register or system operation: op0 << 14 | op1 << 11 | CRn << 7 | CRm << 3 | op2. */
export function registerNumber(op0: number, op1: number, crn: number, crm: number, op2: number): number {
  return (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;
}

export const op0Of = (number: number): number => number >>> 14;
export const op1Of = (number: number): number => (number >>> 11) & 7;
export const crnOf = (number: number): number => (number >>> 7) & 15;
export const crmOf = (number: number): number => (number >>> 3) & 15;
export const op2Of = (number: number): number => number & 7;

/** S3_0_C1_C0_0: the name of a register that has no other. */
export function genericName(n: number): string {
  return `S${op0Of(n)}_${op1Of(n)}_C${crnOf(n)}_C${crmOf(n)}_${op2Of(n)}`;
}

/** ISS of a trapped MSR, MRS or system instruction (Arm ARM, ESR_ELx, EC 0x18). */
export function accessSyndrome(number: number, register: number, read: boolean): number {
  return (
    (op0Of(number) << 20) |
    (op2Of(number) << 17) |
    (op1Of(number) << 14) |
    (crnOf(number) << 10) |
    (register << 5) |
    (crmOf(number) << 1) |
    (read ? 1 : 0)
  );
}

/** An access as the ISS of EC 0x18 tells it: the number, Rt, and whether it is a read. */
export function trappedAccess(iss: number): {
  readonly number: number;
  readonly rt: number;
  readonly read: boolean;
} {
  const part = (shift: number, bits: number): number => (iss >>> shift) & ((1 << bits) - 1);
  const number = registerNumber(part(20, 2), part(14, 3), part(10, 4), part(1, 4), part(17, 3));
  return { number, rt: part(5, 5), read: (iss & 1) !== 0 };
}
