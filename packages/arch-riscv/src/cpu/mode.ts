/**
 * Code mode bits: what the meaning of an instruction depends on besides its bits. They are part of the
 * key of translated code, so the lifter may test them at translation time.
 */
export interface CodeMode {
  /** 0 U, 1 S, 3 M. */
  readonly privilege: number;
  /** V=1: VS or VU. */
  readonly virtual: boolean;
  /**
   * FP instructions are legal: mstatus.FS (and vsstatus.FS when V=1) is not Off. False in S-mode, where it is not
   * known: kernels switch FS off and on at every trap, and look at it when they execute such an instruction.
   */
  readonly fpOn: boolean;
  /** FP state is already Dirty in every status register concerned: writes need not mark it. */
  readonly fpDirty: boolean;
  /** fcsr.frm, 0..7. */
  readonly frm: number;
  /** CBO.ZERO is allowed by the xenvcfg registers in effect. */
  readonly cboZero: boolean;
}

export function packMode(m: CodeMode): number {
  return (
    m.privilege |
    (m.virtual ? 4 : 0) |
    (m.fpOn ? 8 : 0) |
    (m.fpDirty ? 16 : 0) |
    (m.frm << 5) |
    (m.cboZero ? 256 : 0)
  );
}

export function unpackMode(bits: number): CodeMode {
  return {
    privilege: bits & 3,
    virtual: (bits & 4) !== 0,
    fpOn: (bits & 8) !== 0,
    fpDirty: (bits & 16) !== 0,
    frm: (bits >> 5) & 7,
    cboZero: (bits & 256) !== 0,
  };
}
