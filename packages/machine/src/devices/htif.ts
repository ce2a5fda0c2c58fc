import { type ByteSink, type ByteSource, nullSink } from "../console/bytes.js";
import type { ComponentState, GuestMemory, Stateful } from "../contracts.js";
import { StateReader } from "../state-reader.js";

const STATE_VERSION = 1;

/** Devices and commands: bits 63..56 and 55..48 of a `tohost` value; the payload is the rest. */
const DEVICE_SYSTEM = 0;
const DEVICE_CONSOLE = 1;
const CONSOLE_GET = 0;
const CONSOLE_PUT = 1;
const PAYLOAD = (1n << 48n) - 1n;

export interface HtifOptions {
  readonly memory: GuestMemory;
  /** Physical addresses of the two words: symbols `tohost` and `fromhost` of the ELF file. */
  readonly tohost: number;
  readonly fromhost?: number | undefined;
  readonly sink?: ByteSink | undefined;
  readonly source?: ByteSource | undefined;
  /** The guest ends with this code (0 is success). */
  readonly onExit: (code: number) => void;
  /** A request that is neither exit nor console, such as a proxied system call. It gets no answer. */
  readonly onUnsupported?: (value: bigint) => void;
}

/**
 * Berkeley host-target interface: two doublewords in RAM through which bare-metal test programs end and
 * print. It has no registers: `poll` looks at them between slices. Programs wait for `tohost` to become zero
 * between requests, so none is lost.
 */
export class Htif implements Stateful {
  readonly #options: HtifOptions;
  readonly #sink: ByteSink;
  /** Characters the guest has asked for and not got. */
  #wanted = 0;

  constructor(options: HtifOptions) {
    this.#options = options;
    this.#sink = options.sink ?? nullSink;
  }

  /** Serves what the guest has asked for. Returns whether there was anything. */
  poll(): boolean {
    const { memory, tohost } = this.#options;
    const request = memory.contains(tohost, 8) ? memory.readU64(tohost) : 0n;
    if (request !== 0n) {
      memory.writeU64(tohost, 0n);
      this.#serve(request);
    }
    return this.#answer() || request !== 0n;
  }

  reset(): void {
    this.#wanted = 0;
  }

  state(): ComponentState {
    return { version: STATE_VERSION, wanted: this.#wanted };
  }

  restore(state: ComponentState): void {
    this.#wanted = new StateReader("htif", state, STATE_VERSION).integer("wanted");
  }

  #serve(request: bigint): void {
    const device = Number(request >> 56n);
    const command = Number((request >> 48n) & 0xffn);
    const payload = request & PAYLOAD;
    if (device === DEVICE_SYSTEM && command === 0 && (payload & 1n) === 1n) {
      this.#options.onExit(Number(payload >> 1n));
    } else if (device === DEVICE_CONSOLE && command === CONSOLE_PUT) {
      this.#sink.write(Uint8Array.of(Number(payload & 0xffn)));
    } else if (device === DEVICE_CONSOLE && command === CONSOLE_GET) {
      this.#wanted++;
    } else {
      this.#options.onUnsupported?.(request);
    }
  }

  /** Gives a wanted character once there is one and the guest has taken the last. */
  #answer(): boolean {
    const { memory, fromhost, source } = this.#options;
    if (this.#wanted === 0 || fromhost === undefined || source === undefined || source.available === 0) {
      return false;
    }
    if (!memory.contains(fromhost, 8) || memory.readU64(fromhost) !== 0n) return false;
    const byte = source.read();
    if (byte < 0) return false;
    this.#wanted--;
    // Bit 8 tells a character from "none".
    memory.writeU64(fromhost, (BigInt(DEVICE_CONSOLE) << 56n) | 0x100n | BigInt(byte));
    return true;
  }
}
