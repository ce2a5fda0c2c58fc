import type { ComponentState, DeviceWidth, Stateful } from "../../contracts.js";
import { StateReader } from "../../state-reader.js";
import { Bar, type BarSpec } from "./bar.js";
import { CONFIG_SIZE, ConfigSpace } from "./config-space.js";
import { COMMAND, COMMAND_MASTER, COMMAND_MEMORY, COMMAND_PORTS } from "./constants.js";
import { type MessageSink, MSIX_BAR_SIZE, MSIX_CAPABILITY_SIZE, MsiX } from "./msix.js";

const STATE_VERSION = 1;

/** Who a function is: the numbers that drivers look for. */
export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly revision?: number;
  /** Class, subclass and programming interface: 24 bits. */
  readonly classCode: number;
  readonly subsystemVendor: number;
  readonly subsystem: number;
  /** INTA# to INTD# as 1 to 4; default 0: none. */
  readonly interruptPin?: number;
}

/** What a function reaches through its bus. */
export interface PciSlot {
  /** Its interrupt pin. */
  setInterrupt(level: boolean): void;
  /** Writes a message; undefined where nothing takes messages, and no function has MSI-X. */
  readonly message?: MessageSink | undefined;
  /** Its base addresses, or what it decodes, may have changed. */
  decodingChanged(): void;
}

/** Registers of all functions (PCI local bus specification 3.0, 6.1 and 6.2). */
const STATUS = 0x06;
const CAPABILITIES = 0x34;
const INTERRUPT_LINE = 0x3c;
const FIRST_CAPABILITY = 0x40;

/** Its ports, memory and master, SERR# and interrupt disable. */
const COMMAND_WRITABLE = 0x0507;
/** Interrupt disable, in the upper byte. */
const INTERRUPT_DISABLE = 0x04;
const STATUS_INTERRUPT = 0x08;
const STATUS_CAPABILITIES = 0x10;
/** Errors, which never come. */
const STATUS_ERRORS = 0xf900;
const MSIX = 0x11;

/** A function of a PCI device: configuration space, base addresses, and a way to interrupt. */
export class PciFunction implements Stateful {
  readonly config = new ConfigSpace();
  readonly bars: Bar[] = [];
  msix: MsiX | undefined;
  #slot: PciSlot | undefined;
  #interrupt = false;
  #capabilitiesEnd = FIRST_CAPABILITY;

  constructor(identity: PciIdentity) {
    const { vendor, device, revision = 0, classCode, subsystemVendor, subsystem } = identity;
    const { config } = this;
    config.define({ offset: 0, width: 2, value: vendor });
    config.define({ offset: 2, width: 2, value: device });
    config.define({ offset: COMMAND, width: 2, writable: COMMAND_WRITABLE });
    config.define({ offset: STATUS, width: 2, clearable: STATUS_ERRORS });
    config.define({ offset: 8, width: 4, value: ((classCode << 8) | revision) >>> 0 });
    // The size of cache lines, which means nothing here.
    config.define({ offset: 0x0c, width: 1, writable: 0xff });
    config.define({ offset: 0x2c, width: 2, value: subsystemVendor });
    config.define({ offset: 0x2e, width: 2, value: subsystem });
    config.define({ offset: INTERRUPT_LINE, width: 1, writable: 0xff });
    config.define({ offset: INTERRUPT_LINE + 1, width: 1, value: identity.interruptPin ?? 0 });
  }

  /** INTA# to INTD# as 1 to 4, or 0. */
  get interruptPin(): number {
    return this.config.bytes[INTERRUPT_LINE + 1]!;
  }

  /** Where firmware says the pin leads; the function does not look at it. */
  set interruptLine(line: number) {
    this.config.write(INTERRUPT_LINE, 1, line);
  }

  get decodesPorts(): boolean {
    return (this.config.bytes[COMMAND]! & COMMAND_PORTS) !== 0;
  }

  get decodesMemory(): boolean {
    return (this.config.bytes[COMMAND]! & COMMAND_MEMORY) !== 0;
  }

  /** It may write messages and access memory. */
  get isMaster(): boolean {
    return (this.config.bytes[COMMAND]! & COMMAND_MASTER) !== 0;
  }

  /** Connects it to the bus: called once, before the guest sees it. */
  plug(slot: PciSlot): void {
    this.#slot = slot;
  }

  readConfig(offset: number, width: DeviceWidth): number {
    return this.config.read(offset, width);
  }

  writeConfig(offset: number, width: DeviceWidth, value: number): void {
    this.config.write(offset, width, value);
    this.configWritten();
  }

  reset(): void {
    this.config.reset();
    this.msix?.reset();
    this.#interrupt = false;
    this.configWritten();
  }

  /** Raises or lowers the interrupt pin. */
  setInterrupt(level: boolean): void {
    this.#interrupt = level;
    this.#updateInterrupt();
  }

  state(): ComponentState {
    return {
      version: STATE_VERSION,
      config: [...this.config.bytes],
      msix: this.msix?.state() ?? null,
      interrupt: this.#interrupt,
    };
  }

  restore(state: ComponentState): void {
    const reader = new StateReader("PCI function", state, STATE_VERSION);
    const saved = reader.integers("config", CONFIG_SIZE, 255);
    if (saved.length !== CONFIG_SIZE || saved.slice(0, 4).some((byte, i) => byte !== this.config.bytes[i]))
      throw reader.bad("config");
    this.config.restore(Uint8Array.from(saved));
    this.msix?.restore(reader.part("msix"));
    this.#interrupt = reader.flag("interrupt");
    this.#slot?.decodingChanged();
    this.#updateInterrupt();
  }

  protected addBar(index: number, spec: BarSpec): Bar {
    const bar = new Bar(this.config, index, spec);
    this.bars.push(bar);
    return bar;
  }

  /** Adds a capability of so many bytes in front of the list, as most hardware does. @returns its offset. */
  protected addCapability(id: number, size: number): number {
    const offset = this.#capabilitiesEnd;
    const next = this.config.bytes[CAPABILITIES]!;
    this.config.define({ offset, width: 2, value: id | (next << 8) });
    this.config.define({ offset: CAPABILITIES, width: 1, value: offset });
    this.config.define({
      offset: STATUS,
      width: 2,
      value: STATUS_CAPABILITIES,
      clearable: STATUS_ERRORS,
    });
    this.#capabilitiesEnd = offset + 4 * Math.ceil(size / 4);
    return offset;
  }

  /** Adds MSI-X with a BAR to itself. Messages need a bus that takes them and a function that may write. */
  protected addMsiX(bar: number, vectors: number): MsiX {
    const capability = this.addCapability(MSIX, MSIX_CAPABILITY_SIZE);
    const send: MessageSink = (address, data) => {
      if (this.isMaster) this.#slot?.message?.(address, data);
    };
    const msix = new MsiX({ config: this.config, capability, bar, vectors, send });
    this.addBar(bar, { kind: "memory32", size: MSIX_BAR_SIZE, device: msix.registers });
    this.msix = msix;
    return msix;
  }

  /** Software wrote to the configuration space: what follows from it. */
  protected configWritten(): void {
    this.#slot?.decodingChanged();
    this.msix?.update();
    this.#updateInterrupt();
  }

  #updateInterrupt(): void {
    const { config } = this;
    config.change(STATUS, STATUS_INTERRUPT, this.#interrupt);
    const disabled = (config.bytes[COMMAND + 1]! & INTERRUPT_DISABLE) !== 0;
    this.#slot?.setInterrupt(this.#interrupt && !disabled);
  }
}
