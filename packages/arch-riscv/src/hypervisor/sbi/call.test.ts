import { beforeEach, expect, test } from "vitest";
import { sbiCall } from "./call.js";
import { Eid, HsmState, SbiError } from "./constants.js";
import type { RemoteFence, SbiHost, SbiOutcome } from "./host.js";

const RAM = 0x8000_0000;
let output: string;
let input: number[];
let fences: [readonly number[], RemoteFence][];
let timers: [number, number][];
let softwarePending: boolean;
let memory: Uint8Array;

const host: SbiHost = {
  hartId: 0,
  hartIds: [0, 1, 5],
  mvendorid: 0n,
  marchid: 42n,
  mimpid: 7n,
  hartState: (id) => (id === 0 ? HsmState.started : HsmState.stopped),
  isRam: (gpa, length) => gpa >= RAM && gpa + length <= RAM + memory.length,
  setTimer: (lo, hi) => timers.push([lo, hi]),
  clearSoftwareInterrupt: () => softwarePending,
  fence: (ids, fence) => fences.push([ids, fence]),
  consoleWrite: (bytes) => {
    output += new TextDecoder().decode(bytes);
  },
  consoleRead: () => input.shift() ?? -1,
  readMemory: (gpa, length) => memory.slice(gpa - RAM, gpa - RAM + length),
  writeMemory: (gpa, bytes) => memory.set(bytes, gpa - RAM),
  readVirtual: (address) => (address === 0x1000n ? 0b10n : undefined),
};

beforeEach(() => {
  output = "";
  input = [];
  fences = [];
  timers = [];
  softwarePending = false;
  memory = new Uint8Array(8192);
});

const call = (eid: number, fid: number, ...args: (number | bigint)[]): SbiOutcome =>
  sbiCall({ eid, fid, args: args.map(BigInt) }, host);
const returned = (value: number | bigint) => ({ kind: "return", error: 0, value: BigInt(value) });
const failed = (error: number) => ({ kind: "return", error, value: 0n });

test("base: version 2.0, identification, and probes that tell the truth", () => {
  expect(call(Eid.base, 0)).toEqual(returned(0x0200_0000));
  expect(call(Eid.base, 5)).toEqual(returned(42));
  for (const eid of Object.values(Eid)) {
    expect(call(Eid.base, 3, eid)).toEqual(returned(1));
    expect(call(eid, eid <= 8 ? 0 : 99).kind).not.toBe("unknown");
  }
  // PMU, SUSP, CPPC and the vendor space are not there.
  for (const eid of [0x504d55, 0x53555350, 0x43505043, 0x0900_0000]) {
    expect(call(Eid.base, 3, eid)).toEqual(returned(0));
    expect(call(eid, 0)).toEqual({ kind: "unknown" });
  }
  expect(call(Eid.base, 7)).toEqual(failed(SbiError.notSupported));
});

test("timer values are 64 bits", () => {
  call(Eid.time, 0, 0x1_8000_0002n);
  call(Eid.legacySetTimer, 0, 2n ** 64n - 1n);
  expect(timers).toEqual([
    [-0x7ffffffe, 1],
    [-1, -1],
  ]);
});

test("hart masks: base, all ones, and harts that do not exist", () => {
  expect(call(Eid.ipi, 0, 0b10, 0)).toEqual({ kind: "ipi", targets: [1], legacy: false });
  expect(call(Eid.ipi, 0, 1, 5)).toEqual({ kind: "ipi", targets: [5], legacy: false });
  expect(call(Eid.ipi, 0, 0, 2n ** 64n - 1n)).toEqual({ kind: "ipi", targets: [0, 1, 5], legacy: false });
  expect(call(Eid.ipi, 0, 0b100, 0)).toEqual(failed(SbiError.invalidParam));
  expect(call(Eid.legacySendIpi, 0, 0x1000)).toEqual({ kind: "ipi", targets: [1], legacy: true });
  expect(call(Eid.legacySendIpi, 0, 0)).toEqual({ kind: "ipi", targets: [0, 1, 5], legacy: true });
  expect(call(Eid.legacySendIpi, 0, 0x2000)).toEqual({ kind: "legacy", value: -1n });
});

