import type { DeviceWidth } from "../../contracts.js";
import { allOnes, readValue } from "../../values.js";

/** Bytes of a conventional function's configuration space. */
export const CONFIG_SIZE = 256;

/** A field of the configuration space. Bits are read-only unless said otherwise. */
export interface Field {
  readonly offset: number;
  readonly width: DeviceWidth;
  /** Its value after a reset. */
  readonly value?: number;
  /** Bits that can be written. */
  readonly writable?: number;
  /** Bits that writing a one clears. */
  readonly clearable?: number;
}

/** A function's configuration registers: which bits there are, and what is in them. Little-endian. */
export class ConfigSpace {
  readonly bytes = new Uint8Array(CONFIG_SIZE);
  readonly #initial = new Uint8Array(CONFIG_SIZE);
  readonly #writable = new Uint8Array(CONFIG_SIZE);
  readonly #clearable = new Uint8Array(CONFIG_SIZE);
  readonly #view = new DataView(this.bytes.buffer);

  define({ offset, width, value = 0, writable = 0, clearable = 0 }: Field): void {
    for (let i = 0; i < width; i++) {
      this.bytes[offset + i] = this.#initial[offset + i] = value >>> (8 * i);
      this.#writable[offset + i] = writable >>> (8 * i);
      this.#clearable[offset + i] = clearable >>> (8 * i);
    }
  }

  reset(): void {
    this.bytes.set(this.#initial);
  }

  /** Unsigned; all ones beyond the end, as where there is no such register. */
  read(offset: number, width: DeviceWidth): number {
    if (offset + width > CONFIG_SIZE) return allOnes(width);
    return readValue(this.#view, offset, width);
  }

  /** What software does: changes the bits that it may. */
  write(offset: number, width: DeviceWidth, value: number): void {
    if (offset + width > CONFIG_SIZE) return;
    for (let i = 0; i < width; i++) {
      const at = offset + i;
      const byte = (value >>> (8 * i)) & 0xff;
      const writable = this.#writable[at]!;
      const kept = this.bytes[at]! & ~writable & ~(byte & this.#clearable[at]!);
      this.bytes[at] = kept | (byte & writable);
    }
  }

  /** What the function itself does: sets or clears bits of a byte. */
  change(offset: number, bits: number, on: boolean): void {
    const old = this.bytes[offset]!;
    this.bytes[offset] = on ? old | bits : old & ~bits;
  }

  /** What software wrote, from a saved copy: everything else stays as it is. */
  restore(saved: Uint8Array): void {
    for (const at of this.bytes.keys()) {
      const variable = this.#writable[at]! | this.#clearable[at]!;
      this.bytes[at] = (this.bytes[at]! & ~variable) | (saved[at]! & variable);
    }
  }
}
