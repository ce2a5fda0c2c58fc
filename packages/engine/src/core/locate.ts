import { SlowAccess } from "../cold/slow-access.js";
import { tlbEntry } from "../tlb/geometry.js";
import { type CoreWords, W } from "./words.js";

/** The interpreter's `refill`: makes the TLB's entry for a virtual address, and gives 0 if it did not. */
export type Refill = (address: bigint, kind: number) => number;

const READ = 1;
const WRITE = 1 | (1 << SlowAccess.accessShift);

/**
 * Byte offset in host memory of a byte at a virtual address, as the TLB has it for guest code; -1 where only an access
 * of the guest's own could tell: faults, devices, pages with code, pages that are watched.
 */
export function locate(
  core: CoreWords,
  refill: Refill | undefined,
  write: boolean,
  lo: number,
  hi: number,
): number {
  const found = probe(core, write, lo, hi);
  if (found >= 0 || refill === undefined) return found;
  const address = (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
  return refill(BigInt.asIntN(64, address), write ? WRITE : READ) === 0 ? -1 : probe(core, write, lo, hi);
}

function probe({ words, base }: CoreWords, write: boolean, lo: number, hi: number): number {
  const bank = words[base + W.tlb] as number;
  const entry = (bank + tlbEntry(lo)) >> 2;
  const tag = (lo & ~0xfff) | (words[base + W.dataContext] as number);
  const at = write ? entry + 2 : entry;
  if (words[at] !== tag || words[at + 1] !== (hi | 0)) return -1;
  return (lo + (words[entry + 4] as number)) >>> 0;
}
