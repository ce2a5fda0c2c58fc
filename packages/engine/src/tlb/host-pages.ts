/** What is known of a page of host memory: bits of its byte in `HostPages`. */
export const HOST_PAGE = {
  /** Translated code was made from it. */
  code: 1,
  /** An entry of some core's TLB may let it be written. */
  writable: 2,
} as const;

/** A byte of `HOST_PAGE` bits for each page of host memory, where generated code finds it. */
export class HostPages {
  /** Byte address in host memory. */
  readonly address: number;
  private readonly bytes: Uint8Array;

  constructor(memory: WebAssembly.Memory, address: number) {
    this.address = address;
    this.bytes = new Uint8Array(memory.buffer, address, HostPages.bytes(memory)).fill(0);
  }

  static bytes(memory: WebAssembly.Memory): number {
    return memory.buffer.byteLength / 4096;
  }

  set(page: number, bit: number): void {
    this.bytes[page] = (this.bytes[page] as number) | bit;
  }

  /** Clear a bit; true if it was set. */
  take(page: number, bit: number): boolean {
    const old = this.bytes[page] as number;
    this.bytes[page] = old & ~bit;
    return (old & bit) !== 0;
  }
}
