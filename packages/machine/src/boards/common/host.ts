import { type Clock, Host, HyperError, hostPhysAddr, isVirtualClock } from "@hypercraft/hypercraft";
import { bytesText, MachineError } from "../../errors.js";
import { HostHal } from "../../memory/host-hal.js";
import { FRAME_SIZE, HostMemory } from "../../memory/host-memory.js";
import type { BoardMachine, BoardVCpu, MachineEnd, MachineRunOptions } from "./machine.js";
import { ARENA, boardHostSize, LARGE_PAGE } from "./memory.js";
import { type BoardOptions, DEFAULT_MEMORY } from "./options.js";

/** Host-physical address of guest RAM and tables under the hypervisor; unlike any guest's, so that a mix-up shows. */
const HOST_RAM_BASE = hostPhysAddr(0x1_0000_0000);
/** Memory that a board may have besides RAM: a ROM, and in bare mode a flash. */
const MOST_EXTRA = 64 << 20;
/** Time that does not pass. */
const NO_CLOCK: Clock = { now: () => 0 };

/** What a host has to know of a machine to have room for it. */
export interface MachineRoom extends Pick<BoardOptions, "memory" | "mode"> {
  /** Whether it starts with firmware. */
  readonly firmware?: boolean;
  /** Bytes of memory that the board has besides RAM, beyond what is small. Default: enough for all of the above. */
  readonly extra?: number;
}

export interface BoardHostOptions {
  /** The machines that are on it at one time, or such as are no larger, in their place. */
  readonly machines: readonly MachineRoom[];
  /** The host's own time, for whoever asks its Hal; machines bring their clocks. Default: it stands still. */
  readonly clock?: Clock;
}

/** A machine on a host, whatever its architecture. */
export type HostedMachine = Pick<
  BoardMachine<BoardVCpu>,
  "name" | "result" | "running" | "run" | "stop" | "close" | "inputArrived" | "statistics"
>;

/**
 * A host that several boards live on, of any architectures: one host memory with one allocator of frames, and VMIDs that
 * no two of its VMs share. Each machine brings its clock, console and devices, and has an engine to itself: code is found
 * by host page, so that there is nothing to share, and one machine's code cache does not decide what becomes of another's
 * translations. What a machine does is the same as if it were alone.
 */
export class BoardHost {
  readonly memory: HostMemory;
  readonly hal: HostHal;
  /** Its VMs by VMID. */
  readonly vms: Host;
  /** Arenas by number, and whether an engine ever had them. */
  readonly #arenas: { free: boolean; used: boolean }[];
  readonly #clocks = new Set<Clock>();
  readonly #machines = new Set<HostedMachine>();

  /** Throws MachineError when that is more than one process can have, or for a size that no board has. */
  constructor({ machines, clock = NO_CLOCK }: BoardHostOptions) {
    const rooms = machines.map(({ memory = DEFAULT_MEMORY, mode, firmware, extra }) => ({
      memory,
      extra: extra ?? (mode === "bare" || firmware ? MOST_EXTRA : 0),
    }));
    this.memory = new HostMemory({ size: boardHostSize(rooms), arenaSize: rooms.length * ARENA });
    this.hal = new HostHal(this.memory, clock, HOST_RAM_BASE);
    this.vms = new Host({ hal: this.hal });
    this.#arenas = rooms.map(() => ({ free: true, used: false }));
  }

  /** The machines on it, in the order of their creation. */
  get machines(): readonly HostedMachine[] {
    return [...this.#machines];
  }

  /**
   * Runs all machines that have not ended, side by side, until each has ended; see `BoardMachine.run`. Those that can run
   * take turns of a slice. Rejects with BadState when one of them is being run.
   */
  async run(options: MachineRunOptions = {}): Promise<Map<HostedMachine, MachineEnd>> {
    const members = this.machines.filter(({ result }) => result === undefined);
    const busy = members.find(({ running }) => running);
    if (busy !== undefined) throw new HyperError("BadState", `${busy.name} is being run already`);
    const ends = members.map(async (machine) => [machine, await machine.run(options)] as const);
    return new Map(await Promise.all(ends));
  }

  /**
   * A place for a machine with that clock: what it takes of the host is given back by it. Throws MachineError `NoMemory`
   * without room, InvalidParam for a clock of instructions that another machine has.
   */
  lease(clock: Clock): Lease {
    if (isVirtualClock(clock) && this.#clocks.has(clock))
      throw new MachineError(
        "InvalidParam",
        "two machines on one host need a clock each: theirs count instructions",
      );
    const arena = this.#arenas.findIndex(({ free }) => free);
    const state = this.#arenas[arena];
    if (state === undefined) {
      const count = this.#arenas.length;
      throw new MachineError(
        "NoMemory",
        `the host has room for ${count} ${count === 1 ? "machine" : "machines"}`,
      );
    }
    const offset = arena * ARENA;
    if (state.used) this.memory.bytes.fill(0, offset, offset + ARENA);
    state.free = false;
    state.used = true;
    this.#clocks.add(clock);
    const lease = new Lease(this, { offset, size: ARENA });
    lease.onEnd(() => {
      this.#clocks.delete(clock);
      state.free = true;
    });
    return lease;
  }

  /** The machine is made: it is one of `machines` until its lease ends. */
  add(machine: HostedMachine, lease: Lease): void {
    this.#machines.add(machine);
    lease.onEnd(() => this.#machines.delete(machine));
  }
}

/** What a machine has of its host, until it gives all of it back. */
export class Lease {
  readonly host: BoardHost;
  /** Host memory for an engine: offset and size in bytes. */
  readonly arena: { readonly offset: number; readonly size: number };
  #ends: (() => void)[] = [];

  constructor(host: BoardHost, arena: Lease["arena"]) {
    this.host = host;
    this.arena = arena;
  }

  /** Adds something to give back, which comes before what was added earlier. */
  onEnd(giveBack: () => void): void {
    this.#ends.unshift(giveBack);
  }

  /** Offset in host memory of frames of zeros for guest RAM. Throws MachineError `NoMemory`. */
  allocateRam(size: number): number {
    const { memory } = this.host;
    const frames = size / FRAME_SIZE;
    const offset = memory.allocZeroed(frames, LARGE_PAGE / FRAME_SIZE);
    if (offset === undefined) {
      const left = bytesText(memory.frames.freeFrames * FRAME_SIZE);
      throw new MachineError(
        "NoMemory",
        `memory of ${bytesText(size)} does not fit: ${left} are left on the host`,
      );
    }
    this.onEnd(() => memory.free(offset, frames));
    return offset;
  }

  /** Gives everything back; the second time there is nothing to give. */
  end(): void {
    for (const giveBack of this.#ends.splice(0)) giveBack();
  }
}
