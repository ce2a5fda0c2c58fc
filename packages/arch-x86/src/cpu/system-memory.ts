import type { CoreApi, Translation } from "@hypercraft/engine";
import type { AddressTranslation } from "./address-translation.js";
import { Fault } from "./fault.js";
import { Need } from "./mmu.js";
import { VmExit } from "./vmx/vm-exit.js";
import { highHalf, lowHalf, wide } from "./wide.js";

/** What the accesses go through. */
export interface SystemMemoryHost {
  readonly core: CoreApi;
  readonly translation: Pick<AddressTranslation, "system" | "answerTo">;
  /** Eight bytes or less of a device or of nothing. */
  readDevice(physical: number, size: number): bigint;
  writeDevice(physical: number, size: number, value: bigint): void;
}

const PAGE = 4096n;
/** Pages that `locate` remembers, a power of two, and words for each. */
const PAGES = 32;
const PAGE_WORDS = 3;
/** The address of no page. */
const NO_PAGE = 1;
const MASK_64 = (1n << 64n) - 1n;

/**
 * Accesses that the processor makes by itself, at linear addresses: descriptor tables, stacks of interrupts, task
 * state. They are supervisor accesses unless told otherwise. Faults are thrown.
 */
export class SystemMemory {
  private readonly host: SystemMemoryHost;
  private readonly found: Translation = {
    physical: 0,
    readable: false,
    writable: false,
    cacheable: false,
    pageShift: 12,
  };

  /** Pages found lately, for reads and for writes: halves of their addresses, and where they are in host memory. */
  private readonly known = new Int32Array(2 * PAGES * PAGE_WORDS).fill(NO_PAGE);

  constructor(host: SystemMemoryHost) {
    this.host = host;
  }

  /** Translations changed. */
  forget(): void {
    this.known.fill(NO_PAGE);
  }

  /** Byte offset in host memory of a byte that the processor itself accesses; -1 where it faults or is no RAM. */
  locate(lo: number, hi: number, write: boolean): number {
    const { known } = this;
    const page = lo & ~0xfff;
    const at = (((lo >>> 12) & (PAGES - 1)) | (write ? PAGES : 0)) * PAGE_WORDS;
    if (known[at] === page && known[at + 1] === hi) return (known[at + 2] as number) + (lo & 0xfff);
    const offset = this.translated(lo, hi, write);
    if (offset < 0) return -1;
    known[at] = page;
    known[at + 1] = hi;
    known[at + 2] = offset & ~0xfff;
    return offset;
  }

  private translated(lo: number, hi: number, write: boolean): number {
    const { host, found } = this;
    try {
      host.translation.system(write ? Need.write : Need.read, lo, hi, false, found);
    } catch (error) {
      // Whoever asked takes the general way, and comes upon it again.
      if (error instanceof Fault || error instanceof VmExit) return -1;
      throw error;
    }
    const offset = host.core.ramOffset(found.physical, write);
    // Offsets are kept in 32 bits with a sign.
    return offset > 0x7fff_ffff ? -1 : offset;
  }

  /** `size` bytes, little endian. */
  read(address: bigint, size: number, user = false): bigint {
    const first = this.inPage(address, size);
    if (first === size) return this.readPart(address, size, user);
    const low = this.readPart(address, first, user);
    return low | (this.readPart(address + BigInt(first), size - first, user) << BigInt(8 * first));
  }

  /** Both pages are checked before anything is written. */
  write(address: bigint, size: number, value: bigint, user = false): void {
    const first = this.inPage(address, size);
    if (first === size) return this.writePart(address, size, value, user);
    this.translate(Need.write, address + BigInt(first), user);
    this.writePart(address, first, value, user);
    this.writePart(address + BigInt(first), size - first, value >> BigInt(8 * first), user);
  }

  /** Throws the fault that a write would. */
  checkWrite(address: bigint, size: number, user = false): void {
    this.checkByte(address, user);
    if (this.inPage(address, size) < size) this.checkByte(address + BigInt(size - 1), user);
  }

  /** What leaves the guest does so when it is written. */
  private checkByte(address: bigint, user: boolean): void {
    try {
      this.translate(Need.write, address, user);
    } catch (error) {
      if (error instanceof Fault) throw error;
    }
  }

  /** Physical address of a byte. */
  physical(address: bigint, need: Need = Need.read, user = false): number {
    return this.translate(need, address, user);
  }

  private inPage(address: bigint, size: number): number {
    return Math.min(size, Number(PAGE - (address % PAGE)));
  }

  private translate(need: Need, address: bigint, user: boolean): number {
    const linear = address & MASK_64;
    const [lo, hi] = [lowHalf(linear), highHalf(linear)];
    this.host.translation.system(need, lo, hi, user, this.found);
    return this.found.physical;
  }

  private readPart(address: bigint, size: number, user: boolean): bigint {
    let physical: number;
    try {
      physical = this.translate(Need.read, address, user);
    } catch (error) {
      const answer = this.host.translation.answerTo(error, size);
      if (answer === undefined) throw error;
      return BigInt.asUintN(8 * size, answer);
    }
    return this.readPhysical(physical, size);
  }

  private writePart(address: bigint, size: number, value: bigint, user: boolean): void {
    let physical: number;
    try {
      physical = this.translate(Need.write, address, user);
    } catch (error) {
      if (this.host.translation.answerTo(error, size, value) === undefined) throw error;
      return;
    }
    this.writePhysical(physical, size, value);
  }

  /** Bytes of one page at a physical address. */
  readPhysical(physical: number, size: number): bigint {
    const { core } = this.host;
    const offset = core.ramOffset(physical);
    if (offset < 0) return this.host.readDevice(physical, size);
    if (size === 8 && offset % 4 === 0) {
      const [lo, hi] = [core.words[offset / 4] as number, core.words[offset / 4 + 1] as number];
      return wide(lo, hi);
    }
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(core.bytes[offset + i] as number);
    return value;
  }

  writePhysical(physical: number, size: number, value: bigint): void {
    const { core } = this.host;
    const offset = core.ramOffset(physical, true);
    if (offset < 0) return this.host.writeDevice(physical, size, BigInt.asUintN(8 * size, value));
    if (size === 8 && offset % 4 === 0) {
      core.words[offset / 4] = lowHalf(value);
      core.words[offset / 4 + 1] = highHalf(value);
    } else for (let i = 0; i < size; i++) core.bytes[offset + i] = Number((value >> BigInt(8 * i)) & 0xffn);
    core.ramWritten(offset, size);
  }
}
