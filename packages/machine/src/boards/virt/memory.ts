import { type Clock, HyperError, hostPhysAddr, MemoryHal } from "@hypercraft/hypercraft";
import { bytesText, MachineError } from "../../errors.js";
import { FRAME_SIZE, HostMemory, MAX_HOST_MEMORY, WASM_PAGE_SIZE } from "../../memory/host-memory.js";
import { MAX_CPUS } from "./options.js";

/** The engine's share of host memory: states, TLBs and the code cache. */
const ARENA = 64 << 20;
/** Host-physical address of guest RAM and tables under the hypervisor; unlike any guest's, so that a mix-up shows. */
const HOST_RAM_BASE = 0x1_0000_0000;
/** Frames for second-stage tables. */
const TABLE_SPACE = 4 << 20;
/** RAM is aligned to the large pages of the second stage. */
const LARGE_PAGE = 2 << 20;
const MIN_MEMORY = 4 << 20;
const MAX_MEMORY = MAX_HOST_MEMORY - ARENA - TABLE_SPACE - 2 * LARGE_PAGE;

/** A stretch of RAM: the bytes from `offset` on of the board's memory, at physical address `base`. */
export interface RamPiece {
  /** Default "RAM". */
  readonly name?: string;
  readonly base: number;
  readonly size: number;
  readonly offset: number;
}

/** RAM in one piece. */
export function ramFrom(base: number): (size: number) => readonly RamPiece[] {
  return (size) => [{ base, size, offset: 0 }];
}

/** Throws MachineError for what no board has. */
export function checkSize(memory: number, cpus: number): void {
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > MAX_CPUS) {
    throw new MachineError("InvalidParam", `the board has 1 to ${MAX_CPUS} CPUs, not ${cpus}`);
  }
  if (!Number.isSafeInteger(memory) || memory % FRAME_SIZE !== 0) {
    throw new MachineError("NotAligned", `memory of ${memory} bytes is not a multiple of 4 KiB`);
  }
  if (memory < MIN_MEMORY || memory > MAX_MEMORY) {
    throw new MachineError(
      "OutOfRange",
      `memory of ${bytesText(memory)} is outside ${bytesText(MIN_MEMORY)} to ${bytesText(MAX_MEMORY)}`,
    );
  }
}

/**
 * Host memory, the Hal over the part that guest RAM and second-stage tables come from, and the RAM itself.
 * @param more bytes of memory that the board has besides RAM.
 */
export function createMemory(clock: Clock, memory: number, more: number) {
  const run = Math.ceil((memory + TABLE_SPACE) / LARGE_PAGE) * LARGE_PAGE;
  const size = Math.ceil((ARENA + run + more + LARGE_PAGE) / WASM_PAGE_SIZE) * WASM_PAGE_SIZE;
  if (size > MAX_HOST_MEMORY) {
    throw new MachineError("OutOfRange", `memory of ${bytesText(memory)} is too much for one process`);
  }
  const host = new HostMemory({ size, arenaSize: ARENA });
  const offset = host.allocZeroed(run / FRAME_SIZE, LARGE_PAGE / FRAME_SIZE);
  if (offset === undefined) throw new HyperError("NoMemory", `no room for ${bytesText(run)} in host memory`);
  const hal = new MemoryHal({
    memory: host.memory,
    clock,
    base: hostPhysAddr(HOST_RAM_BASE),
    offset,
    size: run,
  });
  const hpa = hal.allocPages(memory / FRAME_SIZE, LARGE_PAGE / FRAME_SIZE);
  if (hpa === undefined) throw new HyperError("NoMemory", `no room for ${bytesText(memory)} of guest RAM`);
  return { host, hal, hpa };
}
