import { Access, newTranslation, Translated, type Translation, WALKED } from "@hypercraft/engine";
import { FakeBus, FakeClock } from "@hypercraft/engine/testing/fake-core";
import { WalkingCore } from "@hypercraft/engine/testing/walking-core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RAM } from "../testing/cpu/fake-machine.js";
import {
  type PlainAccess,
  type PlainMemory,
  type PlainRequest,
  type PlainResult,
  plainBranchAddress,
  plainTranslate,
  type TranslationRegisters,
} from "../testing/cpu/plain-walker.js";
import {
  type AccessCase,
  accesses,
  type Built,
  build,
  cases,
  RAM_BYTES,
} from "../testing/cpu/translation-cases.js";
import { ARM_PAGE_WALKER } from "./page-walker.js";
import { ArmPe } from "./pe.js";
import { armLayout } from "./state.js";
import { registerNumber } from "./system-register.js";

const EL0_RIGHTS = 2;
const halves = (value: bigint): [number, number] => [
  Number(BigInt.asIntN(32, value)),
  Number(BigInt.asIntN(32, value >> 32n)),
];
/** Where code is that cannot be fetched, so that no fault has a description of its instruction. */
const NOWHERE = 0x0080_0000_0000_0000n;
const DC = (op1: number, crm: number, op2: number) => registerNumber(1, op1, 7, crm, op2);
const MAINTENANCE: Partial<Record<AccessCase["how"], number>> = {
  clean: DC(3, 10, 1),
  invalidate: DC(0, 6, 1),
  zero: DC(3, 4, 1),
};
const isLoadOrStore = (how: AccessCase["how"]): boolean => !(how in MAINTENANCE) && how !== "fetch";
const DZE_AND_UCI = (1n << 14n) | (1n << 26n);

class Machine {
  readonly core = new WalkingCore(armLayout, RAM, RAM_BYTES, ARM_PAGE_WALKER);
  readonly pe = new ArmPe(this.core, {
    index: 0,
    mode: "bare",
    clock: new FakeClock(),
    bus: new FakeBus(),
    lift: () => {
      throw new Error("a fake core lifts nothing");
    },
  });
  private used = RAM;

  /** As new, with a case's tables. */
  set(make: (core: WalkingCore) => Built): Built {
    this.core.bytes.fill(0, 0, this.used - RAM);
    const built = make(this.core);
    this.used = built.end;
    this.pe.setLevel(2, 1);
    for (const [name, value] of Object.entries(built.registers)) this.pe.writeSystem(name, value);
    const { SCTLR_EL1 } = built.registers;
    this.pe.writeSystem("SCTLR_EL1", SCTLR_EL1 | DZE_AND_UCI);
    this.pe.reload();
    return built;
  }

  readonly memory: PlainMemory = (address) =>
    address >= BigInt(RAM) && address < BigInt(RAM + RAM_BYTES)
      ? this.core.read64(Number(address))
      : undefined;

  level({ how, el, pan, unprivileged }: AccessCase): void {
    const { core, pe } = this;
    pe.setLevel(el, el === 0 ? 0 : 1);
    pe.writeSystem("PAN", pan ? 1n << 22n : 0n);
    if (unprivileged && el === 1 && isLoadOrStore(how)) core.selectedContext = EL0_RIGHTS;
    core.pc = NOWHERE;
  }

  /** Make an access; what it was translated to, or the syndrome of its exception. */
  attempt(access: AccessCase, address: bigint, out: Translation): bigint | undefined {
    const { pe } = this;
    const [lo, hi] = halves(address);
    this.level(access);
    const before = pe.el;
    for (const name of ["ESR_EL1", "ESR_EL2", "FAR_EL1", "FAR_EL2", "HPFAR_EL2"]) pe.writeSystem(name, 0n);
    const operation = MAINTENANCE[access.how];
    const size = 1 << access.size;
    if (operation !== undefined) pe.operations.execute(operation, lo, hi);
    else if (access.how === "fetch") {
      let translated = pe.translateFetch(lo, hi, out);
      if (translated === Translated.moved) translated = pe.translateFetch(...halves(this.core.pc), out);
      if (translated === Translated.ok) return undefined;
    } else if (pe.translate(Access[access.how as "read"], lo, hi, size, out) === Translated.ok)
      return undefined;
    const syndrome = pe.readSystem(pe.el === 2 ? "ESR_EL2" : "ESR_EL1");
    if (operation !== undefined && syndrome === 0n) {
      expect(pe.el).toBe(before);
      return undefined;
    }
    return syndrome | (BigInt(pe.el) << 32n);
  }
}

