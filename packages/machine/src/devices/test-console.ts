import type { ByteSink } from "../console/bytes.js";

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const QUIT = "q".charCodeAt(0);
/** No test has a longer number. */
const LARGEST = 0xffff;

/**
 * The far end of a virtio console for test programs, as QEMU's `testdev`: packets are a decimal number and a command.
 * The command `q` ends the machine with status (number << 1) | 1, so that a test that ended is never 0.
 */
export class TestConsole implements ByteSink {
  private readonly onExit: (status: number) => void;
  private number = 0;

  constructor(onExit: (status: number) => void) {
    this.onExit = onExit;
  }

  write(bytes: Uint8Array): void {
    for (const byte of bytes) this.take(byte);
  }

  private take(byte: number): void {
    if (byte >= DIGIT_0 && byte <= DIGIT_9) {
      this.number = Math.min(this.number * 10 + byte - DIGIT_0, LARGEST);
      return;
    }
    if (byte === QUIT) this.onExit((this.number << 1) | 1);
    this.number = 0;
  }
}
