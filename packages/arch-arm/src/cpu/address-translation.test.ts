import { FakeBus, FakeClock, FakeCore } from "@hypercraft/engine/testing/fake-core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Question,
  TRANSLATIONS,
  type TranslationName,
  translateOnQemu,
} from "../testing/cpu/address-translation.js";
import { type PlainMemory, plainTranslate } from "../testing/cpu/plain-walker.js";
import { BLOB, haveQemuSystem, type QemuCpu } from "../testing/cpu/qemu-system.js";
import { accesses, build, type Case, cases } from "../testing/cpu/translation-cases.js";
import { ArmPe } from "./pe.js";
import { armLayout } from "./state.js";
import { registerNumber } from "./system-register.js";

const RAM_BYTES = 40 << 20;
/** Tables of one case; larger ones are left out. */
const MOST = 256 << 10;
const CASES = 1000;
const EXTERNAL_ON_WALK = 0x14;
const PAR_FAULT = 1n;
const PAR_PTW = 1n << 8n;

const number = (name: TranslationName): number => {
  const i = TRANSLATIONS.indexOf(name);
  return registerNumber(1, i < 4 ? 0 : 4, 7, 8, i);
};

function machine() {
  const core = new FakeCore(armLayout, BLOB, RAM_BYTES);
  const lift = () => {
    throw new Error("a fake core lifts nothing");
  };
  const options = { index: 0, mode: "bare", clock: new FakeClock(), bus: new FakeBus(), lift } as const;
  return { core, pe: new ArmPe(core, options) };
}

/**
 * The case as that processor takes it like ours, if it does. What is different in QEMU 7: with HCR_EL2.TGE the first stage
 * is not off for AT; HCR_EL2.PTW counts without VM; a second stage whose input is larger than its output faults, and a
 * block of 64 GiB or 4 TiB does not.
 */
function suitable(c: Case, cpu: QemuCpu): Case | undefined {
  const { halves, guest } = c;
  const shapes = [...halves, guest];
  const blocks = c.spoiled.some(({ flip }) => flip === 1);
  if (blocks && shapes.some(({ grain }) => grain !== 12)) return undefined;
  const usual: Case = {
    ...c,
    tge: false,
    protectedWalk: c.protectedWalk && c.vm,
    guest: { ...guest, vtcr: undefined, output: 4 },
  };
  // This one has no pages of 16 KiB.
  if (cpu === "cortex-a57") return shapes.some(({ grain }) => grain === 14) ? undefined : usual;
  // This one has larger addresses, smaller tables, and another XN bit in the second stage.
  if (c.output > 4 || !c.stage1 || c.defaultCacheable) return undefined;
  if (halves.some(({ size }) => size !== undefined) || c.spoiled.some(({ flip }) => flip === 53))
    return undefined;
  return usual;
}

/** Random regimes with what is asked in them, and where their tables end. */
function questions(core: FakeCore, cpu: QemuCpu): { readonly list: Question[]; readonly end: number } {
  const list: Question[] = [];
  const memory: PlainMemory = (address) =>
    address >= BigInt(BLOB) && address < BigInt(BLOB + RAM_BYTES) ? core.read64(Number(address)) : undefined;
  let end = BLOB;
  const ways = fc.array(accesses, { minLength: TRANSLATIONS.length, maxLength: TRANSLATIONS.length });
  for (const [any, list8] of fc.sample(fc.tuple(cases, ways), { numRuns: CASES, seed: 4 })) {
    const c = suitable(any, cpu);
    if (c === undefined) continue;
    const from = Math.ceil(end / 4096) * 4096;
    const { registers, pages, end: used } = build(core, c, from);
    if (used - from > MOST) {
      core.bytes.fill(0, from - BLOB, used - BLOB);
      continue;
    }
    end = used;
    const asked = list8
      .map(({ page, offset, beyond, tag }, i) => ({
        name: TRANSLATIONS[i]!,
        address: (pages[page % pages.length]! + BigInt(offset)) ^ beyond ^ tag,
      }))
      // Where there is no RAM here, there may be something there.
      .filter(({ name, address }) => {
        const el = name.includes("e0") ? 0 : 1;
        const way = { address, access: "read", el, pan: false, aligned: true } as const;
        const result = plainTranslate(memory, registers, way);
        return result.kind === "ok" || (result.code & 0x3c) !== EXTERNAL_ON_WALK;
      });
    list.push({ registers, asked });
  }
  return { list, end };
}

/** What of PAR_EL1 is comparable. */
function comparable(par: bigint): bigint {
  // QEMU gives the first stage's level for faults of the second on its walks.
  if ((par & PAR_FAULT) !== 0n) return (par & PAR_PTW) !== 0n ? par & ~6n : par;
  // Bit 9 is NS, bit 10 is the implementation's; QEMU leaves Device memory and what is not cached the SH of the leaf, and
  // takes Normal memory that is not cached for Device-nGnRE where the other stage has Device-GRE.
  const attributes = par >> 56n;
  const device = attributes < 16n;
  const sh = device || attributes === 0x44n ? 0x180n : 0n;
  return par & ~(0x600n | sh | (device && attributes !== 0n ? 0xcn << 56n : 0n));
}

describe("AT", () => {
  it.skipIf(!haveQemuSystem()).each<QemuCpu>(["cortex-a57", "max"])(
    "gives what it gives on QEMU's %s, in any regime",
    (cpu) => {
      const { core, pe } = machine();
      const { list, end } = questions(core, cpu);
      const theirs = translateOnQemu(core.bytes.subarray(0, end - BLOB), list, cpu);
      let [i, worked] = [0, 0];
      for (const { registers, asked } of list) {
        pe.setLevel(2, 1);
        // EL2 has its MMU off there.
        for (const [name, value] of Object.entries(registers))
          if (name !== "SCTLR_EL2") pe.writeSystem(name, value);
        pe.reload();
        for (const { name, address } of asked) {
          const lo = Number(BigInt.asIntN(32, address));
          pe.operations.execute(number(name), lo, Number(BigInt.asIntN(32, address >> 32n)));
          const ours = pe.readSystem("PAR_EL1");
          const what = `at ${name} of ${address.toString(16)}`;
          expect(comparable(ours).toString(16), what).toBe(comparable(theirs[i++] as bigint).toString(16));
          if ((ours & PAR_FAULT) === 0n) worked++;
        }
      }
      expect(worked).toBeGreaterThan(500);
      expect(i - worked).toBeGreaterThan(500);
    },
  );
});
