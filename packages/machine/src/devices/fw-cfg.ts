import type { ComponentState, DeviceWidth, GuestMemory } from "../contracts.js";
import { MachineError } from "../errors.js";
import { StateReader } from "../state-reader.js";
import { le } from "../values.js";
import type { Device } from "./device.js";

// QEMU's firmware configuration device (docs/specs/fw_cfg.rst): items by number, and files by name among them. Here
// are its I/O ports; what can be read, as bytes and by DMA, and nothing that can be written.

const STATE_VERSION = 1;

/** Offsets from port 0x510. */
const SELECTOR = 0;
const DATA = 1;
const DMA_HIGH = 4;
const DMA_LOW = 8;

/** Items that have a number of their own. */
export const FwCfgItem = {
  signature: 0x00,
  id: 0x01,
  ramSize: 0x03,
  noGraphic: 0x04,
  cpus: 0x05,
  maxCpus: 0x0f,
  directory: 0x19,
  firstFile: 0x20,
} as const;
/** Bits of the ID: the traditional interface, and DMA. */
const FEATURES = 3;
/** What the DMA register reads as: "QEMU CFG". */
const DMA_SIGNATURE = [0x5145_4d55, 0x2043_4647] as const;
const DMA = { error: 1, read: 2, skip: 4, select: 8, write: 16 } as const;
const NAME_SIZE = 56;
const ENTRY_SIZE = 64;
const CHUNK = 4096;

export interface FwCfgOptions {
  /** For DMA. */
  readonly memory: GuestMemory;
  readonly cpus: number;
  /** Bytes. */
  readonly ramSize: number;
  /** Files by name, of 55 bytes at most. */
  readonly files?: ReadonlyMap<string, Uint8Array>;
}

/** The configuration device at I/O ports: a number of an item is written, its bytes are read one after another. */
export class FwCfg implements Device {
  /** Where PCs have it, as a `DeviceSpec`. */
  static readonly ports = {
    space: "ports",
    base: 0x510,
    size: 2,
    widest: 2,
    further: [{ base: 0x514, size: 8, widest: 4 }],
  } as const;
  readonly #memory: GuestMemory;
  readonly #items = new Map<number, Uint8Array>();
  #selected = 0;
  #offset = 0;
  #dmaHigh = 0;

  /** Throws MachineError for a file's name that is too long. */
  constructor({ memory, cpus, ramSize, files = new Map() }: FwCfgOptions) {
    this.#memory = memory;
    const number = (value: number, bytes: number) => Uint8Array.from(le(value, bytes));
    this.#items.set(FwCfgItem.signature, new TextEncoder().encode("QEMU"));
    this.#items.set(FwCfgItem.id, number(FEATURES, 4));
    this.#items.set(FwCfgItem.ramSize, number(ramSize, 8));
    this.#items.set(FwCfgItem.noGraphic, number(1, 2));
    this.#items.set(FwCfgItem.cpus, number(cpus, 2));
    this.#items.set(FwCfgItem.maxCpus, number(cpus, 2));
    const sorted = [...files].sort(([a], [b]) => (a < b ? -1 : 1));
    this.#items.set(FwCfgItem.directory, directory(sorted));
    sorted.forEach(([, bytes], i) => {
      this.#items.set(FwCfgItem.firstFile + i, bytes);
    });
  }

  reset(): void {
    this.#select(0);
    this.#dmaHigh = 0;
  }

  #select(item: number): void {
    this.#selected = item;
    this.#offset = 0;
  }

  /** Past the end there are zeros. */
  #next(): number {
    return this.#items.get(this.#selected)?.[this.#offset++] ?? 0;
  }

  read(offset: number, width: DeviceWidth): number {
    if (offset === DATA && width === 1) return this.#next();
    if (width !== 4) return 0;
    if (offset === DMA_HIGH) return swap(DMA_SIGNATURE[0]);
    return offset === DMA_LOW ? swap(DMA_SIGNATURE[1]) : 0;
  }

  write(offset: number, width: DeviceWidth, value: number): void {
    if (offset === SELECTOR && width === 2) this.#select(value);
    if (width !== 4) return;
    if (offset === DMA_HIGH) this.#dmaHigh = swap(value);
    if (offset !== DMA_LOW) return;
    this.#transfer(this.#dmaHigh * 2 ** 32 + swap(value));
    this.#dmaHigh = 0;
  }

  /** Carry out the command at an address: control, length and address, all big-endian. */
  #transfer(at: number): void {
    const memory = this.#memory;
    if (!memory.contains(at, 16)) return;
    const word = (offset: number) => swap(memory.readU32(at + offset));
    const control = word(0);
    const length = word(4);
    const address = word(8) * 2 ** 32 + word(12);
    if ((control & DMA.select) !== 0) this.#select(control >>> 16);
    const ok = this.#move(control, length, address);
    memory.writeU32(at, ok ? 0 : swap(DMA.error));
  }

  #move(control: number, length: number, address: number): boolean {
    if ((control & DMA.read) !== 0) {
      if (!isRam(this.#memory, address, length)) return false;
      for (let done = 0; done < length; done += CHUNK) {
        const bytes = Uint8Array.from({ length: Math.min(CHUNK, length - done) }, () => this.#next());
        this.#memory.write(address + done, bytes);
      }
      return true;
    }
    if ((control & DMA.write) !== 0) return false;
    if ((control & DMA.skip) !== 0) this.#offset += length;
    return true;
  }

  state(): ComponentState {
    return { version: STATE_VERSION, selected: this.#selected, offset: this.#offset, high: this.#dmaHigh };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("fw_cfg", state, STATE_VERSION);
    this.#selected = reader.u16("selected");
    this.#offset = reader.integer("offset");
    this.#dmaHigh = reader.u32("high");
  }
}

const isRam = (ram: GuestMemory, address: number, length: number): boolean =>
  Number.isSafeInteger(address) && ram.contains(address, length);

function swap(value: number): number {
  return (
    ((value << 24) | ((value << 8) & 0xff_0000) | ((value >>> 8) & 0xff00) | ((value >>> 24) & 0xff)) >>> 0
  );
}

/** The number of files, and of each its size, item and name. */
function directory(files: readonly (readonly [string, Uint8Array])[]): Uint8Array {
  const bytes = new Uint8Array(4 + ENTRY_SIZE * files.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, files.length);
  files.forEach(([name, contents], i) => {
    const at = 4 + ENTRY_SIZE * i;
    const text = new TextEncoder().encode(name);
    if (text.length >= NAME_SIZE)
      throw new MachineError("InvalidParam", `a file's name is ${NAME_SIZE - 1} bytes at most: ${name}`);
    view.setUint32(at, contents.length);
    view.setUint16(at + 4, FwCfgItem.firstFile + i);
    bytes.set(text, at + 8);
  });
  return bytes;
}
