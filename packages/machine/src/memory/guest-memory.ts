import { HyperError } from "@hypercraft/hypercraft";
import type { GuestMemory } from "../contracts.js";
import { range } from "../errors.js";
import type { HostMemory } from "./host-memory.js";
import type { SystemBus } from "./system-bus.js";

/**
 * The RAM of a bus as `GuestMemory`: guest RAM for DMA, loaders and debuggers. Every write that is not a guest
 * store goes through it, so that translated code is dropped. A range may run over adjacent RAM regions.
 */
export class BusMemory implements GuestMemory {
  readonly bus: SystemBus;
  readonly #host: HostMemory;
  readonly #keepsRom: boolean;

  /** `keepsRom`: what is written to ROM is lost, as it is when devices write; else ROM is written like RAM. */
  constructor(bus: SystemBus, { keepsRom = false }: { readonly keepsRom?: boolean } = {}) {
    this.bus = bus;
    this.#host = bus.host;
    this.#keepsRom = keepsRom;
  }

  contains(gpa: number, length: number): boolean {
    if (!Number.isSafeInteger(gpa) || gpa < 0 || !(length >= 0)) return false;
    let at = gpa;
    let left = length;
    do {
      const run = this.bus.ramRun(at);
      if (run === 0) return false;
      at += run;
      left -= run;
    } while (left > 0);
    return true;
  }

  read(gpa: number, length: number): Uint8Array {
    // Checked first: a bad length from a guest must not become a huge allocation.
    this.#check(gpa, length);
    const target = new Uint8Array(length);
    this.readInto(gpa, target);
    return target;
  }

  readInto(gpa: number, target: Uint8Array): void {
    this.#check(gpa, target.length);
    this.#runs(gpa, target.length, (offset, done, length) => {
      target.set(this.#host.bytes.subarray(offset, offset + length), done);
    });
  }

  write(gpa: number, bytes: Uint8Array): void {
    this.#check(gpa, bytes.length);
    this.#written(gpa, bytes.length, (offset, done, length) => {
      this.#host.write(offset, bytes.subarray(done, done + length));
    });
  }

  fill(gpa: number, length: number, value: number): void {
    this.#check(gpa, length);
    this.#written(gpa, length, (offset, _done, run) => this.#host.fill(offset, run, value));
  }

  readU8(gpa: number): number {
    return this.#host.view.getUint8(this.#offset(gpa, 1));
  }

  readU16(gpa: number): number {
    const offset = this.#offset(gpa, 2);
    return offset < 0
      ? viewOf(this.read(gpa, 2)).getUint16(0, true)
      : this.#host.view.getUint16(offset, true);
  }

  readU32(gpa: number): number {
    const offset = this.#offset(gpa, 4);
    return offset < 0
      ? viewOf(this.read(gpa, 4)).getUint32(0, true)
      : this.#host.view.getUint32(offset, true);
  }

  readU64(gpa: number): bigint {
    const offset = this.#offset(gpa, 8);
    return offset < 0
      ? viewOf(this.read(gpa, 8)).getBigUint64(0, true)
      : this.#host.view.getBigUint64(offset, true);
  }

  writeU8(gpa: number, value: number): void {
    this.write(gpa, Uint8Array.of(value));
  }

  writeU16(gpa: number, value: number): void {
    this.#writeScalar(gpa, 2, (view, at) => view.setUint16(at, value, true));
  }

  writeU32(gpa: number, value: number): void {
    this.#writeScalar(gpa, 4, (view, at) => view.setUint32(at, value, true));
  }

  writeU64(gpa: number, value: bigint): void {
    this.#writeScalar(gpa, 8, (view, at) => view.setBigUint64(at, value, true));
  }

  /** Offset of a scalar in host memory, -1 if it lies across two adjacent RAM regions, or in `kept` ROM. */
  #offset(gpa: number, width: number, kept = false): number {
    if (this.bus.ramRun(gpa) >= width) return this.bus.ramOffset(gpa, kept);
    this.#check(gpa, width);
    return -1;
  }

  #writeScalar(gpa: number, width: number, put: (view: DataView, at: number) => void): void {
    const offset = this.#offset(gpa, width, this.#keepsRom);
    if (offset < 0) {
      const bytes = new Uint8Array(width);
      put(viewOf(bytes), 0);
      this.write(gpa, bytes);
      return;
    }
    put(this.#host.view, offset);
    this.#host.notifyWrite(offset, width);
  }

  #check(gpa: number, length: number): void {
    if (length !== 0 && !this.contains(gpa, length)) throw outOfRange(gpa, length);
  }

  #written(gpa: number, length: number, each: (offset: number, done: number, length: number) => void): void {
    this.#runs(gpa, length, (offset, done, run) => {
      if (!this.#keepsRom || this.bus.ramOffset(gpa + done, true) >= 0) each(offset, done, run);
    });
  }

  #runs(gpa: number, length: number, each: (offset: number, done: number, length: number) => void): void {
    let done = 0;
    while (done < length) {
      const run = Math.min(this.bus.ramRun(gpa + done), length - done);
      each(this.bus.ramOffset(gpa + done), done, run);
      done += run;
    }
  }
}

function outOfRange(gpa: number, length: number): HyperError {
  return new HyperError("OutOfRange", `${range(gpa, length)} is not all RAM`);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
