import { RAM } from "./bare-lockstep.js";

// Programs in virtual memory: Sv39 tables of few pages, and the way into S-mode.

/** Flags of entries: a leaf that is accessed, dirty, readable, writable and executable, for S-mode. */
export const LEAF = 0xcfn;
export const USER = 0x10n;
export const GLOBAL = 0x20n;
const POINTER = 1n;
const SV39 = 8n << 60n;

/** Where the windows of address spaces are: virtual. */
export const WINDOW = 0x4000_0000;

/** Sv39's entry for an address. */
export const entry = (address: number, flags: bigint): bigint => (BigInt(address / 4096) << 10n) | flags;

/** satp for Sv39 with a root. */
export const satp = (root: number, asid = 0): bigint => SV39 | (BigInt(asid) << 44n) | BigInt(root / 4096);

/** Whatever has RAM. */
export interface HasRam {
  /** Put 64-bit words at a physical address. */
  put(address: number, words: readonly bigint[]): void;
}

/**
 * Sv39 tables at `root`: RAM where it is, and at WINDOW the pages of the given entries. Gives the address of those
 * entries.
 */
export function addressSpace(ram: HasRam, root: number, window: readonly bigint[]): number {
  const [middle, last] = [root + 4096, root + 8192];
  ram.put(root, [0n, entry(middle, POINTER), entry(RAM, LEAF)]);
  ram.put(middle, [entry(last, POINTER)]);
  ram.put(last, window);
  return last;
}

/** From M-mode into S-mode, with all of memory; the given exceptions and interrupts are delegated to it. */
export const toSupervisor = (exceptions = 0, interrupts = 0): string => `
  li t0, -1
  csrrw zero, pmpaddr0, t0
  li t0, 0x1f
  csrrw zero, pmpcfg0, t0
  li t0, ${exceptions}
  csrrw zero, medeleg, t0
  li t0, ${interrupts}
  csrrw zero, mideleg, t0
  li t0, 0x800
  csrrs zero, mstatus, t0
  la t0, supervisor
  csrrw zero, mepc, t0
  mret
  supervisor:`;

/**
 * Enter the window `rounds` times in either of two spaces by turns; s2 tells which, s1 is where it comes back to. `fence`
 * is executed after each change, `end` at last.
 */
export const alternate = (
  [first, second]: readonly [bigint, bigint],
  rounds: number,
  { fence, end, offset = 0 }: { readonly fence: string; readonly end: string; readonly offset?: number },
): string => `
  li s3, ${first}
  li s4, ${second}
  li s5, ${rounds}
  li s6, ${WINDOW + offset}
  la s1, back
  li s2, 0
  next: csrrw zero, satp, s3
  ${fence}
  jalr zero, 0(s6)
  back: addi s5, s5, -1
  xori s2, s2, 1
  xor s3, s3, s4; xor s4, s3, s4; xor s3, s3, s4
  bne s5, zero, next
  ${end}`;
