import type { GuestMemory } from "@hypercraft/hypercraft";

// First-stage tables of guests under test: 39 bits of address, 4 KiB granule, three levels.

const VALID_TABLE = 3n;
const VALID_PAGE = 3n;
const VALID_BLOCK = 1n;
const ACCESSED = 1n << 10n;
const INNER_SHAREABLE = 3n << 8n;
const EL0 = 1n << 6n;
const READ_ONLY = 1n << 7n;
/** Attribute 0 is Device-nGnRE, 1 Normal write-back. */
const NORMAL = 1n << 2n;
const MAIR = 0xff04n;
/** T0SZ = 25, write-back inner shareable walks, TTBR1 off, 44-bit addresses. */
const TCR =
  25n | (1n << 8n) | (1n << 10n) | (3n << 12n) | (1n << 23n) | (2n << 30n) | (25n << 16n) | (4n << 32n);
const GIB = 30n;

export interface Tables {
  readonly root: number;
  readonly words: ReadonlyMap<number, bigint>;
}

/**
 * Tables from `at` on: the gigabyte of `at` where it is, and pages of devices, virtual to physical, in gigabytes of
 * their own. `user`: EL0 may use all of it, but RAM cannot be written, as code of EL1 is in it too.
 */
export function identityTables(
  at: number,
  devices: readonly (readonly [bigint, number])[],
  user = false,
): Tables {
  const words = new Map<number, bigint>();
  const gib = BigInt(at) >> GIB;
  words.set(
    at + 8 * Number(gib),
    (gib << GIB) | VALID_BLOCK | ACCESSED | INNER_SHAREABLE | NORMAL | (user ? EL0 | READ_ONLY : 0n),
  );
  for (const [index, [virtual, physical]] of devices.entries()) {
    const second = at + 0x1000 + 0x2000 * index;
    const third = second + 0x1000;
    words.set(at + 8 * Number(virtual >> GIB), BigInt(second) | VALID_TABLE);
    words.set(second + 8 * Number((virtual >> 21n) & 511n), BigInt(third) | VALID_TABLE);
    words.set(third + 8 * Number((virtual >> 12n) & 511n), BigInt(physical) | VALID_PAGE | ACCESSED | EL0);
  }
  return { root: at, words };
}

/** How a guest switches to tables, and how they get into its memory. */
export function decodeTables({ root, words }: Tables): {
  readonly enable: string;
  write(memory: GuestMemory): void;
} {
  return {
    enable: `li x9, ${MAIR}; msr MAIR_EL1, x9; li x9, ${TCR}; msr TCR_EL1, x9; li x9, ${root}; msr TTBR0_EL1, x9; isb
      mrs x9, SCTLR_EL1; li x10, 1; orr x9, x9, x10; msr SCTLR_EL1, x9; isb`,
    write(memory) {
      for (const [address, word] of words) memory.writeU64(address, word);
    },
  };
}
