import { highHalf, lowHalf, wide } from "../wide.js";
import { ENCODINGS, VmcsField as F, isHighHalf, Width, widthOf } from "./fields.js";

/** The pointer to a VMCS where there is none. */
export const NO_VMCS = (1n << 64n) - 1n;
/** Bytes of a VMCS region, as IA32_VMX_BASIC tells them. */
export const VMCS_SIZE = 4096;
/** What software writes into the first word of a region: bits 30:0; bit 31 makes a shadow VMCS of it. */
export const VMCS_REVISION = 0x4843_0001;
export const SHADOW = 1 << 31;

/** Words of the region: revision, abort indicator, and what VMCLEAR and VMLAUNCH make of the launch state. */
const REVISION = 0;
const ABORT = 1;
const LAUNCHED = 2;
/** The first field's; each has two, low half before high half. */
const FIELDS = 4;

/** First word of each field by encoding, 0 where there is none. */
const WORDS = new Uint16Array(0x7000);
for (const [i, encoding] of ENCODINGS.entries()) WORDS[encoding] = FIELDS + 2 * i;

/** Where fields lie, in words of the region. */
export const FIELD_WORDS = { first: FIELDS, end: FIELDS + 2 * ENCODINGS.length } as const;

/**
 * A virtual-machine control structure: a region of 4 KiB in host memory. VMREAD and VMWRITE, entries and exits, and a
 * hypervisor that is no guest, all use it through this.
 */
export class Vmcs {
  /** The region. */
  readonly words: Int32Array;

  /** `offset`: of the region in `bytes`. */
  constructor(bytes: Uint8Array, offset = 0) {
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset + offset, VMCS_SIZE / 4);
  }

  /** The first word: the revision, and bit 31. */
  get revision(): number {
    return (this.words[REVISION] as number) >>> 0;
  }
  set revision(value: number) {
    this.words[REVISION] = value;
  }

  /** The VMX-abort indicator. */
  set abort(value: number) {
    this.words[ABORT] = value;
  }

  /** It is a shadow VMCS, which no guest can be entered with. */
  get shadow(): boolean {
    return (this.revision & SHADOW) !== 0;
  }

  get launched(): boolean {
    return this.words[LAUNCHED] !== 0;
  }
  set launched(value: boolean) {
    this.words[LAUNCHED] = value ? 1 : 0;
  }

  /** Is there such a field? Of the upper half there is only one where there are 64 bits. */
  static has(encoding: number): boolean {
    if (!isHighHalf(encoding)) return WORDS[encoding] !== undefined && WORDS[encoding] !== 0;
    return Vmcs.has(encoding - 1) && widthOf(encoding) === Width.quad;
  }

  /** The low and the high half of a field, int32. Throws a RangeError if there is none. */
  lo(encoding: number): number {
    return this.words[wordOf(encoding)] as number;
  }
  hi(encoding: number): number {
    return this.words[wordOf(encoding) + 1] as number;
  }

  /** Write a field by halves: as many bits as it has. */
  put(encoding: number, lo: number, hi: number): void {
    const at = wordOf(encoding);
    const width = widthOf(encoding);
    this.words[at] = width === Width.word ? lo & 0xffff : lo;
    this.words[at + 1] = width === Width.word || width === Width.double ? 0 : hi;
  }

  // Those that are asked for all the time.
  get pinControls(): number {
    return this.words[PIN_CONTROLS] as number;
  }
  get processorControls(): number {
    return this.words[PROCESSOR_CONTROLS] as number;
  }
  get tscOffsetLo(): number {
    return this.words[TSC_OFFSET] as number;
  }
  get tscOffsetHi(): number {
    return this.words[TSC_OFFSET + 1] as number;
  }

  /** The low 32 bits of a field, unsigned: all of it but for 64-bit and natural ones. */
  get(encoding: number): number {
    return (this.words[wordOf(encoding)] as number) >>> 0;
  }

  /** Write a field of at most 32 bits, or a wider one with the rest 0. */
  set(encoding: number, value: number): void {
    this.put(encoding, value, 0);
  }

  /** A physical address in a field. */
  address(encoding: number): number {
    const at = wordOf(encoding);
    return ((this.words[at + 1] as number) >>> 0) * 0x1_0000_0000 + ((this.words[at] as number) >>> 0);
  }

  /** A field, or the upper half of one, zero-extended. Throws a RangeError if there is none. */
  read(encoding: number): bigint {
    if (isHighHalf(encoding)) return BigInt(this.hi(encoding - 1) >>> 0);
    return wide(this.lo(encoding), this.hi(encoding));
  }

  /** Write a field or the upper half of one: as many bits as it has. Throws a RangeError if there is none. */
  write(encoding: number, value: bigint): void {
    const low = lowHalf(value);
    if (isHighHalf(encoding)) this.words[wordOf(encoding - 1) + 1] = low;
    else this.put(encoding, low, highHalf(value));
  }
}

/** The first of a field's words. Throws a RangeError if there is no such field. */
export function wordOf(encoding: number): number {
  const at = WORDS[encoding];
  if (at === undefined || at === 0) throw new RangeError(`a VMCS has no field 0x${encoding.toString(16)}`);
  return at;
}

const [PIN_CONTROLS, PROCESSOR_CONTROLS, TSC_OFFSET] = [
  wordOf(F.PIN_CONTROLS),
  wordOf(F.PROCESSOR_CONTROLS),
  wordOf(F.TSC_OFFSET),
];
