/** What a guest's serial port or firmware console talks to: a terminal, a pipe, a buffer. */
export interface Console {
  /** Takes bytes from the guest. */
  write(bytes: Uint8Array): void;
  /** The next input byte, 0..255, or -1 when there is none now. */
  read(): number;
}

/** A console in memory: keeps what the guest wrote and offers what was fed. One per VM, for tests and tools. */
export class BufferConsole implements Console {
  #output: number[] = [];
  #input: number[] = [];
  #taken = 0;

  /** Called after `feed`, so that whoever watches for input (a UART, a sleeping loop) can react. */
  onInput: (() => void) | undefined;

  write(bytes: Uint8Array): void {
    for (const byte of bytes) this.#output.push(byte);
  }

  read(): number {
    if (this.#taken === this.#input.length) return -1;
    const byte = this.#input[this.#taken++]!;
    if (this.#taken === this.#input.length) {
      this.#input = [];
      this.#taken = 0;
    }
    return byte;
  }

  /** Queues input for the guest; text is sent as UTF-8. */
  feed(input: string | Uint8Array): void {
    const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
    for (const byte of bytes) this.#input.push(byte);
    this.onInput?.();
  }

  /** Everything written so far. */
  bytes(): Uint8Array {
    return Uint8Array.from(this.#output);
  }

  /** Everything written so far, as UTF-8; malformed bytes become U+FFFD. */
  text(): string {
    return new TextDecoder().decode(this.bytes());
  }
}
