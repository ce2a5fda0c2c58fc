import { Access, Status, Translated, type Translation } from "@hypercraft/engine";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FakeCore, type FakeMachine, fakeMachine, RAM } from "../testing/cpu/fake-core.js";
import { Pages, type Table, TableBuilder } from "../testing/cpu/page-tables.js";
import {
  type PlainAccess,
  type PlainMemory,
  type PlainRegime,
  plainTranslate,
} from "../testing/cpu/plain-walker.js";
import { Helper } from "./helper-ids.js";
import { MPP_SHIFT, MPRV, MXR, SUM } from "./status-bits.js";

const RAM_BYTES = 1 << 18;

/** One way to access guest memory, and how it is done with the hart. */
const ACCESSES = ["read", "write", "rmw", "fetch", "cacheBlock", "hlv", "hlvx", "hsv"] as const;
type How = (typeof ACCESSES)[number];
const PLAIN: Record<How, PlainAccess> = {
  read: "read",
  write: "write",
  rmw: "rmw",
  fetch: "fetch",
  cacheBlock: "cacheBlock",
  hlv: "read",
  hlvx: "executeRead",
  hsv: "write",
};
const CAUSES: Record<"fetch" | "load" | "store", { page: bigint; access: bigint; guestPage: bigint }> = {
  fetch: { page: 12n, access: 1n, guestPage: 20n },
  load: { page: 13n, access: 5n, guestPage: 21n },
  store: { page: 15n, access: 7n, guestPage: 23n },
};
const KIND: Record<How, keyof typeof CAUSES> = {
  read: "load",
  write: "store",
  rmw: "store",
  fetch: "fetch",
  cacheBlock: "store",
  hlv: "load",
  hlvx: "load",
  hsv: "store",
};

