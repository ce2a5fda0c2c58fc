import type { GuestPagingIf } from "@hypercraft/guest-page-table";
import { type HostPhysAddr, type HostVirtAddr, PAGE_SIZE } from "./address.js";
import type { Clock } from "./clock.js";
import { HyperError } from "./error.js";
import type { VmExitInfo } from "./exit.js";
import type { ExitOutcome } from "./exit-handlers.js";
import { FrameAllocator } from "./frame-allocator.js";
import type { VCpu } from "./vcpu.js";

/** Host memory as everything here sees it: a `WebAssembly.Memory`, or any object with a buffer. */
export interface HostMemory {
  readonly buffer: ArrayBufferLike;
}

/** What the hypervisor needs of the system it runs on. One object per host; nothing in it is static. */
export interface HyperCraftHal {
  /** The host memory that `physToVirt` gives offsets in; of fixed size. */
  readonly memory: HostMemory;
  readonly clock: Clock;
  /** One frame of PAGE_SIZE bytes with undefined content, or undefined when there is none. Never address 0. */
  allocPage(): HostPhysAddr | undefined;
  /** Takes one frame back. Throws OutOfRange or BadState for a frame that is not handed out. */
  deallocPage(pa: HostPhysAddr): void;
  /**
   * `count` contiguous frames, aligned to `alignPages` pages (default: `count`, rounded up to a power of two),
   * or undefined when no such run is free.
   */
  allocPages(count: number, alignPages?: number): HostPhysAddr | undefined;
  /** Takes `count` frames from `pa` on back. Throws OutOfRange or BadState. */
  deallocPages(pa: HostPhysAddr, count: number): void;
  /** The offset in host memory of a RAM address. Throws OutOfRange where the address is not RAM. */
  physToVirt(pa: HostPhysAddr): HostVirtAddr;
  /** The inverse. Throws OutOfRange for an offset that is no RAM. */
  virtToPhys(va: HostVirtAddr): HostPhysAddr;
  /**
   * The VM-exit hook: sees every exit of every VM before its handlers. What it returns settles the exit;
   * undefined leaves it to the VM.
   */
  onVmExit?(vcpu: VCpu, exit: VmExitInfo): ExitOutcome | undefined;
}

/** What a `MemoryHal` is made of. */
export interface MemoryHalOptions {
  readonly memory: HostMemory;
  readonly clock: Clock;
  /** Host-physical address of the RAM's first byte; a multiple of PAGE_SIZE. */
  readonly base: HostPhysAddr;
  /** Its offset in host memory, a multiple of PAGE_SIZE; default 0. */
  readonly offset?: number;
  /** Bytes of RAM to hand out, a multiple of PAGE_SIZE; default: to the end of the memory. */
  readonly size?: number;
  readonly onVmExit?: HyperCraftHal["onVmExit"];
}

/** The Hal over one contiguous piece of host memory. */
export class MemoryHal implements HyperCraftHal {
  readonly memory: HostMemory;
  readonly clock: Clock;
  readonly base: HostPhysAddr;
  readonly size: number;
  readonly frames: FrameAllocator;
  readonly onVmExit?: NonNullable<HyperCraftHal["onVmExit"]>;
  readonly #offset: number;

  /** Throws InvalidParam when a number is not whole pages, OutOfRange when the memory is too small. */
  constructor(options: MemoryHalOptions) {
    const { memory, clock, base, offset = 0 } = options;
    const length = memory.buffer.byteLength;
    const size = options.size ?? Math.floor((length - offset) / PAGE_SIZE) * PAGE_SIZE;
    for (const [name, value] of Object.entries({ base, offset, size })) {
      if (!Number.isSafeInteger(value) || value < 0 || value % PAGE_SIZE !== 0)
        throw new HyperError("InvalidParam", `host RAM: ${name} ${value} is not a multiple of ${PAGE_SIZE}`);
    }
    if (offset + size > length)
      throw new HyperError(
        "OutOfRange",
        `host RAM: ${size} bytes at ${offset} in a memory of ${length} bytes`,
      );
    this.memory = memory;
    this.clock = clock;
    this.base = base;
    this.size = size;
    this.#offset = offset;
    this.frames = new FrameAllocator(base / PAGE_SIZE, size / PAGE_SIZE);
    if (options.onVmExit !== undefined) this.onVmExit = options.onVmExit;
  }

  allocPage(): HostPhysAddr | undefined {
    return this.allocPages(1);
  }

  deallocPage(pa: HostPhysAddr): void {
    this.deallocPages(pa, 1);
  }

  allocPages(count: number, alignPages = nextPowerOfTwo(count)): HostPhysAddr | undefined {
    const frame = this.frames.allocate(count, alignPages);
    return frame === undefined ? undefined : frame * PAGE_SIZE;
  }

  deallocPages(pa: HostPhysAddr, count: number): void {
    if (pa % PAGE_SIZE !== 0)
      throw new HyperError("InvalidParam", `0x${pa.toString(16)} is not a frame's address`);
    this.frames.free(pa / PAGE_SIZE, count);
  }

  physToVirt(pa: HostPhysAddr): HostVirtAddr {
    const distance = pa - this.base;
    if (distance >= 0 && distance < this.size) return distance + this.#offset;
    throw new HyperError("OutOfRange", `host-physical address 0x${pa.toString(16)} is not RAM`);
  }

  virtToPhys(va: HostVirtAddr): HostPhysAddr {
    const distance = va - this.#offset;
    if (distance >= 0 && distance < this.size) return distance + this.base;
    throw new HyperError("OutOfRange", `offset 0x${va.toString(16)} of host memory is not RAM`);
  }
}

function nextPowerOfTwo(value: number): number {
  let power = 1;
  while (power < value) power *= 2;
  return power;
}

/** The Hal as page tables want it. Its frames come from, and go back to, the same allocator. */
export function pagingOf(hal: HyperCraftHal): GuestPagingIf {
  return {
    words: new Uint32Array(hal.memory.buffer),
    wordIndex: (pa) => {
      try {
        return hal.physToVirt(pa) / 4;
      } catch {
        return -1;
      }
    },
    allocFrame: () => hal.allocPage(),
    deallocFrame: (pa) => hal.deallocPage(pa),
    allocFrames: (count) => hal.allocPages(count, count),
    deallocFrames: (pa, count) => hal.deallocPages(pa, count),
  };
}
