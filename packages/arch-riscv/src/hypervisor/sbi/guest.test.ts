import { BufferConsole } from "@hypercraft/hypercraft";
import { describe, expect, test } from "vitest";
import {
  assembleGuest,
  type Guest,
  RAM,
  RAM_SIZE,
  reg,
  runTo,
  runToStop,
  STOP,
} from "../../testing/vm/rig.js";
import { BASE, calls, DBCN, HSM, IPI, RFENCE, SRST, sbi, TIME } from "../../testing/vm/sbi-text.js";
import { Eid, SbiError } from "./constants.js";

// The SBI as guest code in VS-mode sees it: registers in, registers out.

const RESULTS = RAM + 0x10_0000;
const u64 = (value: bigint | number) => BigInt.asUintN(64, BigInt(value));
/** What a1 holds before each call: legacy calls leave it. */
const KEPT = 0x5a5an;

/** Results of calls, in order: a0 as a signed number, and a1. */
function results(
  texts: readonly string[],
  options: Parameters<typeof assembleGuest>[1] = {},
): [number, bigint][] {
  const guest = assembleGuest(calls(RESULTS, ...texts) + STOP, options);
  runToStop(guest);
  return texts.map((_, i) => resultAt(guest, i));
}

function resultAt({ vm }: Guest, index: number): [number, bigint] {
  const word = (at: number) => vm.memory!.readU64(RESULTS + 16 * index + at);
  return [Number(BigInt.asIntN(64, word(0))), word(8)];
}

test("base: version, identification, probes", () => {
  const probes = [...Object.values(Eid), 0x504d55, 0x53555350, 0x09, 0x0900_0001, 0x485643];
  const all = results([
    sbi(BASE, 0),
    sbi(BASE, 1),
    sbi(BASE, 4),
    sbi(BASE, 5),
    sbi(BASE, 6),
    sbi(BASE, 7),
    ...probes.map((eid) => sbi(BASE, 3, eid)),
  ]);
  expect(all.slice(0, 6)).toEqual([
    [0, 0x0200_0000n],
    [0, 0x6863n],
    [0, 0n],
    [0, 0n],
    [0, 0n],
    [SbiError.notSupported, 0n],
  ]);
  expect(all.slice(6).map(([error, value]) => [error, Number(value)])).toEqual(
    probes.map((_, i) => [0, i < Object.keys(Eid).length ? 1 : 0]),
  );
});

test("an unknown extension or function is not supported", () => {
  const texts = [sbi(0x1234_5678, 0), sbi(0xf, 0), sbi(TIME, 1), sbi(IPI, 9), sbi(RFENCE, 7), sbi(-5n, 0)];
  expect(results(texts)).toEqual(texts.map(() => [SbiError.notSupported, 0n]));
});

test("a call changes a0 and a1 and nothing else", () => {
  const own = (i: number) => 0x1_0000_0001n * BigInt(i);
  const free = Array.from({ length: 31 }, (_, i) => i + 1).filter((i) => ![10, 11, 16, 17].includes(i));
  const guest = assembleGuest(
    `${free.map((i) => `li x${i}, ${own(i)}`).join("\n")}\n${sbi(BASE, 3, TIME)}hook: li a7, 0x485643\nli a6, 0x77\necall\n`,
  );
  runToStop(guest);
  for (const i of free) expect(guest.vcpu.getGpr(i), `x${i}`).toBe(own(i));
  expect([reg(guest.vcpu, "a0"), reg(guest.vcpu, "a1")]).toEqual([0n, 1n]);
});

describe("legacy calls", () => {
  test("console: putchar and getchar, results in a0 alone", () => {
    const console = new BufferConsole();
    console.feed("q");
    const texts = [sbi(1, 0, 0x41), sbi(1, 0, 0xff0a), sbi(2, 0), sbi(2, 0)];
    expect(results(texts, { console })).toEqual([
      [0, KEPT],
      [0, KEPT],
      [0x71, KEPT],
      [-1, KEPT],
    ]);
    expect(console.text()).toBe("A\n");
  });

  test("IPI to oneself through a mask in memory, and clearing it", () => {
    const MASK = RAM + 0x1f_0000;
    const guest = assembleGuest(
      `li t0, ${MASK}\nli t1, 1\nsd t1, 0(t0)\n${calls(RESULTS, sbi(4, 0, MASK), sbi(3, 0), sbi(3, 0), sbi(4, 0, 0x1000))}${STOP}`,
    );
    runToStop(guest);
    expect([0, 1, 2, 3].map((i) => resultAt(guest, i))).toEqual([
      [0, KEPT],
      [1, KEPT],
      [0, KEPT],
      [-1, KEPT],
    ]);
  });

  test("shutdown", () => {
    const { vcpu } = assembleGuest(sbi(8, 0));
    expect(runTo(vcpu, "systemShutdown")).toMatchObject({ failure: false, code: 0 });
  });
});

