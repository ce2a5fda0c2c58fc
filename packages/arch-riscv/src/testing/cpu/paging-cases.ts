import fc from "fast-check";
import type { RiscvHart } from "../../cpu/hart.js";
import { MPP_SHIFT, MPRV, MXR, SUM } from "../../cpu/status-bits.js";
import { RAM } from "./fake-core.js";
import { Pages, type Table, TableBuilder, type TestRam } from "./page-tables.js";
import type { PlainRegime } from "./plain-walker.js";

// Random page tables of all schemes and both stages, and what they are walked with.

/** One way to access guest memory, and how it is done with the hart. */
export const ACCESSES = ["read", "write", "rmw", "fetch", "cacheBlock", "hlv", "hlvx", "hsv"] as const;
export type How = (typeof ACCESSES)[number];
export interface Setting {
  readonly sv: 0 | 39 | 48 | 57;
  readonly guestSv: 0 | 39 | 48 | 57 | undefined;
  readonly root: bigint;
  readonly guestRoot: bigint;
  readonly user: boolean;
  readonly sum: boolean;
  readonly mxr: boolean;
  readonly hostMxr: boolean;
  readonly adue: boolean;
  readonly guestAdue: boolean;
}

const modeOf = (sv: number): bigint => (sv === 0 ? 0n : BigInt((sv - 39) / 9 + 8));
const atp = (sv: number, ppn: bigint): bigint => (sv === 0 ? 0n : (modeOf(sv) << 60n) | ppn);
export type Protection = Case["protections"][number];

/** Entries 0.. of PMP as protections, the last one open. */
export function protect(hart: RiscvHart, protections: readonly Protection[]): void {
  let config = 0n;
  for (const [i, { page, offset, part, permissions }] of protections.entries()) {
    const at = BigInt(RAM + page * 4096 + (part ? offset : 0));
    hart.writeCsr(`pmpaddr${i}`, (at >> 2n) | (part ? 0n : 0x1ffn));
    config |= BigInt(0x18 | permissions) << BigInt(8 * i);
  }
  hart.writeCsr(`pmpaddr${protections.length}`, (1n << 54n) - 1n);
  hart.writeCsr("pmpcfg0", config | (0x1fn << BigInt(8 * protections.length)));
}

/** Lay a setting into the CSRs; loads and stores get their privilege by MPRV. */
export function configure(hart: RiscvHart, s: Setting): void {
  const two = s.guestSv !== undefined;
  const host = s.guestAdue ? 1n << 61n : 0n;
  hart.writeCsr("menvcfg", host | 0xf0n);
  hart.writeCsr("henvcfg", (s.adue ? 1n << 61n : 0n) | 0xf0n);
  hart.writeCsr("senvcfg", 0xf0n);
  const first = atp(s.sv, s.root);
  hart.writeCsr("satp", two ? 0n : first);
  hart.writeCsr("vsatp", two ? first : 0n);
  hart.writeCsr("hgatp", two ? atp(s.guestSv!, s.guestRoot) : 0n);
  hart.writeCsr("vsstatus", BigInt((two && s.sum ? SUM : 0) | (two && s.mxr ? MXR : 0)));
  const mpp = s.user ? 0 : 1;
  const low = MPRV | (mpp << MPP_SHIFT) | (!two && s.sum ? SUM : 0) | (s.hostMxr ? MXR : 0);
  hart.writeCsr("mstatus", BigInt(low) | (two ? 1n << 39n : 0n));
  hart.writeCsr("hstatus", s.user ? 0n : 1n << 8n);
}

export function plainRegime(s: Setting): PlainRegime {
  const two = s.guestSv !== undefined;
  return {
    ...s,
    mxr: two && s.mxr,
    // The first stage of V=0 belongs to menvcfg, as the second stage of V=1 does.
    adue: two ? s.adue && s.guestAdue : s.guestAdue,
  };
}

type Sv = Setting["sv"];

/** What decides one case; everything else follows from it. */
export interface Case {
  readonly setting: Omit<Setting, "root" | "guestRoot">;
  /** For each page mapped: level of its leaf, in both stages, and bits 7..0 of the leaves. */
  readonly pages: readonly {
    level: number;
    guestLevel: number;
    high: number;
    flags: number;
    guestFlags: number;
  }[];
  /** Levels and bits of the second stage's leaves for first-stage tables. */
  readonly tableLeaves: readonly { level: number; flags: number }[];
  /** Pages, and parts of them, that PMP protects: 4096 bytes, or 8 from an offset; R, W and X. */
  readonly protections: readonly { page: number; offset: number; part: boolean; permissions: number }[];
  /** Entries to spoil: which, and the bits to flip. */
  readonly spoiled: readonly { entry: number; flip: bigint }[];
  readonly accesses: readonly { how: How; page: number; offset: number; beyond: bigint }[];
}

