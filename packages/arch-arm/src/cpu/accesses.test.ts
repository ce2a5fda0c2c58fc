import { FakeCore } from "@hypercraft/engine/testing/fake-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type AccessInstruction,
  accessProgram,
  FETCHED_BYTES,
  INSTRUCTIONS,
  type Outcome,
  outcomes,
  type Regimen,
} from "../testing/cpu/access-program.js";
import { type PlainMemory, plainTranslate, type TranslationRegisters } from "../testing/cpu/plain-walker.js";
import { runOnPe } from "../testing/cpu/program-on-pe.js";
import { BLOB, haveQemuSystem, PROGRAM, type QemuCpu, runOnQemu } from "../testing/cpu/qemu-system.js";
import {
  type AccessCase,
  accesses,
  build,
  type Case,
  cases,
  PROGRAM_OFFSET,
} from "../testing/cpu/translation-cases.js";
import { armLayout } from "./state.js";

const RAM_BYTES = 15 << 19;
/** So much for tables in all. */
const ENOUGH = 6 << 20;
/** Tables of one case; larger ones are left out. */
const MOST = 96 << 10;
const CASES = 1500;
const EXTERNAL_ON_WALK = 0x14;
const S1PTW = 1n << 7n;

/** As in the test of AT: what QEMU does otherwise, or does not have. */
function suitable(c: Case, cpu: QemuCpu): Case | undefined {
  const shapes = [c.halves[0], c.guest];
  const tables = c.spoiled.some(({ flip }) => flip === 1);
  if (tables && shapes.some(({ grain }) => grain !== 12)) return undefined;
  if (cpu === "cortex-a57" && shapes.some(({ grain }) => grain === 14)) return undefined;
  if (cpu === "max") {
    if (c.halves[0].size !== undefined || c.spoiled.some(({ flip }) => flip === 53)) return undefined;
  }
  return {
    ...c,
    output: c.output === 5 || c.output === 7 ? 4 : c.output,
    protectedWalk: c.protectedWalk && c.vm,
    guest: { ...c.guest, vtcr: undefined, output: 4 },
  };
}

/** The memory at `BLOB`. */
const memoryOf =
  (core: FakeCore): PlainMemory =>
  (address) =>
    address >= BigInt(BLOB) && address < BigInt(BLOB + RAM_BYTES) ? core.read64(Number(address)) : undefined;

/** Does all of the program that runs at EL1 and EL0 get where it is? */
function programRuns(memory: PlainMemory, r: TranslationRegisters): boolean {
  for (let at = PROGRAM; at < PROGRAM + FETCHED_BYTES; at += 4096) {
    const address = BigInt(at) + PROGRAM_OFFSET;
    for (const el of [0, 1] as const) {
      const way = { address, access: "fetch", el, pan: false, aligned: true } as const;
      const result = plainTranslate(memory, r, way);
      if (result.kind !== "ok" || result.physical !== BigInt(at)) return false;
    }
  }
  return true;
}

function regimens(core: FakeCore, cpu: QemuCpu): { readonly list: Regimen[]; readonly end: number } {
  const list: Regimen[] = [];
  const memory = memoryOf(core);
  let end = BLOB;
  const ways = fc.array(fc.tuple(accesses, fc.constantFrom(...INSTRUCTIONS)), {
    minLength: 10,
    maxLength: 10,
  });
  for (const [any, tried] of fc.sample(fc.tuple(cases, ways), { numRuns: CASES, seed: 5 })) {
    const c = suitable(any, cpu);
    if (c === undefined || end > BLOB + ENOUGH) continue;
    const from = Math.ceil(end / 4096) * 4096;
    const built = build(core, c, from, PROGRAM);
    const { registers: r, pages } = built;
    if (built.end - from > MOST || !programRuns(memory, r)) {
      core.bytes.fill(0, from - BLOB, built.end - BLOB);
      continue;
    }
    end = built.end;
    const where = ({ page, offset, beyond, tag }: AccessCase): bigint =>
      BigInt.asUintN(64, (pages[page % pages.length]! + BigInt(offset & ~15)) ^ beyond ^ tag);
    const inMemory = (address: bigint, el: 0 | 1, pan: boolean, instruction: AccessInstruction): boolean => {
      const user = el === 0 || /^(ld|st)t/.test(instruction);
      const access = instruction.startsWith("ld") ? "read" : "write";
      const way = { address, access, el: user ? 0 : 1, pan, aligned: true } as const;
      const result = plainTranslate(memory, r, way);
      if (result.kind === "fault") return (result.code & 0x3c) !== EXTERNAL_ON_WALK;
      return memory(result.physical & ~7n) !== undefined;
    };
    const made = tried.flatMap(([way, instruction]) => {
      const el = way.el === 0 ? 0 : 1;
      const pan = way.pan && cpu === "max";
      const address = where(way);
      return inMemory(address, el, pan, instruction) ? [{ instruction, address, el, pan } as const] : [];
    });
    list.push({ registers: r, accesses: made });
  }
  return { list, end };
}

/** What is comparable: QEMU gives the first stage's level for faults of the second on its walks. */
function comparable(outcome: Outcome): Outcome {
  const ec = outcome.ESR_EL2 >> 26n;
  const onWalk = (ec === 0x24n || ec === 0x20n) && (outcome.ESR_EL2 & S1PTW) !== 0n;
  return onWalk ? { ...outcome, ESR_EL2: outcome.ESR_EL2 & ~3n } : outcome;
}

describe.skipIf(!haveQemuSystem()).each<QemuCpu>(["cortex-a57", "max"])(
  "loads and stores as on QEMU's %s",
  (cpu) => {
    let source: string;
    let blob: Uint8Array<ArrayBuffer>;
    let tried: { readonly what: string }[];
    let theirs: readonly Outcome[];
    beforeAll(() => {
      const core = new FakeCore(armLayout, BLOB, RAM_BYTES);
      const { list, end } = regimens(core, cpu);
      tried = list.flatMap(({ accesses: made, registers }) =>
        made.map(({ instruction, address, el, pan }) => ({
          what: `${instruction} at ${address.toString(16)}, EL${el}${pan ? " with PAN" : ""} ${JSON.stringify(registers, (_, v) => (typeof v === "bigint" ? v.toString(16) : v))}`,
        })),
      );
      ({ source, blob } = accessProgram(core.bytes.subarray(0, end - BLOB), list));
      theirs = outcomes(runOnQemu(source, blob, cpu), tried.length);
    });

    it.each([
      ["cold", true],
      ["cold", false],
      ["hot", true],
    ] as const)("%s tier, walks in WebAssembly: %s", (tier, walks) => {
      const ours = outcomes(runOnPe(source, blob, tier, walks), tried.length);
      const hex = (o: Outcome) =>
        Object.entries(comparable(o)).map(([name, value]) => `${name} ${value.toString(16)}`);
      ours.forEach((outcome, i) => {
        expect(hex(outcome), tried[i]!.what).toEqual(hex(theirs[i]!));
      });
      const worked = ours.filter(({ ESR_EL1 }) => ESR_EL1 === 0x5600_0001n).length;
      expect(worked).toBeGreaterThan(150);
      expect(ours.length - worked).toBeGreaterThan(150);
    });
  },
);
