import { type CoreApi, Status } from "@hypercraft/engine";
import { writeMxcsr } from "../mxcsr.js";
import { GPR, Gpr, MXCSR, XMM } from "../state.js";
import type { X87Images } from "./images.js";

// FXSAVE, FXRSTOR, XSAVE and XRSTOR of an image in RAM, as systems have it: all of it at once. Whatever is unusual is
// left to the lifter's way, which moves an image piece by piece and knows the faults.

/** What the lifter packs into the helper's constant. */
export interface StateMove {
  readonly restores: boolean;
  /** XSAVE and XRSTOR: with a header, and components that can be chosen. */
  readonly extended: boolean;
  /** REX.W: `X87Image.extended64`. */
  readonly wide: boolean;
  /** Of XMM: 8 or 16. */
  readonly registers: number;
  /** Bytes of the instruction. */
  readonly length: number;
}

const RESTORES = 1;
const EXTENDED = 2;
const WIDE = 4;
const SIXTEEN = 8;
const LENGTH_SHIFT = 4;

export function packStateMove({ restores, extended, wide, registers, length }: StateMove): number {
  const flags = (restores ? RESTORES : 0) | (extended ? EXTENDED : 0) | (wide ? WIDE : 0);
  return flags | (registers === 16 ? SIXTEEN : 0) | (length << LENGTH_SHIFT);
}

const PAGE = 4096;
const FXSAVE_BYTES = 512;
const XSAVE_BYTES = 576;
/** Word indices within an image: MXCSR, XMM0, and the header with what is in the image and what has to be zero. */
const MXCSR_WORD = 6;
const VECTORS = 40;
const PRESENT = 128;
const RESERVED = [129, 130, 131, 132, 133] as const;
const X87 = 1;
const SSE = 2;
const BOTH = X87 | SSE;
const MXCSR_RESERVED = ~0xffff;
/** MXCSR without its exception flags. */
const MXCSR_MODES = 0xffc0;

export type QuickImagesCore = Pick<
  CoreApi,
  "lo" | "set" | "setBig" | "locate" | "words" | "bytes" | "storeVector" | "loadVector"
>;

/** What such a move needs of a processor. */
export interface QuickImagesHost {
  readonly core: QuickImagesCore;
  /** XCR0; undefined if CR4.OSXSAVE is clear. */
  extendedControl(): bigint | undefined;
  /** The instruction of some bytes is done: go on behind it. */
  skip(bytes: number): Status;
  /** MXCSR was written. */
  modeChanged(): void;
}

/** Memory that holds an image: the same bytes twice. */
interface Place {
  readonly words: Int32Array;
  readonly view: DataView;
}

export class QuickImages {
  private readonly host: QuickImagesHost;
  private readonly images: X87Images;
  private readonly memory: Place;
  /** For an image on two pages. */
  private readonly copy: Place;
  private readonly copied: Uint8Array;

  constructor(host: QuickImagesHost, images: X87Images) {
    this.host = host;
    this.images = images;
    const { bytes, words } = host.core;
    this.memory = { words, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
    const buffer = new ArrayBuffer(XSAVE_BYTES);
    this.copy = { words: new Int32Array(buffer), view: new DataView(buffer) };
    this.copied = new Uint8Array(buffer);
  }

  /** Carry the instruction out for the image at a linear address; `Status.next`: nothing has been done. */
  move(constant: number, lo: number, hi: number): Status {
    const { core } = this.host;
    const extended = (constant & EXTENDED) !== 0;
    const bytes = extended ? XSAVE_BYTES : FXSAVE_BYTES;
    if ((lo & (extended ? 63 : 15)) !== 0) return Status.next;
    if (extended && !this.concernsBoth()) return Status.next;
    const write = (constant & RESTORES) === 0;
    const at = core.locate(write, lo, hi);
    if (at < 0) return Status.next;
    const here = PAGE - (lo & (PAGE - 1));
    const done =
      here >= bytes
        ? this.moveIn(constant, this.memory, at)
        : this.moveAcross(constant, at, here, bytes, lo, hi);
    return done ? this.host.skip(constant >> LENGTH_SHIFT) : Status.next;
  }

  /** The same where only the first `here` bytes, at `first`, are on the image's first page. */
  private moveAcross(
    constant: number,
    first: number,
    here: number,
    length: number,
    lo: number,
    hi: number,
  ): boolean {
    const { core } = this.host;
    const { bytes } = core;
    const write = (constant & RESTORES) === 0;
    const next = (lo >>> 0) + here;
    const second = core.locate(write, next | 0, next > 0xffff_ffff ? (hi + 1) | 0 : hi);
    // Finding the second page may have lost the first one.
    if (second < 0 || core.locate(write, lo, hi) !== first) return false;
    const { copied } = this;
    copied.set(bytes.subarray(first, first + here), 0);
    copied.set(bytes.subarray(second, second + length - here), here);
    if (!this.moveIn(constant, this.copy, 0)) return false;
    if (!write) return true;
    bytes.set(copied.subarray(0, here), first);
    bytes.set(copied.subarray(here, length), second);
    return true;
  }

  /** EDX:EAX and XCR0 have both components. */
  private concernsBoth(): boolean {
    const { core } = this.host;
    return (core.lo(GPR[Gpr.rax]!) & BOTH) === BOTH && this.host.extendedControl() === BigInt(BOTH);
  }

  /** False: it would fault. */
  private moveIn(constant: number, place: Place, at: number): boolean {
    const registers = (constant & SIXTEEN) !== 0 ? 16 : 8;
    const [extended, wide] = [(constant & EXTENDED) !== 0, (constant & WIDE) !== 0];
    if ((constant & RESTORES) !== 0) return this.restore(place, at, wide, registers, extended);
    this.save(place, at, wide, registers, extended);
    return true;
  }

  private save(
    { words, view }: Place,
    at: number,
    wide: boolean,
    registers: number,
    extended: boolean,
  ): void {
    const { core } = this.host;
    const first = at >>> 2;
    this.images.writeExtended(wide, view, at);
    for (let i = 0; i < registers; i++) core.storeVector(XMM[i]!, words, first + VECTORS + 4 * i);
    if (extended) words[first + PRESENT] = (words[first + PRESENT] as number) | BOTH;
  }

  private restore(
    { words, view }: Place,
    at: number,
    wide: boolean,
    registers: number,
    extended: boolean,
  ): boolean {
    const { core } = this.host;
    const first = at >>> 2;
    const mxcsr = words[first + MXCSR_WORD] as number;
    if ((mxcsr & MXCSR_RESERVED) !== 0) return false;
    let present = BOTH;
    if (extended) {
      present = words[first + PRESENT] as number;
      if ((present & ~BOTH) !== 0) return false;
      for (const index of RESERVED) if (words[first + index] !== 0) return false;
    }
    if ((present & X87) === 0) this.images.initializeAll();
    else this.images.readExtended(wide, view, at);
    for (let i = 0; i < registers; i++) {
      if ((present & SSE) !== 0) core.loadVector(XMM[i]!, words, first + VECTORS + 4 * i);
      else core.setBig(XMM[i]!, 0n);
    }
    const sameModes = core.lo(MXCSR) === (mxcsr & MXCSR_MODES);
    writeMxcsr(core, mxcsr);
    if (!sameModes) this.host.modeChanged();
    return true;
  }
}
