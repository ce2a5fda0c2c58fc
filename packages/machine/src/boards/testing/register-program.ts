/** Where it is loaded, behind the header; tables that it makes, the log of interrupts, and the stack. */
const HEADER = 0x20;
const CODE = 0x10_0000 + HEADER;
const GDT = 0x9200;
const POINTERS = 0x9220;
const LOG = 0x9100;
const IDT = 0x2_0000;
const HANDLERS = 0x2_1000;
const HANDLER_SIZE = 32;
const STACK = 0x8_0000;

/** A program of register accesses in 32-bit protected mode: what it reads goes to the debug console, port 0xe9. */
export class RegisterProgram {
  readonly code: number[] = [];
  /** What each value read is, and its size in bytes. */
  readonly reads: { readonly what: string; readonly size: number }[] = [];

  private add(...bytes: number[]): this {
    this.code.push(...bytes);
    return this;
  }

  out(port: number, ...values: number[]): this {
    for (const value of values) this.add(0xba, ...le(port), 0xb0, value & 0xff, 0xee);
    return this;
  }

  out16(port: number, value: number): this {
    return this.add(0xba, ...le(port), 0x66, 0xb8, value & 0xff, value >> 8, 0x66, 0xef);
  }

  /** Emit AL, AX or EAX, lowest byte first. */
  private emit(size: number, what: string): this {
    this.reads.push({ what, size });
    for (let i = 0; i < size; i++) {
      if (i > 0) this.add(0xc1, 0xe8, 8);
      this.add(0xe6, 0xe9);
    }
    return this;
  }

  in(port: number, what = `port 0x${port.toString(16)}`): this {
    return this.add(0xba, ...le(port), 0xec).emit(1, what);
  }

  /** Read some bits of a port. */
  bits(port: number, mask: number, what: string): this {
    return this.add(0xba, ...le(port), 0xec, 0x24, mask).emit(1, what);
  }

  /** Read a port and forget it. */
  drop(port: number): this {
    return this.add(0xba, ...le(port), 0xec);
  }

  in16(port: number, what = `port 0x${port.toString(16)}`): this {
    return this.add(0xba, ...le(port), 0x66, 0xed).emit(2, what);
  }

  out32(port: number, value: number): this {
    return this.add(0xba, ...le(port), 0xb8, ...le(value), 0xef);
  }

  in32(port: number, what = `port 0x${port.toString(16)}`): this {
    return this.add(0xba, ...le(port), 0xed).emit(4, what);
  }

  store(address: number, value: number): this {
    return this.add(0xc7, 0x05, ...le(address), ...le(value));
  }

  store16(address: number, value: number): this {
    return this.add(0x66, 0xc7, 0x05, ...le(address), value & 0xff, value >> 8);
  }

  load16(address: number, what = `0x${address.toString(16)}`): this {
    return this.add(0x66, 0xa1, ...le(address)).emit(2, what);
  }

  load(address: number, what = `0x${address.toString(16)}`, size: 1 | 2 | 4 = 4): this {
    return this.add(0xa1, ...le(address)).emit(size, what);
  }

  /** Read a port until some of its bits have a value. */
  until(port: number, mask: number, value: number): this {
    // mov edx, port; again: in al, dx; and al, mask; cmp al, value; jne again
    return this.add(0xba, ...le(port), 0xec, 0x24, mask, 0x3c, value, 0x75, 0xf9);
  }

  /** Read memory until some of its bits have a value. */
  untilLoad(address: number, mask: number, value: number): this {
    // again: mov eax, [address]; and eax, mask; cmp eax, value; jne again
    return this.add(0xa1, ...le(address), 0x25, ...le(mask), 0x3d, ...le(value), 0x75, 0xef);
  }

  rdmsr(number: number, what = `MSR 0x${number.toString(16)}`): this {
    this.add(0xb9, ...le(number), 0x0f, 0x32).emit(4, what);
    return this.add(0x89, 0xd0).emit(4, `${what}, high`);
  }

  wrmsr(number: number, value: number): this {
    return this.add(0xb9, ...le(number), 0xb8, ...le(value), 0x31, 0xd2, 0x0f, 0x30);
  }

  /** Have handlers for these vectors, which do no more than log that they came. */
  handlers(...vectors: number[]): this {
    this.store(GDT + 8, 0x0000_ffff).store(GDT + 12, 0x00cf_9b00);
    this.store(POINTERS, ((GDT & 0xffff) << 16) | 0x17).store(POINTERS + 4, 0);
    this.store(POINTERS + 8, 0x07ff)
      .store(POINTERS + 10, IDT)
      .store(LOG, 0);
    for (const vector of vectors) {
      const at = HANDLERS + HANDLER_SIZE * vector;
      this.store(IDT + 8 * vector, (8 << 16) | (at & 0xffff)).store(
        IDT + 8 * vector + 4,
        (at & 0xffff_0000) | 0x8e00,
      );
      // push eax; mov eax, [LOG]; shl eax, 8; mov al, vector; mov [LOG], eax; pop eax; iret
      const handler = [
        0x50,
        0xa1,
        ...le(LOG),
        0xc1,
        0xe0,
        8,
        0xb0,
        vector,
        0xa3,
        ...le(LOG),
        0x58,
        0xcf,
        0x90,
        0x90,
      ];
      for (let i = 0; i < handler.length; i += 4)
        this.store(
          at + i,
          handler.slice(i, i + 4).reduceRight((word, byte) => word * 256 + byte, 0),
        );
    }
    // lgdt; lidt; mov esp, STACK; jmp 8:next
    this.add(0x0f, 0x01, 0x15, ...le(POINTERS), 0x0f, 0x01, 0x1d, ...le(POINTERS + 8), 0xbc, ...le(STACK));
    return this.add(0xea, ...le(CODE + this.code.length + 7), 8, 0);
  }

  /** Let interrupts come; reads the last four vectors, the last one lowest, and forgets them. */
  open(what: string): this {
    // sti; three times nop; cli
    return this.add(0xfb, 0x90, 0x90, 0x90, 0xfa).load(LOG, what).store(LOG, 0);
  }

  /** Instructions as bytes, for 32 bits. */
  bytes(...bytes: number[]): this {
    return this.add(...bytes);
  }

  /** A Multiboot kernel that runs it and ends the machine by isa-debug-exit. Handlers want it at 1 MiB. */
  kernel(base = 0x10_0000): Uint8Array {
    const flags = 0x1_0000;
    const header = [0x1bad_b002, flags, -(0x1bad_b002 + flags), base, base, 0, 0, base + HEADER];
    const end = [0xb0, 0, 0xe6, 0xf4, 0xfa, 0xf4];
    return Uint8Array.from([...header.flatMap(le), ...this.code, ...end]);
  }

  /** What was read, by what it is, from the debug console's bytes. */
  values(bytes: Uint8Array): string[] {
    let at = 0;
    return this.reads.map(({ what, size }) => {
      const value = bytes.subarray(at, at + size).reduceRight((sum, byte) => sum * 256 + byte, 0);
      at += size;
      return `${what}: ${at > bytes.length ? "missing" : `0x${value.toString(16)}`}`;
    });
  }
}

function le(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >>> 24) & 0xff];
}