const PLAIN: Record<AccessCase["how"], PlainAccess> = {
  read: "read",
  write: "write",
  rmw: "rmw",
  fetch: "fetch",
  clean: "clean",
  invalidate: "invalidate",
  zero: "write",
};

function request(access: AccessCase, address: bigint): PlainRequest {
  const { how, el, pan, unprivileged, size } = access;
  const oneByte = how === "clean" || how === "invalidate" || how === "fetch";
  return {
    address,
    access: PLAIN[how],
    el: unprivileged && el === 1 && isLoadOrStore(how) ? 0 : el,
    pan,
    aligned: how !== "zero" && (oneByte || address % BigInt(1 << size) === 0n),
  };
}

/** The syndrome (with the exception level it is for) that a fault has. */
function syndromeOf(
  fault: Extract<PlainResult, { kind: "fault" }>,
  access: AccessCase,
  r: TranslationRegisters,
) {
  const { how, el } = access;
  const tge = el === 0 && (r.HCR_EL2 & (1n << 27n)) !== 0n;
  const target = fault.secondStage || el === 2 || tge ? 2 : 1;
  const ec = (how === "fetch" ? 0x20 : 0x24) + (target === el ? 1 : 0);
  const maintenance = how === "clean" || how === "invalidate";
  const iss =
    fault.code |
    (fault.onWalk ? 1 << 7 : 0) |
    (fault.write || maintenance ? 1 << 6 : 0) |
    (maintenance ? 1 << 8 : 0);
  return (BigInt(target) << 32n) | BigInt(ec * 2 ** 26 + 2 ** 25 + iss);
}

/** No access that the PE refuses for another reason. */
function possible({ how, el }: AccessCase, r: TranslationRegisters): boolean {
  if (how === "invalidate" && el === 0) return false;
  // With HCR_EL2.TGE, EL1 is not there.
  return !((r.HCR_EL2 & (1n << 27n)) !== 0n && el === 1);
}

function addressOf({ pages }: Built, access: AccessCase): bigint {
  const { page, offset, size, how, beyond, tag } = access;
  const aligned = how === "fetch" ? offset & ~3 : offset;
  const where = Math.min(aligned, 4096 - (1 << size)) & (how === "fetch" ? ~3 : -1);
  return BigInt.asUintN(64, (pages[page % pages.length]! + BigInt(where)) ^ beyond ^ tag);
}

