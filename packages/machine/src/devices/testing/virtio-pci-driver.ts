import type { DeviceWidth, MmioDevice } from "../../contracts.js";
import { PciHost } from "../pci/host.js";
import type { VirtioDevice } from "../virtio/device.js";
import { VirtioPci } from "../virtio/pci.js";
import { TestLine } from "./rig.js";
import { DriverQueue, GuestRam, type QueueOwner } from "./virtio-driver.js";

const MEMORY = 0xc000_0000;
const PORTS = 0xc000;

/** Where a capability says that registers are. */
interface Region {
  readonly address: number;
  readonly length: number;
  /** Offset of the capability itself. */
  readonly capability: number;
}

/** A guest with RAM, a virtio device on PCI and the driver for it: it finds its registers as the specification says. */
export class VirtioPciDriver extends GuestRam implements QueueOwner {
  readonly host: PciHost;
  readonly line = new TestLine();
  readonly messages: [number, number][] = [];
  readonly faults: string[] = [];
  readonly queues: DriverQueue[] = [];
  readonly func: VirtioPci;
  readonly memory: MmioDevice;
  readonly ports: MmioDevice;
  readonly legacy: boolean;

  constructor(device: VirtioDevice, { legacy = false } = {}) {
    super();
    this.legacy = legacy;
    this.host = new PciHost({
      lines: [this.line],
      lineOf: () => 0,
      message: (address, data) => this.messages.push([address, data]),
    });
    this.func = this.host.add(({ messages }) => {
      const onFault = (message: string) => this.faults.push(message);
      return new VirtioPci({ memory: this.ram, device, messages, onFault });
    });
    this.memory = this.host.window("memory", 0);
    this.ports = this.host.window("ports", 0);
    this.place();
  }

  /** Addresses for the BARs, as firmware gives them. */
  place(): void {
    this.setConfig(0x10, 4, PORTS);
    this.setConfig(0x14, 4, MEMORY);
    this.setConfig(0x20, 4, MEMORY + 0x1_0000);
    this.setConfig(0x24, 4, 0);
    this.setConfig(4, 2, 7);
  }

  config(register: number, width: DeviceWidth): number {
    return this.host.read(register, width);
  }

  setConfig(register: number, width: DeviceWidth, value: number): void {
    this.host.write(register, width, value);
  }

  /** Capabilities of the list, first to last: offsets by id. */
  capabilities(): { readonly id: number; readonly offset: number }[] {
    const found = [];
    for (let offset = this.config(0x34, 1); offset !== 0; offset = this.config(offset + 1, 1))
      found.push({ id: this.config(offset, 1), offset });
    return found;
  }

  /** Registers of a kind (`cfg_type`). */
  region(type: number): Region {
    const found = this.capabilities().find(
      ({ id, offset }) => id === 9 && this.config(offset + 3, 1) === type,
    );
    if (found === undefined) throw new Error(`there is no capability of type ${type}`);
    const { offset: capability } = found;
    const bar = 0x10 + 4 * this.config(capability + 4, 1);
    const base = this.config(bar, 4) - (this.config(bar, 4) % 16);
    return {
      address: base + this.config(capability + 8, 4),
      length: this.config(capability + 12, 4),
      capability,
    };
  }

  /** Common configuration. */
  get(offset: number, width: DeviceWidth): number {
    return this.memory.read(this.region(1).address + offset, width);
  }

  set(offset: number, width: DeviceWidth, value: number): void {
    this.memory.write(this.region(1).address + offset, width, value);
  }

  port(offset: number, width: DeviceWidth): number {
    return this.ports.read(PORTS + offset, width);
  }

  setPort(offset: number, width: DeviceWidth, value: number): void {
    this.ports.write(PORTS + offset, width, value);
  }

  kick(queue: number): void {
    if (this.legacy) {
      this.setPort(16, 2, queue);
      return;
    }
    const { address, capability } = this.region(2);
    this.set(0x16, 2, queue);
    const offset = this.get(0x1e, 2) * this.config(capability + 16, 4);
    this.memory.write(address + offset, 2, queue);
  }

  /** Reads the cause of an interrupt, which acknowledges it. */
  cause(): number {
    return this.legacy ? this.port(19, 1) : this.memory.read(this.region(3).address, 1);
  }

  /** The whole initialization of section 3.1 with all queues; their vectors are their numbers plus one. */
  start({
    accept = 0n,
    vectors = false,
  }: {
    readonly accept?: bigint;
    readonly vectors?: boolean;
  } = {}): this {
    if (vectors) this.#enableMessages();
    if (this.legacy) this.#startLegacy(accept, vectors);
    else this.#startModern(accept, vectors);
    return this;
  }

  #enableMessages(): void {
    const { offset } = this.capabilities().find(({ id }) => id === 0x11)!;
    const count = (this.config(offset + 2, 2) & 0x7ff) + 1;
    for (let vector = 0; vector < count; vector++) {
      this.memory.write(MEMORY + 16 * vector, 4, 0xfee0_0000);
      this.memory.write(MEMORY + 16 * vector + 8, 4, 0x30 + vector);
      this.memory.write(MEMORY + 16 * vector + 12, 4, 0);
    }
    this.setConfig(offset + 2, 2, 0x8000);
  }

  #startModern(accept: bigint, vectors: boolean): void {
    const all = accept | (1n << 32n);
    for (const status of [0, 1, 3]) this.set(0x14, 1, status);
    for (const word of [0, 1]) {
      this.set(8, 4, word);
      this.set(0xc, 4, Number((all >> BigInt(32 * word)) & 0xffff_ffffn));
    }
    this.set(0x14, 1, 11);
    if ((this.get(0x14, 1) & 8) === 0) throw new Error("the device refused the features");
    if (vectors) this.set(0x10, 2, 0);
    for (let index = 0; index < this.get(0x12, 2); index++) {
      this.set(0x16, 2, index);
      const queue = new DriverQueue(this, index, Math.min(16, this.get(0x18, 2)));
      this.queues[index] = queue;
      this.set(0x18, 2, queue.size);
      if (vectors) this.set(0x1a, 2, index + 1);
      for (const [register, address] of [
        [0x20, queue.descriptors],
        [0x28, queue.available],
        [0x30, queue.used],
      ] as const) {
        this.set(register, 4, address);
        this.set(register + 4, 4, 0);
      }
      this.set(0x1c, 2, 1);
    }
    this.set(0x14, 1, 15);
  }

  #startLegacy(accept: bigint, vectors: boolean): void {
    for (const status of [0, 1, 3]) this.setPort(18, 1, status);
    this.setPort(4, 4, Number(accept));
    if (vectors) this.setPort(20, 2, 0);
    for (let index = 0; ; index++) {
      this.setPort(14, 2, index);
      const size = this.port(12, 2);
      if (size === 0) break;
      const queue = new DriverQueue(this, index, size);
      this.queues[index] = queue;
      this.setPort(8, 4, queue.descriptors / 4096);
      if (vectors) this.setPort(22, 2, index + 1);
    }
    this.setPort(18, 1, 7);
  }
}
