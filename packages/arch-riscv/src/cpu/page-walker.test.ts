import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { RAM as LOCKSTEP_RAM, Lockstep } from "../testing/cpu/bare-lockstep.js";
import { RAM } from "../testing/cpu/fake-core.js";
import { TableBuilder } from "../testing/cpu/page-tables.js";
import {
  type Built,
  build,
  type Case,
  cases,
  configure,
  plainRegime,
  protect,
  type Setting,
} from "../testing/cpu/paging-cases.js";
import { type PlainMemory, plainTranslate } from "../testing/cpu/plain-walker.js";
import { WALK_ACCESSES, type WalkAccess, WalkMachine } from "../testing/cpu/walk-machine.js";
import type { RiscvHart } from "./hart.js";
import { SUM } from "./status-bits.js";

const SCHEMES = [39, 48, 57] as const;
/** V, R, W, X, A, D: all that S-mode may do. */
const LEAF = 0xcfn;
const USER = 0x10n;

const signExtended = (s: Pick<Setting, "sv">, address: bigint): bigint =>
  BigInt.asUintN(64, BigInt.asIntN(s.sv || 64, address));

describe("walks in WebAssembly", () => {
  let pair: { readonly walking: WalkMachine; readonly plain: WalkMachine };
  let both: readonly WalkMachine[];
  beforeEach(() => {
    pair = { walking: new WalkMachine(true), plain: new WalkMachine(false) };
    both = [pair.walking, pair.plain];
  });
  const steps = fc.array(
    fc.record({
      how: fc.constantFrom(...WALK_ACCESSES),
      page: fc.nat(2),
      offset: fc.oneof(
        fc.nat(511).map((n) => n * 8),
        fc.nat(4095),
        fc.integer({ min: 4089, max: 4095 }),
      ),
      beyond: fc.oneof(
        { weight: 12, arbitrary: fc.constant(0n) },
        { weight: 1, arbitrary: fc.integer({ min: 12, max: 63 }).map((n) => 1n << BigInt(n)) },
      ),
      value: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      /** Before it, forget all translations, and perhaps flip a bit of an entry. */
      fence: fc.boolean(),
      flip: fc.option(fc.record({ entry: fc.nat(), bit: fc.nat(63) }), { freq: 5 }),
    }),
    { minLength: 3, maxLength: 12 },
  );

  /** Of the same shape, but nothing in the way, so that walks succeed often in every scheme. */
  const opened = ({ pages, tableLeaves }: Case): Partial<Case> => ({
    ...{ protections: [], spoiled: [] },
    pages: pages.map((page) => ({ ...page, flags: page.flags | 0xcf, guestFlags: 0xdf })),
    tableLeaves: tableLeaves.map((leaf) => ({ ...leaf, flags: 0xdf })),
  });

  function expectAlike(what: string): void {
    const [a, b] = both.map(({ core, hart }) => {
      hart.save();
      return core.state();
    });
    expect(a, what).toEqual(b);
    expect(Buffer.compare(pair.walking.ram, pair.plain.ram), what).toBe(0);
  }

  function spoil(
    machine: WalkMachine,
    { entries }: Built,
    flip: { entry: number; bit: number } | null,
  ): void {
    const at = entries[(flip?.entry ?? 0) % entries.length];
    if (flip !== null && at !== undefined) machine.write64(at, machine.read64(at) ^ (1n << BigInt(flip.bit)));
    machine.hart.fences.guestPhysical(-1);
    machine.hart.contexts.dropHost(-1);
  }

  it("change nothing but who fills the TLB: any tables, rights, protection and changes", () => {
    const walked = new Map<string, number>();
    fc.assert(
      fc.property(cases, steps, fc.boolean(), fc.boolean(), (random, list, mxr, open) => {
        const c = {
          ...random,
          ...(open && opened(random)),
          setting: { ...random.setting, ...(!mxr && { mxr, hostMxr: mxr }) },
        };
        let built: Built | undefined;
        for (const machine of both) {
          machine.reset();
          built = build(machine, c);
          protect(machine.hart, c.protections);
        }
        const { setting: s, pages } = built as Built;
        for (const { how, page, offset, beyond, value, fence, flip } of list) {
          const address = signExtended(s, (pages[page % pages.length]! << 12n) | BigInt(offset)) ^ beyond;
          const before = pair.walking.fills.walks;
          for (const machine of both) {
            configure(machine.hart, s);
            if (fence) spoil(machine, built as Built, flip);
            machine.access(how, address, value);
          }
          expectAlike(`${how} of ${address.toString(16)}`);
          expect(pair.walking.fills.all).toBe(pair.walking.fills.walks + pair.walking.core.tlb.fills);
          const walks = pair.walking.fills.walks - before;
          for (const met of [how, `first ${s.sv}`, `second ${s.guestSv}`, `${s.user ? "U" : "S"} ${s.sum}`])
            walked.set(met, (walked.get(met) ?? 0) + walks);
        }
      }),
      { numRuns: 2000 },
    );
    const expected = [
      ...WALK_ACCESSES,
      ...["first 0", ...SCHEMES.map((sv) => `first ${sv}`)],
      ...["second undefined", "second 0", ...SCHEMES.map((sv) => `second ${sv}`)],
      ...["U false", "U true", "S false", "S true"],
    ];
    for (const what of expected) expect(walked.get(what), what).toBeGreaterThan(3);
  });

  const alone = new WalkMachine(true);
  const walks = (how: WalkAccess, address: bigint): boolean => {
    const before = alone.fills;
    alone.access(how, address, 0n);
    const { all, walks: made } = alone.fills;
    return all > before.all && made - before.walks === all - before.all;
  };

  it("are made wherever tables say yes as they are", () => {
    let [made, refused] = [0, 0];
    fc.assert(
      fc.property(cases, fc.nat(2), fc.constantFrom("ld" as const, "sd" as const), (random, n, how) => {
        const c: Case = {
          ...random,
          setting: { ...random.setting, mxr: false, hostMxr: false },
          ...{ protections: [], spoiled: [] },
        };
        const machine = alone;
        machine.reset();
        const { setting: s, pages } = build(machine, c);
        protect(machine.hart, []);
        configure(machine.hart, s);
        const end = BigInt(RAM + machine.ramBytes);
        // A table that may only be read: what needs an accessed or dirty bit set is JavaScript's.
        let changes = false;
        const memory: PlainMemory = {
          read: (a) => (a < BigInt(RAM) || a >= end ? undefined : machine.read64(Number(a))),
          write: () => {
            changes = true;
            return true;
          },
        };
        const address = signExtended(s, pages[n % pages.length]! << 12n);
        const access = how === "ld" ? "read" : "write";
        const answer = plainTranslate(memory, plainRegime(s), access, address);
        const inRam = answer.kind === "ok" && answer.physical >= BigInt(RAM) && answer.physical < end;
        const expected = inRam && !changes;
        expect(walks(how, address)).toBe(expected);
        if (expected) made++;
        else refused++;
      }),
      { numRuns: 600 },
    );
    expect(Math.min(made, refused)).toBeGreaterThan(60);
  });

  /** S-mode with Sv39 tables on both machines, and what a test does to them. */
  function supervisor(
    pages: readonly (readonly [virtual: bigint, level: number, to: number, flags?: bigint])[],
  ) {
    for (const machine of both) {
      machine.reset();
      const root = BigInt(RAM / 4096);
      let next = root;
      const made = () => ({ page: ++next, host: next });
      const table = new TableBuilder(machine, 39, { page: root, host: root }, made);
      for (const [virtual, level, to, flags = LEAF] of pages)
        table.map(virtual >> 12n, level, BigInt(to / 4096), flags);
      protect(machine.hart, []);
      configure(machine.hart, settings(root));
    }
  }
  const settings = (root: bigint): Setting => ({
    ...{ sv: 39, guestSv: undefined, root, guestRoot: 0n, user: false, sum: false },
    ...{ mxr: false, hostMxr: false, adue: false, guestAdue: true },
  });
  /** The same access on both; gives what was loaded, or the cause of the trap. */
  function access(how: WalkAccess, address: bigint, value = 0n): bigint | string {
    for (const machine of both) {
      machine.hart.writeCsr("mcause", 0n);
      configure(machine.hart, settings(BigInt(RAM / 4096)));
      machine.access(how, address, value);
    }
    expectAlike(`${how} of ${address.toString(16)}`);
    const cause = pair.walking.hart.readCsr("mcause");
    return cause === 0n ? pair.walking.register("t0") : `cause ${cause}`;
  }
  const put = (physical: number, value: bigint) => {
    for (const machine of both) machine.write64(physical, value);
  };
  const [PAGE, LARGE] = [0x1000n, 1n << 21n];
  const [A, B] = [RAM + 0x10000, RAM + 0x11000];

  it("make entries that fences of their address drop, of pages and of parts of large ones", () => {
    // Large leaves of RAM itself are aligned: the last table's entry for 2 MiB leads to its start.
    supervisor([
      [PAGE, 0, A],
      [4n * LARGE, 1, RAM],
    ]);
    put(A, 1n);
    put(B, 2n);
    const before = pair.walking.fills;
    expect(access("ld", PAGE)).toBe(1n);
    for (const offset of [0x10000n, 0x11000n])
      expect(access("ld", 4n * LARGE + offset)).toBe(offset >> 12n === 16n ? 1n : 2n);
    expect(pair.walking.fills.walks - before.walks).toBe(3);
    expect(pair.walking.fills.all - before.all).toBe(3);
    const page = RAM + 0x2000 + 8;
    const large = RAM + 0x1000 + 4 * 8;
    expect([pair.walking.read64(page), pair.walking.read64(large)].map((pte) => pte & 0xffn)).toEqual([
      LEAF,
      LEAF,
    ]);
    // Without a fence the old ones may stay, and do; the fence of another address of the large one drops all of it.
    put(page, (BigInt(B / 4096) << 10n) | LEAF);
    put(large, 0n);
    expect(access("ld", PAGE)).toBe(1n);
    expect(access("ld", 4n * LARGE + 0x10000n)).toBe(1n);
    const fence = (address: bigint): void => {
      for (const { hart } of both) {
        hart.setMode(1, 0);
        hart.fences.sfenceVma(1, Number(BigInt.asIntN(32, address)), Number(address >> 32n), 0);
      }
    };
    fence(PAGE);
    expect(access("ld", PAGE)).toBe(2n);
    expect(access("ld", 4n * LARGE + 0x11000n)).toBe(2n);
    fence(4n * LARGE + 0x20000n);
    expect(access("ld", 4n * LARGE + 0x11000n)).toBe("cause 13");
    expect(access("ld", 4n * LARGE + 0x10000n)).toBe("cause 13");
  });

  describe("look tables up anew after", () => {
    const [lo, hi] = [Number(PAGE), 0];
    const fences: Record<string, (hart: RiscvHart) => unknown> = {
      "a fence of everything": (hart) => hart.fences.sfenceVma(0, 0, 0, 0),
      "a fence of an address": (hart) => hart.fences.sfenceVma(1, lo, hi, 0),
      "a fence of an address space": (hart) => hart.fences.sfenceVma(2, 0, 0, 0),
      "a change of protection": (hart) =>
        protect(hart, [{ page: 40, offset: 0, part: false, permissions: 0 }]),
      "another root, and a fence": (hart) => {
        hart.writeCsr("satp", (8n << 60n) | BigInt(RAM / 4096 + 60));
        hart.writeCsr("satp", (8n << 60n) | BigInt(RAM / 4096));
        hart.fences.sfenceVma(2, 0, 0, 0);
      },
    };
    it.each(Object.entries(fences))("%s", (_, fence) => {
      supervisor([[PAGE, 0, A]]);
      put(A, 1n);
      put(B, 2n);
      // Another table of level 1 with another of level 0, which has the other page.
      put(RAM + 0x20000, (BigInt(RAM / 4096 + 0x21) << 10n) | 1n);
      put(RAM + 0x21008, (BigInt(B / 4096) << 10n) | LEAF);
      expect(access("ld", PAGE)).toBe(1n);
      const before = pair.walking.fills.walks;
      put(RAM, (BigInt(RAM / 4096 + 0x20) << 10n) | 1n);
      for (const { hart } of both) {
        hart.setMode(1, 0);
        fence(hart);
        hart.setMode(3, 0);
      }
      expect(access("ld", PAGE)).toBe(2n);
      expect(pair.walking.fills.walks).toBe(before + 1);
    });
  });

  it("remember more large mappings than there is room for by forgetting all", () => {
    supervisor(Array.from({ length: 3000 }, (_, i) => [BigInt(i + 1) * LARGE, 1, RAM] as const));
    put(A, 5n);
    for (let i = 3000; i > 0; i--) expect(access("ld", BigInt(i) * LARGE + 0x10000n)).toBe(5n);
    for (const i of [1n, 2n, 1500n, 3000n]) {
      expect(access("ld", i * LARGE + 0x10000n)).toBe(5n);
      // The third-level tables follow the root and the upper one.
      put(entryOf(i), 0n);
      for (const { hart } of both) {
        hart.setMode(1, 0);
        const address = i * LARGE;
        hart.fences.sfenceVma(1, Number(BigInt.asIntN(32, address)), Number(address >> 32n), 0);
      }
      expect(access("ld", i * LARGE + 0x10000n)).toBe("cause 13");
    }
  });
  const entryOf = (i: bigint): number => RAM + 0x1000 * (1 + Number(i / 512n)) + 8 * Number(i % 512n);

  it("let no store hit a page of code", () => {
    const code = Math.floor(pair.walking.label("ld") / 4096) * 4096;
    supervisor([[PAGE, 0, code]]);
    const offset = PAGE + BigInt((pair.walking.label("ld") & 0xfff) + 64 * WALK_ACCESSES.length + 512);
    access("ld", PAGE);
    const before = pair.walking.fills.walks;
    for (let i = 1n; i < 4n; i++) {
      access("sd", offset, i);
      expect(access("ld", offset)).toBe(i);
    }
    // The page was read before; nothing made an entry to write to it.
    expect(pair.walking.fills.walks).toBe(before);
    // lb t0, 1(a0) in place of lb t0, 0(a0): the next one runs it.
    put(A, 0x2211n);
    const lb = PAGE + BigInt(pair.walking.label("lb") & 0xfff);
    const instruction = access("ld", lb) as bigint;
    access("sd", lb, instruction ^ (1n << 20n));
    supervisor([
      [PAGE, 0, A],
      [2n * PAGE, 0, code],
    ]);
    put(A, 0x2211n);
    expect(access("lb", PAGE)).toBe(0x22n);
    access("sd", PAGE + lb, instruction);
    expect(access("lb", PAGE)).toBe(0x11n);
  });

  it("end at what PMP protects, wherever it lies in RAM", () => {
    for (const page of [0, 8, 31, 63]) {
      supervisor(Array.from({ length: 64 }, (_, i) => [BigInt(i + 1) << 12n, 0, RAM + i * 4096] as const));
      for (const { hart } of both) protect(hart, [{ page, offset: 0, part: false, permissions: 0 }]);
      const before = pair.walking.fills.walks;
      let denied = 0;
      for (let i = 2; i < 64; i++) if (typeof access("ld", BigInt(i + 1) << 12n) === "string") denied++;
      // Tables lie in the first three pages, and only the last page leaves them in the larger part.
      expect(denied).toBe(page === 0 ? 62 : 1);
      expect(pair.walking.fills.walks - before).toBe(page === 63 ? 61 : 0);
    }
  });

  it("are not made while accesses are watched, and again afterwards", () => {
    supervisor([[PAGE, 0, A, LEAF]]);
    const { core } = pair.walking;
    core.setWatchpoints([{ address: 0x9000n, length: 8, on: "access" }]);
    const before = pair.walking.fills;
    access("ld", PAGE);
    expect(pair.walking.fills).toEqual({ all: before.all + 1, walks: before.walks });
    core.setWatchpoints([]);
    access("ld", PAGE);
    expect(pair.walking.fills).toEqual({ all: before.all + 2, walks: before.walks + 1 });
  });

  it("tell user pages from others as guest code switches SUM", () => {
    const source = `
      la t0, trap
      csrrw zero, mtvec, t0
      li t0, -1
      csrrw zero, pmpaddr0, t0
      li t0, 0x1f
      csrrw zero, pmpcfg0, t0
      li t0, 0x800
      csrrs zero, mstatus, t0
      la t0, supervisor
      csrrw zero, mepc, t0
      mret
      trap: addi a1, a1, 1
      csrrs t0, mepc, zero
      addi t0, t0, 4
      csrrw zero, mepc, t0
      mret
      supervisor: li s1, ${SUM}
      li s2, 0x1000
      li s3, 0x2000
      li s0, 500
      li t0, ${(8n << 60n) | BigInt((LOCKSTEP_RAM + 0x10000) / 4096)}
      csrrw zero, satp, t0
      loop: csrrs zero, sstatus, s1
      ld t1, 0(s2)
      add a0, a0, t1
      ld t1, 0(s3)
      add a0, a0, t1
      andi t0, s0, 1
      beq t0, zero, kept
      sfence.vma zero, zero
      kept: csrrc zero, sstatus, s1
      ld t1, 0(s2)
      ld t1, 0(s3)
      add a0, a0, t1
      addi s0, s0, -1
      bne s0, zero, loop
      wfi`;
    const machine = new Lockstep(source);
    const entry = (page: number, flags: bigint): bigint =>
      (BigInt(LOCKSTEP_RAM / 4096 + page) << 10n) | flags;
    machine.put(LOCKSTEP_RAM + 0x10000, [entry(0x11, 1n), 0n, entry(0, LEAF)]);
    machine.put(LOCKSTEP_RAM + 0x11000, [entry(0x12, 1n)]);
    machine.put(LOCKSTEP_RAM + 0x12000, [0n, entry(0x13, LEAF | USER), entry(0x14, LEAF)]);
    machine.put(LOCKSTEP_RAM + 0x13000, [1n]);
    machine.put(LOCKSTEP_RAM + 0x14000, [100n]);
    machine.finish(333);
    // WFI in S-mode waits; without SUM the user page traps each time.
    expect(machine.registers("a0", "a1")).toEqual([500n * 201n, 500n]);
  });
});
