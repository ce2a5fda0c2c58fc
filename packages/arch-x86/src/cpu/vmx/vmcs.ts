import { FIELD_OFFSETS, isHighHalf, Kind, kindOf, Width, widthOf } from "./fields.js";

/** Bytes of a VMCS region, as IA32_VMX_BASIC tells them. */
export const VMCS_SIZE = 4096;
/** What software writes into the first word of a region: bits 30:0; bit 31 would make a shadow VMCS of it. */
export const VMCS_REVISION = 0x4843_0001;

/** Offsets in the region: revision, abort indicator, and what VMCLEAR and VMLAUNCH make of the launch state. */
const REVISION = 0;
const ABORT = 4;
const LAUNCHED = 8;

/** Bytes of the fields by `Width`. */
const NATURAL = 64;
const BITS = [16, 64, 32, NATURAL] as const;

/**
 * A virtual-machine control structure: a region of 4 KiB in host memory. VMREAD and VMWRITE, entries and exits, and a
 * hypervisor that is no guest, all use it through this.
 */
export class Vmcs {
  private readonly view: DataView;

  /** `offset`: of the region in `bytes`. */
  constructor(bytes: Uint8Array, offset = 0) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset + offset, VMCS_SIZE);
  }

  /** The first word: the revision, and bit 31. */
  get revision(): number {
    return this.view.getUint32(REVISION, true);
  }
  set revision(value: number) {
    this.view.setUint32(REVISION, value, true);
  }

  /** The VMX-abort indicator. */
  set abort(value: number) {
    this.view.setUint32(ABORT, value, true);
  }

  get launched(): boolean {
    return this.view.getUint32(LAUNCHED, true) !== 0;
  }
  set launched(value: boolean) {
    this.view.setUint32(LAUNCHED, value ? 1 : 0, true);
  }

  /** Is there such a field? */
  static has(encoding: number): boolean {
    return FIELD_OFFSETS.has(isHighHalf(encoding) ? encoding - 1 : encoding) && isWellFormed(encoding);
  }

  /** VMWRITE cannot write it. */
  static isReadOnly(encoding: number): boolean {
    return kindOf(encoding) === Kind.information;
  }

  /** A field, zero-extended. Throws a RangeError if there is none. */
  read(encoding: number): bigint {
    const high = isHighHalf(encoding);
    const at = offsetOf(high ? encoding - 1 : encoding);
    return high ? BigInt(this.view.getUint32(at + 4, true)) : this.view.getBigUint64(at, true);
  }

  /** Write a field: as many bits as it has. Throws a RangeError if there is none. */
  write(encoding: number, value: bigint): void {
    const high = isHighHalf(encoding);
    const at = offsetOf(high ? encoding - 1 : encoding);
    if (high) this.view.setUint32(at + 4, Number(value & 0xffff_ffffn), true);
    else this.view.setBigUint64(at, BigInt.asUintN(BITS[widthOf(encoding)] as number, value), true);
  }

  /** The low 32 bits of a field, unsigned: all of it but for 64-bit and natural ones. */
  get(encoding: number): number {
    return this.view.getUint32(offsetOf(encoding), true);
  }

  /** Write a field of at most 32 bits, or a wider one with the rest 0. */
  set(encoding: number, value: number): void {
    this.write(encoding, BigInt(value >>> 0));
  }
}

/** The upper half exists of 64-bit fields only; bits 12 and 31:15 are reserved. */
function isWellFormed(encoding: number): boolean {
  return (encoding & ~0x6fff) === 0 && (!isHighHalf(encoding) || widthOf(encoding) === Width.quad);
}

function offsetOf(encoding: number): number {
  const at = FIELD_OFFSETS.get(encoding);
  if (at === undefined) throw new RangeError(`a VMCS has no field 0x${encoding.toString(16)}`);
  return at;
}
