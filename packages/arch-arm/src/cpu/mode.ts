/**
 * Code mode bits: what the meaning of an instruction depends on besides its bits. They are part of the key of
 * translated code, so the lifter may test them at translation time.
 */
export interface CodeMode {
  /** Exception level, 0..2. */
  readonly el: number;
  /** PSTATE.SP: the stack pointer is SP_ELx rather than SP_EL0. */
  readonly spSel: boolean;
  /** Accesses of floating point and Advanced SIMD trap (CPACR_EL1.FPEN, CPTR_EL2); the helper knows where to. */
  readonly fpTrapped: boolean;
  /** FPCR.RMode: 0 nearest, 1 up, 2 down, 3 zero. */
  readonly rmode: number;
  /** FPCR.FZ and FPCR.DN. */
  readonly flushToZero: boolean;
  readonly defaultNan: boolean;
  /** SCTLR_ELx.A: every access is checked for alignment. */
  readonly alignmentChecked: boolean;
  /** SCTLR_ELx.SA or SA0: a stack pointer used as a base must be a multiple of 16. */
  readonly stackChecked: boolean;
}

/** The parts of the code mode that are FPCR's. */
export function floatMode(fpcr: number): Pick<CodeMode, "rmode" | "flushToZero" | "defaultNan"> {
  return {
    rmode: (fpcr >>> 22) & 3,
    flushToZero: (fpcr & (1 << 24)) !== 0,
    defaultNan: (fpcr & (1 << 25)) !== 0,
  };
}

export function packMode(m: CodeMode): number {
  return (
    m.el |
    (m.spSel ? 4 : 0) |
    (m.fpTrapped ? 8 : 0) |
    (m.rmode << 4) |
    (m.flushToZero ? 0x40 : 0) |
    (m.defaultNan ? 0x80 : 0) |
    (m.alignmentChecked ? 0x100 : 0) |
    (m.stackChecked ? 0x200 : 0)
  );
}

export function unpackMode(bits: number): CodeMode {
  return {
    el: bits & 3,
    spSel: (bits & 4) !== 0,
    fpTrapped: (bits & 8) !== 0,
    rmode: (bits >> 4) & 3,
    flushToZero: (bits & 0x40) !== 0,
    defaultNan: (bits & 0x80) !== 0,
    alignmentChecked: (bits & 0x100) !== 0,
    stackChecked: (bits & 0x200) !== 0,
  };
}
