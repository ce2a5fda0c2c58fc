import type { CoreApi, Translation } from "@hypercraft/engine";
import { Need } from "./mmu.js";

/** What the accesses go through. */
export interface SystemMemoryHost {
  readonly core: CoreApi;
  /** Translate a linear address for an access of the processor itself. Throws a `Fault`. */
  translateSystem(need: Need, lo: number, hi: number, user: boolean, out: Translation): void;
  /** Eight bytes or less of a device or of nothing. */
  readDevice(physical: number, size: number): bigint;
  writeDevice(physical: number, size: number, value: bigint): void;
}

const PAGE = 4096n;
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

  constructor(host: SystemMemoryHost) {
    this.host = host;
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
    this.translate(Need.write, address, user);
    if (this.inPage(address, size) < size) this.translate(Need.write, address + BigInt(size - 1), user);
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
    const [lo, hi] = [Number(BigInt.asIntN(32, linear)), Number(BigInt.asIntN(32, linear >> 32n))];
    this.host.translateSystem(need, lo, hi, user, this.found);
    return this.found.physical;
  }

  private readPart(address: bigint, size: number, user: boolean): bigint {
    return this.readPhysical(this.translate(Need.read, address, user), size);
  }

  private writePart(address: bigint, size: number, value: bigint, user: boolean): void {
    this.writePhysical(this.translate(Need.write, address, user), size, value);
  }

  /** Bytes of one page at a physical address. */
  readPhysical(physical: number, size: number): bigint {
    const { core } = this.host;
    const offset = core.ramOffset(physical);
    if (offset < 0) return this.host.readDevice(physical, size);
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(core.bytes[offset + i] as number);
    return value;
  }

  writePhysical(physical: number, size: number, value: bigint): void {
    const { core } = this.host;
    const offset = core.ramOffset(physical);
    if (offset < 0) return this.host.writeDevice(physical, size, BigInt.asUintN(8 * size, value));
    for (let i = 0; i < size; i++) core.bytes[offset + i] = Number((value >> BigInt(8 * i)) & 0xffn);
    core.ramWritten(offset, size);
  }
}
