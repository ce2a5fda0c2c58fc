import type { ComponentState, DeviceWidth, IrqLine } from "../contracts.js";
import { StateReader } from "../state-reader.js";
import type { Device } from "./device.js";

const STATE_VERSION = 1;
const MEMORY_SIZE = 0x1_0000;
const LATCHES = 4;
/** Offset from port 0xe0 of the ports that are interrupt lines. */
const LINES = 0x2000 - 0xe0;

/**
 * QEMU's pc-testdev, which test programs for PCs use: a latch at four I/O ports, ports that are interrupt lines (a
 * byte other than 0 raises one), and 64 KiB of memory that is a device. Its ports for the host's benefit, which do
 * nothing that a guest could see, are missing.
 */
export class PcTestDevice implements Device {
  /** Where PCs have its ports, as a `DeviceSpec`: latch, and a line for each of the I/O APIC's pins. */
  static readonly ports = {
    space: "ports",
    base: 0xe0,
    size: LATCHES,
    widest: 4,
    further: [{ base: 0xe0 + LINES, size: 24 }],
  } as const;
  /** Where PCs have its memory. */
  static readonly memory = { base: 0xff00_0000, size: MEMORY_SIZE } as const;
  readonly #line: (number: number) => IrqLine;
  readonly #latch = new Uint8Array(LATCHES);
  readonly #memory = new Uint8Array(MEMORY_SIZE);

  constructor(line: (number: number) => IrqLine) {
    this.#line = line;
  }

  reset(): void {
    this.#latch.fill(0);
    this.#memory.fill(0);
  }

  read(offset: number, width: DeviceWidth): number {
    return offset < LATCHES ? get(this.#latch, offset, width) : 0;
  }

  write(offset: number, width: DeviceWidth, value: number): void {
    if (offset < LATCHES) put(this.#latch, offset, width, value);
    else this.#line(offset - LINES).set(value !== 0);
  }

  /** The memory as a device of its own; its contents are this one's. */
  get region() {
    const memory = this.#memory;
    return {
      read: (offset: number, width: DeviceWidth) => get(memory, offset, width),
      write: (offset: number, width: DeviceWidth, value: number) => put(memory, offset, width, value),
    };
  }

  state(): ComponentState {
    return { version: STATE_VERSION, latch: this.#latch.slice(), memory: this.#memory.slice() };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("PC test device", state, STATE_VERSION);
    this.#latch.set(reader.bytes("latch").subarray(0, LATCHES));
    this.#memory.set(reader.bytes("memory").subarray(0, MEMORY_SIZE));
  }
}

function get(bytes: Uint8Array, offset: number, width: DeviceWidth): number {
  let value = 0;
  for (let i = width - 1; i >= 0; i--) value = value * 256 + (bytes[offset + i] ?? 0);
  return value;
}

function put(bytes: Uint8Array, offset: number, width: DeviceWidth, value: number): void {
  for (let i = 0; i < width && offset + i < bytes.length; i++) bytes[offset + i] = value >>> (8 * i);
}