test("remote fences reach the harts asked for; those of the hypervisor extension do not exist for a guest", () => {
  expect(call(Eid.rfence, 2, 3, 0, 0x4000, 0x1000, 9)).toEqual(returned(0));
  expect(fences).toEqual([[[0, 1], { kind: "sfenceVma", start: 0x4000n, size: 0x1000n, asid: 9 }]]);
  for (const fid of [3, 4, 5, 6, 7])
    expect(call(Eid.rfence, fid, 1, 0)).toEqual(failed(SbiError.notSupported));
});

test("harts start once, at an address that is RAM", () => {
  expect(call(Eid.hsm, 0, 5, RAM, 77)).toEqual({ kind: "startCpu", target: 5, entry: RAM, arg: 77n });
  expect(call(Eid.hsm, 0, 0, RAM, 0)).toEqual(failed(SbiError.alreadyAvailable));
  expect(call(Eid.hsm, 0, 9, RAM, 0)).toEqual(failed(SbiError.invalidParam));
  expect(call(Eid.hsm, 0, 1, 0x1000, 0)).toEqual(failed(SbiError.invalidAddress));
  expect(call(Eid.hsm, 2, 1)).toEqual(returned(HsmState.stopped));
  expect(call(Eid.hsm, 2, 3)).toEqual(failed(SbiError.invalidParam));
  expect(call(Eid.hsm, 3, 0)).toEqual({ kind: "suspendCpu", resume: undefined });
  expect(call(Eid.hsm, 3, 0x8000_0000, RAM, 5)).toEqual({
    kind: "suspendCpu",
    resume: { entry: RAM, arg: 5n },
  });
  expect(call(Eid.hsm, 3, 1)).toEqual(failed(SbiError.invalidParam));
});

test("system reset: types and reasons of the specification, and no others", () => {
  expect(call(Eid.srst, 0, 0, 0)).toEqual({ kind: "shutdown", failure: false, code: 0 });
  expect(call(Eid.srst, 0, 0, 1)).toEqual({ kind: "shutdown", failure: true, code: 1 });
  expect(call(Eid.srst, 0, 2, 0)).toEqual({ kind: "reset", warm: true, failure: false, code: 0 });
  expect(call(Eid.srst, 0, 3, 0)).toEqual(failed(SbiError.invalidParam));
  expect(call(Eid.srst, 0, 0, 2)).toEqual(failed(SbiError.invalidParam));
  expect(call(Eid.legacyShutdown, 0)).toEqual({ kind: "shutdown", failure: false, code: 0 });
});

test("debug console: writes and reads memory, partially if need be, never outside RAM", () => {
  memory.set(new TextEncoder().encode("hello"), 16);
  expect(call(Eid.dbcn, 0, 5, RAM + 16, 0)).toEqual(returned(5));
  expect(output).toBe("hello");
  expect(call(Eid.dbcn, 0, 8192, RAM, 0)).toEqual(returned(4096));
  expect(call(Eid.dbcn, 0, 8193, RAM, 0)).toEqual(failed(SbiError.invalidParam));
  expect(call(Eid.dbcn, 0, 1, RAM, 1)).toEqual(failed(SbiError.invalidParam));
  input = [65, 66];
  expect(call(Eid.dbcn, 1, 10, RAM, 0)).toEqual(returned(2));
  expect([...memory.slice(0, 3)]).toEqual([65, 66, 0]);
  call(Eid.dbcn, 2, 0x21);
  expect(output.endsWith("!")).toBe(true);
});

test("legacy console: -1 in a0 when there is no input", () => {
  expect(call(Eid.legacyConsoleGetchar, 0)).toEqual({ kind: "legacy", value: -1n });
  input = [104];
  expect(call(Eid.legacyConsoleGetchar, 0)).toEqual({ kind: "legacy", value: 104n });
});
