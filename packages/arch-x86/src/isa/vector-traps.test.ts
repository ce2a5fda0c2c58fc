import { type Core, Prng } from "@hypercraft/engine";
import { createFlatUser } from "@hypercraft/engine/testing/flat-user";
import { describe, expect, test } from "vitest";
import { GPR, X87, XMM, x86Layout } from "../cpu/state.js";
import { FLOATING_POINT } from "../testing/engine-user.js";
import {
  all,
  core,
  DONE,
  ERROR_SUMMARY,
  ending,
  endings,
  MF,
  ModalCpu,
  NM,
  rows,
  UD,
} from "../testing/instruction-endings.js";
import type { Row } from "../testing/user-sequences.js";
import { encode, rmKind } from "./encode.js";

// What keeps instructions on MMX and XMM registers from being executed: SDM volume 1, 9.6 and 13.1, and volume 2, 2.6.

const BASE = 0x2_0000;
const DATA = 0x4_0000;
const STEP = 32;

const has = ({ operands }: Row, kind: "xmm" | "mmx"): boolean =>
  operands.some(({ place }) => place.startsWith(kind));
const vectorRows = rows.filter((row) => has(row, "xmm") || has(row, "mmx") || row.name === "emms");
const controls = rows.filter(({ name }) => /^(ld|st)mxcsr/.test(name));
/** Of SSE and later, but on no vector. */
const others = rows.filter(({ name }) => /^(movnti|crc32|[lms]fence|clflush|prefetch(nta|t\d))/.test(name));

describe("on vectors", () => {
  const some = [...vectorRows, ...controls];
  const isMmx = (row: Row) => !has(row, "xmm") && !/mxcsr/.test(row.name);

  test("they need CR0.EM to be clear", () => {
    expect(endings(some, { emulated: true })).toEqual(all(some, () => UD));
    expect(endings(some, { emulated: true, taskSwitched: true })).toEqual(all(some, () => UD));
  });

  test("those on XMM registers need CR4.OSFXSR", () => {
    expect(endings(some, { sse: false })).toEqual(all(some, (row) => (isMmx(row) ? DONE : UD)));
  });

  test("they wait for the tasks' registers to be switched", () => {
    expect(endings(some, { taskSwitched: true })).toEqual(all(some, () => NM));
  });

  test("those on MMX registers take x87's exceptions that are pending", () => {
    const pending = (row: Row) => has(row, "mmx") || row.name === "emms";
    expect(endings(some, {}, ERROR_SUMMARY)).toEqual(all(some, (row) => (pending(row) ? MF : DONE)));
  });
});

test("of all this the others need nothing", () => {
  expect(others.length).toBeGreaterThan(10);
  const change = { emulated: true, sse: false, taskSwitched: true };
  expect(endings(others, change, ERROR_SUMMARY)).toEqual(all(others, () => DONE));
});

test("MMX instructions begin MMX's use of the x87 registers, and EMMS ends it", () => {
  const TOP_5 = 5 << 11;
  for (const row of vectorRows.filter((one) => has(one, "mmx"))) {
    core.set(X87.exponent[1]!, 0, 0);
    expect(ending(row, {}, TOP_5 | 0x4700)).toBe(DONE);
    const writes = row.operands[0]?.place === "mmxReg" && !row.name.startsWith("maskmov");
    expect([row.name, core.lo(X87.status), core.lo(X87.used)]).toEqual([row.name, 0x4700, 0xff]);
    expect([row.name, core.lo(X87.exponent[1]!)]).toEqual([row.name, writes ? 0xffff : 0]);
  }
  const emms = rows.find(({ name }) => name === "emms") as Row;
  ending(emms, {}, TOP_5);
  expect([core.lo(X87.status), core.lo(X87.used)]).toEqual([0, 0]);
  // With memory it has nothing to do with MMX.
  ending(rows.find(({ name }) => name === "cvtpi2pd Vpd, Mq") as Row, {}, TOP_5);
  expect([core.lo(X87.status), core.lo(X87.used)]).toEqual([TOP_5, 0]);
});

test("memory operands of 16 bytes are aligned, but for a few", () => {
  const inMemory = vectorRows.filter(
    (row) =>
      rmKind(row) !== "register" &&
      row.operands.some(({ place, size }) => /^(xmmRm|memory)$/.test(place) && size === 16),
  );
  const code = new Uint8Array(inMemory.length * STEP);
  for (const [i, row] of inMemory.entries())
    code.set([...encode(row, { reg: 1, rm: { base: 3, displacement: 8 } }), 0x0f, 0x05], i * STEP);
  const { core: own } = createFlatUser(
    { image: code, base: BASE },
    { cpu: (one: Core) => new ModalCpu(one), floatingPoint: FLOATING_POINT, tier: "cold" },
  );
  const fine = inMemory.filter((_, i) => {
    own.setBig(GPR[3]!, BigInt(DATA));
    own.setPc(BASE + i * STEP, 0);
    own.run(10);
    const end = String(own.exit);
    expect(end).toMatch(/^(misaligned|system call)/);
    return end === DONE;
  });
  expect([...new Set(fine.map(({ mnemonic }) => mnemonic))].sort()).toEqual(
    ["lddqu", "movdqu", "movupd", "movups", "pcmpestri", "pcmpestrm", "pcmpistri", "pcmpistrm"].sort(),
  );
});

describe("approximations", () => {
  const run = (name: string, x: bigint, y: bigint): bigint => {
    core.setBig(XMM[1]!, x);
    core.setBig(XMM[3]!, y);
    const row = rows.find((one) => one.name === name) as Row;
    expect(ending(row, {})).toBe(DONE);
    return core.big(XMM[1]!);
  };
  const lanesOf = (all: bigint): number[] => [
    ...new Float32Array(new BigUint64Array([BigInt.asUintN(64, all), all >> 64n]).buffer),
  ];

  test.each([
    ["rcp", (x: number) => 1 / x],
    ["rsqrt", (x: number) => 1 / Math.sqrt(x)],
  ])("%s is good enough, and raises nothing", (name, exact) => {
    const prng = new Prng(1);
    const lane = () => BigInt(0x0100_0000 + prng.below(0x7d00_0000));
    core.set(x86Layout.fpFlags, 0, 0);
    for (let i = 0; i < 500; i++) {
      const y = lane() | (lane() << 32n) | (lane() << 64n) | (lane() << 96n);
      const wanted = lanesOf(y).map(exact);
      const packed = lanesOf(run(`${name}ps Vps, Wps`, 0n, y));
      for (const [k, value] of packed.entries())
        expect(Math.abs(value / (wanted[k] as number) - 1)).toBeLessThan(1.5 * 2 ** -12);
      const scalar = run(`${name}ss Vss, Wss`, -1n & ((1n << 128n) - 1n), y);
      expect(scalar >> 32n).toBe((1n << 96n) - 1n);
      expect(lanesOf(scalar)[0]).toBe(packed[0]);
    }
    expect(core.lo(x86Layout.fpFlags)).toBe(0);
  });
});
