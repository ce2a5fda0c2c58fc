import { Access, newTranslation, Status, Translated, type Translation } from "@hypercraft/engine";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FakeMachine, fakeMachine, RAM } from "../testing/cpu/fake-core.js";
import {
  ACCESSES,
  build,
  cases,
  configure,
  type How,
  type Protection,
  plainRegime,
  protect,
  type Setting,
} from "../testing/cpu/paging-cases.js";
import {
  type PlainAccess,
  type PlainMemory,
  type PlainRegime,
  plainTranslate,
} from "../testing/cpu/plain-walker.js";
import { Helper } from "./helper-ids.js";
import { MPP_SHIFT, MPRV } from "./status-bits.js";

const RAM_BYTES = 1 << 18;

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

const isHypervisorAccess = (how: How): boolean => how === "hlv" || how === "hlvx" || how === "hsv";

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

describe("address translation", () => {
  it("does what the manual's algorithm does, for every kind of access, scheme and entry", () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(cases, (c) => {
        const machine = fakeMachine({ mode: "bare" }, RAM_BYTES);
        const { core, hart } = machine;
        const { setting: s, pages } = build(core, c);
        protect(hart, c.protections);
        configure(hart, s);
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
          configure(hart, s);
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
