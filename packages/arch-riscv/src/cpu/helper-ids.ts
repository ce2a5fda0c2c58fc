/**
 * Helpers the lifter calls and `helpers.ts` implements. "const" is the 24-bit constant of the call,
 * a and b its i64 arguments. All of them may trap.
 */
export const Helper = {
  /** Raise an exception: const = cause (scause number), a = trap value. Never continues. */
  trap: 1,
  /** Read a CSR: const = number. For CSRs that are not plain state. */
  csrRead: 2,
  /** Write a CSR: const = number, a = value. The block is ended by `dispatch` after it. */
  csrWrite: 3,
  /** Read and write (csrrw/csrrs/csrrc): const = number | operation<<12 (1 write, 2 set bits, 3 clear bits), a = operand; result: old value. */
  csrExchange: 4,
  /**
   * csrrw, csrrs or csrrc of sstatus where translated code cannot do it alone: const = operation as for csrExchange |
   * rd<<2, a = anything, b = operand. Completes the instruction.
   */
  sstatusExchange: 19,
  /** MRET and SRET, then WFI: where the mode or a status register forbids them they are illegal or virtual instructions. */
  mret: 5,
  sret: 6,
  wfi: 7,
  /** SFENCE.VMA and SINVAL.VMA: const bit 0: rs1 != x0, bit 1: rs2 != x0, bit 2: SINVAL; a = address, b = ASID. */
  sfenceVma: 8,
  /** HFENCE.VVMA / HINVAL.VVMA: as sfenceVma. */
  hfenceVvma: 9,
  /** HFENCE.GVMA / HINVAL.GVMA: as sfenceVma; a = guest physical address >> 2, b = VMID. */
  hfenceGvma: 10,
  /** FENCE.I */
  fenceI: 11,
  /** HLV/HLVX: const = size in bytes | signed<<4 | execute<<5; a = address; result: value. */
  hypervisorLoad: 12,
  /** HSV: const = size in bytes; a = address, b = value. */
  hypervisorStore: 13,
  /** CBO: const = 0 inval, 1 clean, 2 flush, 4 zero; a = address. */
  cacheBlock: 14,
  /** First FP write since FS was Initial or Clean: mark FS (and vsstatus.FS) Dirty. The block must end afterwards (dispatch). */
  fpDirty: 15,
  /** An FP instruction in S-mode while FS is not Dirty: const = 1 if it writes FP state. Illegal if FS is Off. */
  fpUse: 20,
  /** ECALL: cause by mode. */
  ecall: 16,
  /** EBREAK: a = pc. */
  ebreak: 17,
  /** Illegal instruction: a = instruction bits. In VS/VU a virtual-instruction exception is raised with `trap` 22 instead where the manual says so. */
  illegal: 18,
} as const;