describe("address translation", () => {
  const machine = new Machine();

  it("does what the manual's pseudocode does, for every kind of access, granule, stage and entry", () => {
    const seen = new Map<string, number>();
    const note = (what: string): void => {
      seen.set(what, (seen.get(what) ?? 0) + 1);
    };
    fc.assert(
      fc.property(cases, fc.array(accesses, { minLength: 1, maxLength: 6 }), (c, list) => {
        const built = machine.set((core) => build(core, c));
        const r = built.registers;
        for (const access of list) {
          if (!possible(access, r)) continue;
          const written = addressOf(built, access);
          const address = access.how === "fetch" ? plainBranchAddress(r, access.el, written) : written;
          const expected = plainTranslate(machine.memory, r, request(access, address));
          const out = newTranslation();
          const found = machine.attempt(access, written, out);
          const what = `${access.how} of ${address.toString(16)} at EL${access.el}`;
          if (expected.kind === "ok") {
            const inRam = machine.memory(expected.physical & ~7n) !== undefined;
            const refused = !inRam && (access.how === "fetch" || access.how === "zero");
            if (refused) continue;
            expect(found, what).toBe(undefined);
            note(`${access.how} ${expected.device ? "Device" : "Normal"}`);
            // What was zeroed may have been a table.
            if (access.how === "zero") machine.pe.reload();
            if (access.how in MAINTENANCE) continue;
            expect(BigInt(out.physical), what).toBe(expected.physical);
            const bits = expected.bits ?? 12;
            expect(out.pageShift, what).toBe(bits < 17 ? 12 : bits);
            continue;
          }
          expect(found?.toString(16), what).toBe(syndromeOf(expected, access, r).toString(16));
          const { pe } = machine;
          expect(pe.readSystem(pe.el === 2 ? "FAR_EL2" : "FAR_EL1"), what).toBe(address);
          if (expected.secondStage)
            expect(pe.readSystem("HPFAR_EL2"), what).toBe((expected.ipa >> 12n) << 4n);
          note(
            `${expected.secondStage ? (expected.onWalk ? "table" : "second") : "first"} ${expected.code >> 2}`,
          );
        }
      }),
      { numRuns: 4000 },
    );
    // Address size, translation, access flag, permission, external, alignment; where the stage has them.
    const expected = [
      ...["first 0", "first 1", "first 2", "first 3", "first 8"],
      ...["second 0", "second 1", "second 2", "second 3", "second 8"],
      ...["table 1", "table 2", "table 3"],
      ...["read Normal", "read Device", "write Normal", "rmw Normal", "fetch Normal", "clean Normal"],
    ];
    for (const what of expected) expect(seen.get(what), what).toBeGreaterThan(5);
  });

  it("in WebAssembly is made wherever it is of Normal memory in RAM, and gives what the pseudocode does", () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(cases, fc.array(accesses, { minLength: 1, maxLength: 6 }), (c, list) => {
        const built = machine.set((core) => build(core, c));
        const r = built.registers;
        for (const any of list) {
          const access: AccessCase = { ...any, how: "read", size: 0 };
          if (!possible(access, r)) continue;
          const address = addressOf(built, access);
          machine.level(access);
          const entry = machine.core.walk(address, machine.core.selectedContext);
          // Without any right it is as good as none.
          const walked = (entry & 3n) === 0n ? -1n : entry;
          const what = `${address.toString(16)} at EL${access.el}`;
          const asked = request(access, address);
          const ways = (["read", "write"] as const).map((how) =>
            plainTranslate(machine.memory, r, { ...asked, access: how }),
          );
          const [read, write] = ways.map((way) => way.kind === "ok") as [boolean, boolean];
          const way = ways.find(({ kind }) => kind === "ok");
          if (way?.kind !== "ok") {
            expect(walked, what).toBe(-1n);
            continue;
          }
          const { physical, bits = 12 } = way;
          const inRam = machine.memory(physical & ~7n) !== undefined;
          const device = way.guestDevice || (way.device && way.bits !== undefined);
          const shift = bits < 17 ? 12 : bits;
          const tagged = address >> 48n !== 0n && address >> 48n !== 0xffffn;
          if (!inRam || device || (tagged && shift > 12)) {
            expect(walked, what).toBe(-1n);
            continue;
          }
          const host = (physical - BigInt(RAM)) & ~0xfffn;
          const rights = (read ? WALKED.readable : 0) | (write ? WALKED.writable : 0);
          expect(walked.toString(16), what).toBe(
            (host | BigInt(rights | (shift << WALKED.shift))).toString(16),
          );
          const stages = `${c.stage1 ? c.halves[address >> 55n === 0n ? 0 : 1]!.grain : 0} ${c.vm ? c.guest.grain : 0}`;
          for (const met of [stages, `EL${access.el} ${machine.core.selectedContext}`, `rights ${rights}`])
            seen.set(met, (seen.get(met) ?? 0) + 1);
          // What was remembered gives the same.
          expect(machine.core.walk(address, machine.core.selectedContext), what).toBe(walked);
        }
      }),
      { numRuns: 4000 },
    );
    const granules = [0, 12, 14, 16];
    const expected = [
      ...granules.flatMap((first) => granules.map((second) => `${first} ${second}`)),
      ...["EL0 0", "EL1 0", "EL1 1", "EL1 2", "EL2 0", "rights 1", "rights 2", "rights 3"],
    ];
    for (const what of expected) expect(seen.get(what), what).toBeGreaterThan(2);
  });
});
