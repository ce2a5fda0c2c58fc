/** Size in bytes of the header that all tables but RSDP and FACS begin with. */
export const HEADER_SIZE = 36;
const CHECKSUM = 9;
const OEM = "HYPERC";
const OEM_TABLE = "HYPERCRA";
const CREATOR = "HCRF";

/** Little-endian fields by offset. */
export class TableWriter {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.#view = new DataView(this.bytes.buffer);
  }

  u8(at: number, value: number): this {
    this.#view.setUint8(at, value);
    return this;
  }

  u16(at: number, value: number): this {
    this.#view.setUint16(at, value, true);
    return this;
  }

  u32(at: number, value: number): this {
    this.#view.setUint32(at, value, true);
    return this;
  }

  u64(at: number, value: number): this {
    this.#view.setBigUint64(at, BigInt(value), true);
    return this;
  }

  text(at: number, value: string): this {
    this.bytes.set(new TextEncoder().encode(value), at);
    return this;
  }

  /** A generic address structure (ACPI 6.5, 5.2.3.2): `space` 0 is memory, 1 I/O ports; `bits` of the register. */
  address(at: number, space: 0 | 1, bits: number, address: number): this {
    const accessSize = { 8: 1, 16: 2, 32: 3, 64: 4 }[bits] ?? 0;
    return this.u8(at, space)
      .u8(at + 1, bits)
      .u8(at + 3, accessSize)
      .u64(at + 4, address);
  }
}

/** What makes the bytes' sum 0, beside them. */
export function checksum(bytes: Uint8Array): number {
  return -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
}

/** A table of a size with its header (ACPI 6.5, 5.2.6); `fill` sets what follows that. */
export function table(
  signature: string,
  revision: number,
  size: number,
  fill: (writer: TableWriter) => void,
): Uint8Array {
  const writer = new TableWriter(size);
  writer.text(0, signature).u32(4, size).u8(8, revision);
  writer.text(10, OEM).text(16, OEM_TABLE).u32(24, 1).text(28, CREATOR).u32(32, 1);
  fill(writer);
  writer.u8(CHECKSUM, checksum(writer.bytes));
  return writer.bytes;
}
