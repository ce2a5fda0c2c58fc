import {
  type Clock,
  type HostPhysAddr,
  type HostVirtAddr,
  type HyperCraftHal,
  HyperError,
  hostPhysAddr,
} from "@hypercraft/hypercraft";
import { hex } from "../errors.js";
import { FRAME_SIZE, type HostMemory } from "./host-memory.js";

/**
 * The Hal over all frames of a host memory: machines' RAM and page tables come from the memory's one allocator, so that
 * each takes what the others leave.
 */
export class HostHal implements HyperCraftHal {
  readonly clock: Clock;
  /** Host-physical address of the first frame behind the arena. */
  readonly base: HostPhysAddr;
  /** Bytes of RAM. */
  readonly size: number;
  readonly #host: HostMemory;

  /** @param base a multiple of the largest alignment that is asked for, as is the arena's size. */
  constructor(host: HostMemory, clock: Clock, base: HostPhysAddr) {
    this.#host = host;
    this.clock = clock;
    this.base = base;
    this.size = host.size - host.arenaSize;
  }

  get memory(): WebAssembly.Memory {
    return this.#host.memory;
  }

  allocPage(): HostPhysAddr | undefined {
    return this.allocPages(1);
  }

  deallocPage(pa: HostPhysAddr): void {
    this.deallocPages(pa, 1);
  }

  allocPages(count: number, alignPages = 2 ** Math.ceil(Math.log2(count))): HostPhysAddr | undefined {
    const frame = this.#host.frames.allocate(count, alignPages);
    return frame === undefined ? undefined : this.virtToPhys(frame * FRAME_SIZE);
  }

  deallocPages(pa: HostPhysAddr, count: number): void {
    if (pa % FRAME_SIZE !== 0) throw new HyperError("InvalidParam", `${hex(pa)} is not a frame's address`);
    this.#host.free(this.physToVirt(pa), count);
  }

  physToVirt(pa: HostPhysAddr): HostVirtAddr {
    const distance = pa - this.base;
    if (distance >= 0 && distance < this.size) return this.#host.arenaSize + distance;
    throw new HyperError("OutOfRange", `host-physical address ${hex(pa)} is not RAM`);
  }

  virtToPhys(va: HostVirtAddr): HostPhysAddr {
    const distance = va - this.#host.arenaSize;
    if (distance >= 0 && distance < this.size) return hostPhysAddr(this.base + distance);
    throw new HyperError("OutOfRange", `offset ${hex(va)} of host memory is not RAM`);
  }
}
