/** One table base of a translation regime and how its tables are laid out. */
export class TableRange {
  /** Walks of this half are allowed (EPDn = 0). */
  enabled = false;
  /** log2 of the input size; 0 for a TnSZ that is out of range. */
  inputBits = 0;
  /** log2 of the granule: 12, 14 or 16. */
  grain = 12;
  startLevel = 0;
  /** Bytes of the first table, or tables: its base is aligned to them. */
  bytes = 8;
  /** Physical or intermediate physical address of the first table. */
  base = 0;
  /** The base does not fit in the output size. */
  baseTooLarge = false;
  /** The top byte of addresses is ignored. */
  topByteIgnored = false;
}

/**
 * A translation regime, EL1&0's or EL2's, as its registers describe it: worked out when they change. Whose rights an
 * access has is `Rights`.
 */
export class Regime {
  /** The regime of EL2, not of EL1 and EL0. */
  readonly el2: boolean;
  /** The first stage translates. */
  stage1 = false;
  /** Without a first stage: HCR_EL2.DC makes memory Normal. */
  defaultCacheable = false;
  writeExecuteNever = false;
  /** VA range of TTBR0 and of TTBR1. */
  readonly low = new TableRange();
  readonly high = new TableRange();
  /** log2 of the size of output addresses (IPS, PS). */
  outputBits = 48;
  /** MAIR_ELx: bit n is set where attribute n is Device memory. */
  deviceAttributes = 0;
  /** The second stage translates. */
  stage2 = false;
  /** VTTBR_EL2 and VTCR_EL2; `enabled` is false where VTCR_EL2 makes no sense. */
  readonly guest = new TableRange();
  guestOutputBits = 48;
  /** HCR_EL2.PTW: tables of the first stage may not lie in Device memory. */
  protectedWalk = false;

  constructor(el2: boolean) {
    this.el2 = el2;
  }

  /** The half of the address space an address is in: bit 55 chooses. */
  range(hi: number): TableRange {
    return this.isUpper(hi) ? this.high : this.low;
  }

  isUpper(hi: number): boolean {
    return !this.el2 && (hi & (1 << 23)) !== 0;
  }
}
