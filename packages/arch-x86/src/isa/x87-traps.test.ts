import { describe, expect, test } from "vitest";
import { X87 } from "../cpu/state.js";
import {
  all,
  core,
  DONE,
  ERROR_SUMMARY,
  ending,
  endings,
  MF,
  NM,
  rows,
} from "../testing/instruction-endings.js";
import type { Row } from "../testing/user-sequences.js";

// What keeps floating-point instructions from being executed, and what they note: SDM volume 1, 8.1.8 and 8.6, and
// volume 3, 2.5 and 13.2.

const ofFeature = (pattern: RegExp) => rows.filter(({ feature }) => pattern.test(feature));
const x87 = ofFeature(/^x87$/);
const fxsr = ofFeature(/^FXSR$/);
const xsave = ofFeature(/^XSAVE$/);
const some = [...x87, ...fxsr, ...xsave];

const nonWaiting = (row: Row) => /^(fn(?!op)|fx(save|rstor)|x(save|rstor))/.test(row.name);
/** Restoring nonsense is not what is asked. */
const restores = (row: Row) => /^(frstor|fldenv|fxrstor|xrstor)/.test(row.name);

describe("floating-point instructions", () => {
  test("there are as many as the manual has, and a few encodings more", () => {
    expect(x87.length).toBeGreaterThan(130);
    expect([fxsr.length, xsave.length]).toEqual([4, 4]);
  });

  test("end by themselves", () => {
    expect(endings(some, {})).toEqual(all(some, () => DONE));
  });

  test("CR0.EM makes them unavailable, but not WAIT and XSAVE", () => {
    const free = (row: Row) => row.name === "fwait" || row.feature === "XSAVE";
    expect(endings(some, { emulated: true })).toEqual(all(some, (row) => (free(row) ? DONE : NM)));
  });

  test("they wait for the tasks' registers to be switched, WAIT if CR0.MP says so", () => {
    const switched = { taskSwitched: true, monitored: true };
    expect(endings(some, switched)).toEqual(all(some, () => NM));
    const unmonitored = { taskSwitched: true, monitored: false };
    expect(endings(some, unmonitored)).toEqual(all(some, (row) => (row.name === "fwait" ? DONE : NM)));
  });

  test("they raise exceptions that are pending, unless they do not wait", () => {
    const others = some.filter((row) => !restores(row) || !nonWaiting(row));
    expect(endings(others, {}, ERROR_SUMMARY)).toEqual(all(others, (row) => (nonWaiting(row) ? DONE : MF)));
  });

  test("they do not need CR4.OSFXSR", () => {
    expect(endings(some, { sse: false })).toEqual(all(some, () => DONE));
  });
});

test("instructions that are no control instructions note where they are, and what they were", () => {
  const named = (name: string) => rows.find((row) => row.name === name) as Row;
  const noted = (name: string) => {
    core.setBig(X87.instruction, 1n);
    core.setBig(X87.data, 2n);
    core.set(X87.opcode, 3, 0);
    const row = named(name);
    expect(ending(row, {})).toBe(DONE);
    const at = core.big(X87.instruction);
    return [
      at === 1n ? "kept" : at - 0x2_0000n - BigInt(32 * row.index),
      core.big(X87.data),
      core.lo(X87.opcode),
    ];
  };
  // FADD m32 at RBX: D8 03; FSTP m64: DD 1B; FADD ST, ST(3): D8 C3.
  expect(noted("fadd Md")).toEqual([0n, 0x4_0000n, 0x003]);
  expect(noted("fstp Mq")).toEqual([0n, 0x4_0000n, 0x51b]);
  expect(noted("fadd st, STi")).toEqual([0n, 2n, 0x0c3]);
  for (const name of ["fldcw Mw", "fnstcw Mw", "fnstsw ax", "fnclex", "fwait"])
    expect(noted(name)).toEqual(["kept", 2n, 3]);
});