interface Setting {
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
const newTranslation = (): Translation => ({
  physical: 0,
  readable: false,
  writable: false,
  cacheable: false,
  pageShift: 12,
});

type Protection = Case["protections"][number];

/** Entries 0.. of PMP as protections, the last one open. */
function protect({ hart }: FakeMachine, protections: readonly Protection[]): void {
  let config = 0n;
  for (const [i, { page, offset, part, permissions }] of protections.entries()) {
    const at = BigInt(RAM + page * 4096 + (part ? offset : 0));
    hart.writeCsr(`pmpaddr${i}`, (at >> 2n) | (part ? 0n : 0x1ffn));
    config |= BigInt(0x18 | permissions) << BigInt(8 * i);
  }
  hart.writeCsr(`pmpaddr${protections.length}`, (1n << 54n) - 1n);
  hart.writeCsr("pmpcfg0", config | (0x1fn << BigInt(8 * protections.length)));
}

/** What PMP grants to 8 bytes or less at an address, all in one aligned unit of 8: the first protection that holds them. */
function permissionsAt(protections: readonly Protection[], at: bigint): number {
  const offset = Number(at - BigInt(RAM));
  for (const p of protections) {
    const start = p.page * 4096 + (p.part ? p.offset : 0);
    if (offset >= start && offset < start + (p.part ? 8 : 4096)) return p.permissions;
  }
  return 7;
}

/** R 1, W 2, X 4: what PMP has to grant for an access. */
const PMP_NEEDS: Record<PlainAccess, number> = {
  read: 1,
  write: 2,
  rmw: 3,
  fetch: 4,
  executeRead: 5,
  cacheBlock: 1,
};

/** Lay a setting into the CSRs; loads and stores get their privilege by MPRV. */
function configure({ hart }: FakeMachine, s: Setting): void {
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

const isHypervisorAccess = (how: How): boolean => how === "hlv" || how === "hlvx" || how === "hsv";

function plainRegime(s: Setting): PlainRegime {
  const two = s.guestSv !== undefined;
  return {
    ...s,
    mxr: two && s.mxr,
    // The first stage of V=0 belongs to menvcfg, as the second stage of V=1 does.
    adue: two ? s.adue && s.guestAdue : s.guestAdue,
  };
}

const halves = (value: bigint): [number, number] => [
  Number(BigInt.asIntN(32, value)),
  Number(BigInt.asIntN(32, value >> 32n)),
];

/** Do the access with the hart in M-mode; gives the status. */
function attempt(machine: FakeMachine, s: Setting, how: How, va: bigint, out: Translation): number {
  const { hart } = machine;
  const [lo, hi] = halves(va);
  hart.setMode(3, 0);
  switch (how) {
    case "read":
      return hart.translate(Access.read, lo, hi, 1, out);
    case "write":
      return hart.translate(Access.write, lo, hi, 1, out);
    case "rmw":
      return hart.translate(Access.rmw, lo, hi, 1, out);
    case "fetch":
      hart.setMode(s.user ? 0 : 1, s.guestSv === undefined ? 0 : 1);
      return hart.translateFetch(lo, hi, out);
    case "cacheBlock":
      return hart.helper(Helper.cacheBlock, 1, lo, hi, 0, 0);
    case "hlv":
      return hart.helper(Helper.hypervisorLoad, 1, lo, hi, 0, 0);
    case "hlvx":
      return hart.helper(Helper.hypervisorLoad, 2 | 32, lo, hi, 0, 0);
    case "hsv":
      return hart.helper(Helper.hypervisorStore, 1, lo, hi, 0x5a, 0);
  }
}

type Sv = Setting["sv"];

/** What decides one case; everything else follows from it. */
interface Case {
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

const cases: fc.Arbitrary<Case> = fc.record({
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

interface Built {
  readonly setting: Setting;
  /** Virtual page numbers that are mapped. */
  readonly pages: readonly bigint[];
}

/** Make the tables of a case in the fake core's RAM. */
function build(core: FakeCore, c: Case): Built {
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
  return { setting: { ...c.setting, root: root.page, guestRoot }, pages: mapped };
}

describe("address translation", () => {
  it("does what the manual's algorithm does, for every kind of access, scheme and entry", () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(cases, (c) => {
        const machine = fakeMachine({ mode: "bare" }, RAM_BYTES);
        const { core, hart } = machine;
        const { setting: s, pages } = build(core, c);
        protect(machine, c.protections);
        configure(machine, s);
        const copy = new BigUint64Array(core.words.buffer.slice(0));
        const word = (a: bigint): number => Number((a - BigInt(RAM)) >> 3n);
        const memory: PlainMemory = {
          read: (a) => ((permissionsAt(c.protections, a) & 1) === 0 ? undefined : copy[word(a)]),
          write: (a, v) => {
            if ((permissionsAt(c.protections, a) & 2) === 0) return false;
            copy[word(a)] = v;
            return true;
          },
        };
        const guarded: PlainMemory = {
          read: (a) => (a < BigInt(RAM) || a >= BigInt(RAM + RAM_BYTES) ? undefined : memory.read(a)),
          write: memory.write,
        };
        for (const { how, page, offset, beyond } of c.accesses) {
          const address = (pages[page % pages.length]! << 12n) | BigInt(offset);
          const va = BigInt.asUintN(64, BigInt.asIntN(s.sv || 64, address)) ^ beyond;
          // HLV and the like are always two-stage accesses.
          if (isHypervisorAccess(how) && s.guestSv === undefined) continue;
          const expected = plainTranslate(guarded, plainRegime(s), PLAIN[how], va);
          const out = newTranslation();
          const status = attempt(machine, s, how, va, out);
          let kind = expected.kind;
          // What is not RAM: fetches, HLV and HSV meet a bus fault here, the others are the engine's to do.
          if (expected.kind === "ok" && core.ramOffset(Number(expected.physical)) < 0) {
            if (how === "fetch" || isHypervisorAccess(how)) kind = "access";
            // Nothing has so high an address, and the one PMP entry does not reach it.
            if (expected.physical >> 57n !== 0n) kind = "access";
          } else if (expected.kind === "ok") {
            const needed = PMP_NEEDS[PLAIN[how]];
            if ((permissionsAt(c.protections, expected.physical) & needed) !== needed) kind = "access";
          }
          const met = [`${how} ${kind}`, `first ${s.sv} ${kind}`, `second ${s.guestSv} ${kind}`];
          for (const what of met) seen.set(what, (seen.get(what) ?? 0) + 1);
          if (kind === "ok") {
            expect(status).toBe(Translated.ok);
            if (expected.kind === "ok" && !isHypervisorAccess(how) && how !== "cacheBlock")
              expect(BigInt(out.physical)).toBe(BigInt(Number(expected.physical)));
            if (how === "hsv" && expected.kind === "ok") {
              const at = Number(expected.physical) - RAM;
              new Uint8Array(copy.buffer)[at] = 0x5a;
            }
            if (how === "read" || how === "write")
              checkGrants(out, guarded, plainRegime(s), va, c.protections);
          } else {
            expect(status).toBe(Status.trap);
            expect(hart.readCsr("mcause")).toBe(CAUSES[KIND[how]][kind]);
            expect(hart.readCsr("mtval")).toBe(va);
            const two = s.guestSv !== undefined;
            expect((hart.readCsr("mstatus") >> 38n) & 1n).toBe(two ? 1n : 0n);
            const guest = expected.kind === "guestPage" ? expected : undefined;
            expect(hart.readCsr("mtval2")).toBe(guest === undefined ? 0n : guest.address >> 2n);
            if (guest !== undefined) expect(hart.readCsr("mtinst")).toBe(BigInt(guest.pseudo));
          }
          // A and D bits, and nothing else, have changed.
          expect(firstDifference(new BigUint64Array(core.words.buffer), copy)).toBe(-1);
          configure(machine, s);
        }
      }),
      { numRuns: 1000 },
    );
    // Every kind of access has met every outcome; otherwise the generator is at fault.
    for (const how of ACCESSES)
      for (const kind of ["ok", "page", "access", "guestPage"])
        expect(seen.get(`${how} ${kind}`)).toBeGreaterThan(3);
    for (const sv of [0, 39, 48, 57]) {
      expect(seen.get(`first ${sv} ok`)).toBeGreaterThan(3);
      expect(seen.get(`second ${sv} ok`)).toBeGreaterThan(3);
    }
  });
});

describe("page tables under PMP", () => {
  const ROOT = RAM + 0x4000;
  const DATA = 0x8000_0000n;

  /** V=1 loads and stores by MPRV; one gigapage leaf (level 2) with these bits in the table at ROOT. */
  function machineWith(stage: "vsatp" | "hgatp", index: number, leaf: bigint): FakeMachine {
    const machine = fakeMachine({ mode: "bare" }, RAM_BYTES);
    const { hart, core } = machine;
    hart.writeCsr("menvcfg", 1n << 61n);
    hart.writeCsr("henvcfg", 1n << 61n);
    hart.writeCsr(stage, (8n << 60n) | BigInt(ROOT / 4096));
    core.write64(ROOT + index * 8, (DATA >> 2n) | leaf);
    hart.writeCsr("mstatus", BigInt(MPRV | (1 << MPP_SHIFT)) | (1n << 39n));
    return machine;
  }

  /** Access a byte of gigapage `index`. */
  const access = ({ hart }: FakeMachine, kind: Access, index: number): number =>
    hart.translate(kind, (index << 30) | 0x100, index >> 2, 8, newTranslation());

  it.each(["vsatp", "hgatp"] as const)("of %s are not written where PMP forbids it", (stage) => {
    // U for the second stage only; A and D clear.
    const machine = machineWith(stage, 2, stage === "hgatp" ? 0x1fn : 0x0fn);
    const { hart, core } = machine;
    hart.writeCsr("pmpaddr0", (BigInt(ROOT) >> 2n) | 0x1ffn);
    hart.writeCsr("pmpaddr1", (1n << 54n) - 1n);
    hart.writeCsr("pmpcfg0", 0x1f19n);
    for (const [kind, cause] of [[Access.read, 5n] as const, [Access.write, 7n] as const]) {
      expect(access(machine, kind, 2)).toBe(Translated.trap);
      expect([hart.readCsr("mcause"), core.read64(ROOT + 16) & 0xc0n]).toEqual([cause, 0n]);
      hart.writeCsr("mstatus", BigInt(MPRV | (1 << MPP_SHIFT)) | (1n << 39n));
    }
    hart.writeCsr("pmpcfg0", 0x1f1bn);
    expect(access(machine, Access.write, 2)).toBe(Translated.ok);
    expect(core.read64(ROOT + 16) & 0xc0n).toBe(0xc0n);
  });

  it("must have each entry in one PMP entry, in every page of an x4 root", () => {
    for (const index of [2, 514, 1026, 1538]) {
      const machine = machineWith("hgatp", index, 0xdfn);
      const { hart } = machine;
      // Four bytes of the entry are an entry of PMP, as open as everything else.
      hart.writeCsr("pmpaddr0", (BigInt(ROOT + index * 8) >> 2n) | 1n);
      hart.writeCsr("pmpaddr1", (1n << 54n) - 1n);
      hart.writeCsr("pmpcfg0", 0x1f17n);
      expect(access(machine, Access.read, index)).toBe(Translated.trap);
      expect(hart.readCsr("mcause")).toBe(5n);
      hart.writeCsr("pmpcfg0", 0x1f00n);
      hart.writeCsr("mstatus", BigInt(MPRV | (1 << MPP_SHIFT)) | (1n << 39n));
      expect(access(machine, Access.read, index)).toBe(Translated.ok);
    }
  });
});

/** Index of the first word that differs, -1 if none does. */
function firstDifference(a: BigUint64Array, b: BigUint64Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return i;
  return -1;
}

/** What `out` lets the engine do without asking must be allowed, and change nothing. */
function checkGrants(
  out: Translation,
  memory: PlainMemory,
  regime: PlainRegime,
  va: bigint,
  protections: readonly Protection[],
): void {
  const frozen: PlainMemory = {
    read: memory.read,
    write: () => {
      throw new Error("A or D is still to be set");
    },
  };
  // For the whole page, if it may be kept.
  const page = BigInt(out.physical - (out.physical % 4096));
  const units = out.cacheable
    ? Array.from({ length: 512 }, (_, i) => page + BigInt(i * 8))
    : [BigInt(out.physical)];
  const granted = units.reduce((all, at) => all & permissionsAt(protections, at), 7);
  if (out.readable) {
    expect(plainTranslate(frozen, regime, "read", va).kind).toBe("ok");
    expect(granted & 1).toBe(1);
  }
  if (out.writable) {
    expect(plainTranslate(frozen, regime, "write", va).kind).toBe("ok");
    expect(granted & 2).toBe(2);
  }
}