describe("system reset", () => {
  test.each([
    [0, 0, "systemShutdown", { failure: false, code: 0 }],
    [0, 1, "systemShutdown", { failure: true, code: 1 }],
    [1, 0, "systemReset", { warm: false, failure: false }],
    [2, 1, "systemReset", { warm: true, failure: true }],
  ] as const)("type %d, reason %d", (type, reason, kind, fields) => {
    const { vcpu } = assembleGuest(sbi(SRST, 0, type, reason));
    expect(runTo(vcpu, kind)).toMatchObject(fields);
  });

  test("reserved and foreign types and reasons", () => {
    const texts = [
      sbi(SRST, 0, 3, 0),
      sbi(SRST, 0, 0, 2),
      sbi(SRST, 0, 0xf000_0000n, 0),
      sbi(SRST, 0, 0, 0xe000_0000n),
    ];
    expect(results(texts)).toEqual(texts.map(() => [SbiError.invalidParam, 0n]));
    expect(results([sbi(SRST, 1, 0, 0)])).toEqual([[SbiError.notSupported, 0n]]);
  });
});

describe("debug console", () => {
  const TEXT = RAM + 0x1f_0000;

  test("writes, reads and single bytes", () => {
    const console = new BufferConsole();
    console.feed("input");
    const guest = assembleGuest(
      calls(
        RESULTS,
        sbi(DBCN, 0, 6, TEXT, 0),
        sbi(DBCN, 2, 0x121),
        sbi(DBCN, 1, 3, TEXT, 0),
        sbi(DBCN, 1, 100, TEXT + 3, 0),
        sbi(DBCN, 1, 100, TEXT, 0),
        sbi(DBCN, 0, 0, TEXT, 0),
        sbi(DBCN, 0, 5000, TEXT, 0),
      ) + STOP,
      { console },
    );
    guest.vm.memory?.write(TEXT, new TextEncoder().encode("output"));
    runToStop(guest);
    expect(Array.from({ length: 7 }, (_, i) => resultAt(guest, i))).toEqual([
      [0, 6n],
      [0, 0n],
      [0, 3n],
      [0, 2n],
      [0, 0n],
      [0, 0n],
      // It may take less than it is given, and says so.
      [0, 4096n],
    ]);
    expect(console.text().slice(0, 12)).toBe("output!input");
  });

  test("only RAM", () => {
    const end = RAM + RAM_SIZE;
    const texts = [
      sbi(DBCN, 0, 2, end - 1, 0),
      sbi(DBCN, 0, 1, 0x1000_0000, 0),
      sbi(DBCN, 0, 1, TEXT, 1),
      sbi(DBCN, 1, u64(-1n), TEXT, 0),
      sbi(DBCN, 1, 1, u64(-1n), u64(-1n)),
    ];
    expect(results(texts)).toEqual(texts.map(() => [SbiError.invalidParam, 0n]));
    expect(results([sbi(DBCN, 0, 1, end - 1, 0)])).toEqual([[0, 1n]]);
  });
});

test("hart masks: a base of all ones is everybody, a hart that is not there is an error", () => {
  const all = u64(-1n);
  const texts = [
    sbi(IPI, 0, 1, 0),
    sbi(IPI, 0, 0, all),
    sbi(IPI, 0, 0, 0),
    sbi(IPI, 0, 0b100, 0),
    sbi(IPI, 0, 1, 5),
    sbi(IPI, 0, 2, all - 1n),
    sbi(RFENCE, 1, 0b11, 0, 0, 0),
    sbi(RFENCE, 2, 1, 1, 0, 0, 7),
    sbi(RFENCE, 0, 0b1000, 0),
    // Of the hypervisor extension, which the guest's harts do not have.
    ...[3, 4, 5, 6].map((fid) => sbi(RFENCE, fid, 1, 0, 0, 0)),
  ];
  const [ok, bad, none] = [0, SbiError.invalidParam, SbiError.notSupported];
  expect(results(texts, { cpus: 2 }).map(([error]) => error)).toEqual([
    ok,
    ok,
    ok,
    bad,
    bad,
    bad,
    ok,
    ok,
    bad,
    none,
    none,
    none,
    none,
  ]);
});

test("hart state management refuses what is not a hart, not code or not a suspend type", () => {
  const texts = [
    sbi(HSM, 0, 2, RAM, 0),
    sbi(HSM, 0, u64(-1n), RAM, 0),
    sbi(HSM, 0, (1n << 48n) + 1n, RAM, 0),
    sbi(HSM, 2, 1n << 32n),
    sbi(HSM, 0, 0, RAM, 0),
    sbi(HSM, 0, 1, 0x1000_0000, 0),
    sbi(HSM, 0, 1, RAM + 1, 0),
    sbi(HSM, 0, 1, u64(-2n), 0),
    sbi(HSM, 3, 1, 0, 0),
    sbi(HSM, 3, 0x8000_0000n, RAM + RAM_SIZE, 0),
    sbi(HSM, 3, 0x8000_0001n, RAM, 0),
    sbi(HSM, 4, 0),
  ];
  const { invalidParam, alreadyAvailable, invalidAddress, notSupported } = SbiError;
  expect(results(texts, { cpus: 2 }).map(([error]) => error)).toEqual([
    invalidParam,
    invalidParam,
    invalidParam,
    invalidParam,
    alreadyAvailable,
    invalidAddress,
    invalidAddress,
    invalidAddress,
    invalidParam,
    invalidAddress,
    invalidParam,
    notSupported,
  ]);
});
