// Fields of mstatus, sstatus and vsstatus (which share their layout), of hstatus and of xenvcfg. `_HI` is bits 63..32.

export const SIE = 1 << 1;
export const MIE = 1 << 3;
export const SPIE = 1 << 5;
export const MPIE = 1 << 7;
export const SPP = 1 << 8;
export const MPP_SHIFT = 11;
export const MPP = 3 << MPP_SHIFT;
export const FS = 3 << 13;
export const MPRV = 1 << 17;
export const SUM = 1 << 18;
export const MXR = 1 << 19;
export const TVM = 1 << 20;
export const TW = 1 << 21;
export const TSR = 1 << 22;
/** UXL = 2: U-mode is 64 bits wide, fixed. */
export const UXL_64_HI = 2;
/** SXL = 2: S-mode is 64 bits wide, fixed. */
export const SXL_64_HI = 2 << 2;
export const GVA_HI = 1 << 6;
export const MPV_HI = 1 << 7;
export const SD_HI = 1 << 31;

/** Writable fields of mstatus (bits 31..0). MPP needs care, as it has an illegal value. */
export const MSTATUS_MASK = SIE | MIE | SPIE | MPIE | SPP | MPP | FS | MPRV | SUM | MXR | TVM | TW | TSR;
/** Writable fields of sstatus and vsstatus. */
export const SSTATUS_MASK = SIE | SPIE | SPP | FS | SUM | MXR;

export const HSTATUS = {
  GVA: 1 << 6,
  SPV: 1 << 7,
  SPVP: 1 << 8,
  HU: 1 << 9,
  VGEIN_SHIFT: 12,
  VGEIN: 0x3f << 12,
  VTVM: 1 << 20,
  VTW: 1 << 21,
  VTSR: 1 << 22,
  /** VSXL = 2, fixed. */
  VSXL_64_HI: 2,
} as const;

export const ENVCFG = {
  FIOM: 1,
  CBIE_SHIFT: 4,
  CBIE: 3 << 4,
  CBCFE: 1 << 6,
  CBZE: 1 << 7,
  ADUE_HI: 1 << 29,
  STCE_HI: 1 << 31,
} as const;