// Bits 7..0 of a leaf (D A G U X W R V): mostly permissive, every bit missing now and then.
const leafFlags = fc.constantFrom(
  0xdf,
  0xdf,
  0xcf,
  0xdf,
  0xcf,
  0x5f,
  0x4f,
  0x1f,
  0x0f,
  0xd9,
  0xc9,
  0xd3,
  0xc3,
  0xd7,
);
const tableFlags = fc.constantFrom(0xdf, 0xdf, 0xdf, 0xdf, 0x5f, 0x1f, 0xd3, 0xd9, 0xcf);
const level = fc.constantFrom(0, 0, 0, 1, 2);
const rarely = <T>(usual: T, other: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });

export const cases: fc.Arbitrary<Case> = fc.record({
  setting: fc.record({
    sv: fc.constantFrom<Sv[]>(0, 39, 39, 48, 57),
    guestSv: fc.constantFrom<Setting["guestSv"][]>(undefined, undefined, 0, 39, 39, 48, 57),
    user: fc.boolean(),
    sum: fc.boolean(),
    mxr: fc.boolean(),
    hostMxr: fc.boolean(),
    adue: fc.boolean(),
    guestAdue: fc.boolean(),
  }),
  pages: fc.array(
    fc.record({
      level,
      guestLevel: level,
      high: fc.integer({ min: 0, max: 2047 }),
      flags: leafFlags,
      guestFlags: leafFlags,
    }),
    { minLength: 2, maxLength: 3 },
  ),
  tableLeaves: fc.array(fc.record({ level, flags: tableFlags }), { minLength: 1, maxLength: 3 }),
  protections: fc.array(
    fc.record({
      page: fc.integer({ min: 0, max: 31 }),
      offset: fc.integer({ min: 0, max: 511 }).map((n) => n * 8),
      part: fc.boolean(),
      permissions: fc.constantFrom(0, 1, 3, 4, 5),
    }),
    { maxLength: 3 },
  ),
  spoiled: fc.array(
    fc.record({ entry: fc.nat(), flip: fc.integer({ min: 0, max: 63 }).map((n) => 1n << BigInt(n)) }),
    { maxLength: 2 },
  ),
  accesses: fc.array(
    fc.record({
      how: fc.constantFrom(...ACCESSES),
      page: fc.integer({ min: 0, max: 2 }),
      offset: fc.integer({ min: 0, max: 2047 }).map((n) => n * 2),
      beyond: rarely(
        0n,
        fc.integer({ min: 12, max: 63 }).map((n) => 1n << BigInt(n)),
      ),
    }),
    { minLength: 1, maxLength: 6 },
  ),
});

export interface Built {
  readonly setting: Setting;
  /** Virtual page numbers that are mapped. */
  readonly pages: readonly bigint[];
  /** Addresses of the entries of all tables. */
  readonly entries: readonly number[];
}

/** Make the tables of a case in the fake core's RAM. */
export function build(core: TestRam, c: Case): Built {
  const { sv, guestSv } = c.setting;
  const pages = new Pages(core);
  const guestRoot = pages.allocate(4);
  const guest =
    guestSv === undefined || guestSv === 0
      ? undefined
      : new TableBuilder(core, guestSv, { page: guestRoot, host: guestRoot }, () => {
          const page = pages.allocate();
          return { page, host: page };
        });
  let made = 0;
  // The page number under which the guest has a host page.
  const guestPage = (host: bigint, leafLevel: number, high: number, flags: number): bigint => {
    if (guest === undefined) return host;
    const bits = BigInt(guestSv! + 2 - 12);
    const low = BigInt(9 * leafLevel);
    // Entries hold 44 bits of page number.
    const top = (BigInt(high) % 256n) << (bits < 44n ? bits - 8n : 36n);
    const page = (((top >> low) | BigInt(++made % 4)) << low) | (host & ((1n << low) - 1n));
    guest.map(page, leafLevel, host, BigInt(flags));
    return page;
  };
  const firstTable = (): Table => {
    const host = pages.allocate();
    const { level: leafLevel, flags } = c.tableLeaves[made % c.tableLeaves.length]!;
    return { page: guestPage(host, leafLevel, 7, flags), host };
  };
  const root = sv === 0 ? { page: 0n, host: 0n } : firstTable();
  const first = sv === 0 ? undefined : new TableBuilder(core, sv, root, firstTable);
  const mapped = c.pages.map(({ level: leafLevel, guestLevel, high, flags, guestFlags }) => {
    const page = guestPage(pages.allocate(), guestLevel, high, guestFlags);
    if (first === undefined) return page;
    const low = BigInt(9 * leafLevel);
    const bits = BigInt(sv - 12);
    const virtual = ((BigInt(high) % 512n) << (bits - 9n)) | (page & ((1n << low) - 1n));
    first.map(virtual, leafLevel, page, BigInt(flags));
    return virtual;
  });
  const entries = [...(first?.entries ?? []), ...(guest?.entries ?? [])];
  for (const { entry, flip } of entries.length === 0 ? [] : c.spoiled) {
    const at = entries[entry % entries.length]!;
    core.write64(at, core.read64(at) ^ flip);
  }
  return { setting: { ...c.setting, root: root.page, guestRoot }, pages: mapped, entries };
}
