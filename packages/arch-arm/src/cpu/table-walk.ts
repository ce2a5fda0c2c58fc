import type { CoreApi } from "@hypercraft/engine";
import type { TableRange } from "./regime.js";
import { Fsc } from "./syndrome.js";

/** A walk that found a leaf. */
export const WALKED = -1;
/** `locate` could not say where a table lies, and has recorded why. */
export const REPORTED = -2;

/** Powers of two by exponent: addresses of 48 bits are no int32. */
export const POWER = Array.from({ length: 65 }, (_, i) => 2 ** i);
const AF = 1 << 10;
/** A block's or table's valid bit and type. */
const PAGE_OR_TABLE = 3;

/**
 * The walk of the VMSAv8-64 translation tables (Arm ARM, "Translation table walk"), which both stages have in
 * common: levels, descriptor types, address sizes, access flag. What permissions mean is the caller's.
 */
export class TableWalk {
  /** The leaf's descriptor. */
  lo = 0;
  hi = 0;
  /** Level of the leaf, or of the fault. */
  level = 0;
  /** Bits 63..59 of the table descriptors on the way, in their places of the upper half, gathered by OR. */
  hierarchy = 0;
  /** Output address of the byte. */
  output = 0;
  /** log2 of what the leaf maps. */
  leafBits = 12;
  private readonly core: CoreApi;

  constructor(core: CoreApi) {
    this.core = core;
  }

  /**
   * Walk for `address`, which is less than 2^inputBits of the range. `locate` gives the host offset of a descriptor,
   * -1 if it is not RAM, REPORTED otherwise. Gives WALKED, REPORTED or a fault status code.
   */
  walk(range: TableRange, address: number, outputBits: number, locate: (address: number) => number): number {
    const { words } = this.core;
    const { grain } = range;
    const stride = grain - 3;
    const limit = POWER[outputBits] as number;
    const firstBlockLevel = grain === 12 ? 1 : 2;
    let base = range.base;
    this.hierarchy = 0;
    this.level = 0;
    if (range.baseTooLarge) return Fsc.addressSize;
    for (let level = range.startLevel; ; level++) {
      this.level = level;
      const bits = (3 - level) * stride + grain;
      let index = Math.floor(address / (POWER[bits] as number));
      if (level !== range.startLevel) index %= POWER[stride] as number;
      const offset = locate(base + index * 8);
      if (offset === REPORTED) return REPORTED;
      if (offset < 0) return Fsc.externalOnWalk | level;
      const lo = words[offset >>> 2] as number;
      const hi = words[(offset >>> 2) + 1] as number;
      if ((lo & 1) === 0) return Fsc.translation | level;
      const block = (lo & PAGE_OR_TABLE) === 1;
      if (block && (level === 3 || level < firstBlockLevel)) return Fsc.translation | level;
      const field = (hi & 0xffff) * 0x1_0000_0000 + (lo >>> 0);
      if (!block && level < 3) {
        base = field - (field % (POWER[grain] as number));
        if (base >= limit) return Fsc.addressSize | level;
        this.hierarchy |= hi & 0xf800_0000;
        continue;
      }
      const size = POWER[bits] as number;
      const output = field - (field % size);
      if (output >= limit) return Fsc.addressSize | level;
      if ((lo & AF) === 0) return Fsc.accessFlag | level;
      this.lo = lo;
      this.hi = hi;
      this.leafBits = bits;
      this.output = output + (address % size);
      return WALKED;
    }
  }
}
