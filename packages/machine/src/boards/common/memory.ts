import { bytesText, MachineError } from "../../errors.js";
import { FRAME_SIZE, MAX_HOST_MEMORY, WASM_PAGE_SIZE } from "../../memory/host-memory.js";
import { MAX_CPUS } from "./options.js";

/** An engine's share of host memory: states, TLBs and the code cache. */
export const ARENA = 64 << 20;
/** Engines address their arenas by signed numbers of 32 bits, and arenas are where host memory begins. */
const MOST_ARENAS = 2 ** 31 / ARENA;
/** Frames for second-stage tables. */
const TABLE_SPACE = 4 << 20;
/** RAM is aligned to the large pages of the second stage. */
export const LARGE_PAGE = 2 << 20;
const MIN_MEMORY = 4 << 20;
const MAX_MEMORY = MAX_HOST_MEMORY - ARENA - TABLE_SPACE - 2 * LARGE_PAGE;

/** A block of registers or windows: bytes of physical address space, or I/O ports. */
export interface Block {
  readonly base: number;
  readonly size: number;
}

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
 * Bytes of a host memory with room for machines: each one's RAM and what else it has, its tables and its engine's arena.
 * Throws MachineError for what no board or no process has.
 */
export function boardHostSize(rooms: readonly { readonly memory: number; readonly extra: number }[]): number {
  let size = 0;
  let guests = 0;
  for (const { memory, extra } of rooms) {
    checkSize(memory, 1);
    guests += memory;
    size += ARENA + Math.ceil((memory + TABLE_SPACE) / LARGE_PAGE) * LARGE_PAGE + extra + LARGE_PAGE;
  }
  if (rooms.length === 0 || rooms.length > MOST_ARENAS)
    throw new MachineError("OutOfRange", `a host has 1 to ${MOST_ARENAS} machines, not ${rooms.length}`);
  size = Math.ceil(size / WASM_PAGE_SIZE) * WASM_PAGE_SIZE;
  if (size > MAX_HOST_MEMORY) {
    const all = rooms.length === 1 ? "" : ` of ${rooms.length} machines in all`;
    throw new MachineError("OutOfRange", `memory of ${bytesText(guests)}${all} is too much for one process`);
  }
  return size;
}
