import { expect, test } from "vitest";
import { psciCall } from "./call.js";
import { AffinityState, isPsciId, PsciError, psciName } from "./constants.js";
import type { PsciHost, PsciOutcome } from "./host.js";

// Function ids and codes are the specification's numbers, not this package's names for them.
const RAM = 0x4000_0000;
const RAM_END = 0x4800_0000;
const HIGH = 0x80_0000_0000;
/** Two clusters of two, one of them behind Aff3. */
const AFFINITIES = [0x0n, 0x1n, 0x1_0000_0100n, 0x1_0000_0101n];
const STATES = [AffinityState.on, AffinityState.off, AffinityState.onPending, AffinityState.off];

const host: PsciHost = {
  cpus: AFFINITIES.map((affinity, vcpuId) => ({ vcpuId, affinity })),
  cpuState: (vcpuId) => STATES[vcpuId]!,
  isRam: (gpa, length) =>
    (gpa >= RAM && gpa + length <= RAM_END) || (gpa >= HIGH && gpa + length <= HIGH + 0x1000),
};

const call = (id: number, ...args: (number | bigint)[]): PsciOutcome => psciCall(host, id, args.map(BigInt));
const returned = (value: number) => ({ kind: "return", value: BigInt(value) });
const NOT_SUPPORTED = returned(-1);
const INVALID_PARAMETERS = returned(-2);
const INVALID_ADDRESS = returned(-9);

test("error codes are those of section 5.2.2", () => {
  expect(Object.values(PsciError)).toEqual([0, -1, -2, -3, -4, -5, -6, -7, -8, -9]);
});

test("versions: PSCI 1.1, calling convention 1.1, no Trusted OS to migrate", () => {
  expect(call(0x8400_0000)).toEqual(returned(0x1_0001));
  expect(call(0x8000_0000)).toEqual(returned(0x1_0001));
  expect(call(0x8400_0006)).toEqual(returned(2));
  // Ids come from a register, and as numbers may have gone through an operator that made them signed.
  expect(call(0x8400_0000 | 0)).toEqual(returned(0x1_0001));
});

test("PSCI_FEATURES has every mandatory function of 1.1, and tells of exactly what is there", () => {
  const mandatory = [0, 1, 2, 3, 4, 8, 9, 10].map((n) => 0x8400_0000 + n);
  for (const id of [...mandatory, 0xc400_0001, 0xc400_0003, 0xc400_0004]) {
    expect(call(0x8400_000a, id), id.toString(16)).toEqual(returned(0));
  }
  expect(call(0x8400_000a, 0x8000_0000)).toEqual(returned(0));
  for (let n = 0; n < 0x20; n++) {
    for (const id of [0x8400_0000 + n, 0xc400_0000 + n]) {
      const there = call(0x8400_000a, id);
      expect(there.kind === "return" && (there.value === 0n || there.value === -1n)).toBe(true);
      const absent = there.kind === "return" && there.value === -1n;
      const unsupported = call(id, 0x99, 0, 0);
      expect({
        id,
        absent: unsupported.kind === "return" && unsupported.value === -1n && id !== 0x8400_000a,
      }).toEqual({ id, absent });
    }
  }
  // Functions without a 64-bit form: VERSION, CPU_OFF, SYSTEM_OFF, SYSTEM_RESET, FEATURES.
  for (const id of [0xc400_0000, 0xc400_0002, 0xc400_0008, 0xc400_0009, 0xc400_000a]) {
    expect(call(id)).toEqual(NOT_SUPPORTED);
  }
});

test("SMCCC_ARCH_FEATURES knows the convention's two functions and no workaround", () => {
  expect(call(0x8000_0001, 0x8000_0000)).toEqual(returned(0));
  expect(call(0x8000_0001, 0x8000_0001)).toEqual(returned(0));
  for (const id of [0x8000_8000, 0x8000_7fff, 0x8000_3fff, 0]) {
    expect(call(0x8000_0001, id)).toEqual(NOT_SUPPORTED);
  }
});

test("ids outside of PSCI's range are left to the hypervisor's owner", () => {
  for (const id of [0, 0x8400_0020, 0xc400_0020, 0x8300_0000, 0x8600_0000, 0x0400_0003]) {
    expect(call(id)).toEqual({ kind: "unknown" });
    expect(isPsciId(id)).toBe(false);
  }
});

test("CPU_ON: target, entry and context id are handed on", () => {
  expect(call(0xc400_0003, 1, RAM + 0x8_0000, 0x1234_5678_9abc_def0n)).toEqual({
    kind: "startCpu",
    target: 1,
    entry: RAM + 0x8_0000,
    arg: 0x1234_5678_9abc_def0n,
  });
  expect(call(0xc400_0003, 0x1_0000_0101n, HIGH, 0)).toMatchObject({ target: 3, entry: HIGH });
});

test("CPU_ON by its 32-bit id sees the low halves of the registers", () => {
  const dirty = 0xffff_ffff_0000_0000n;
  expect(call(0x8400_0003, dirty | 1n, dirty | BigInt(RAM), dirty | 7n)).toEqual({
    kind: "startCpu",
    target: 1,
    entry: RAM,
    arg: 7n,
  });
  // Aff3 is out of its reach.
  expect(call(0x8400_0003, 0x1_0000_0101n, RAM, 0)).toEqual(INVALID_PARAMETERS);
});

test("CPU_ON: errors", () => {
  expect(call(0xc400_0003, 0, RAM, 0)).toEqual(returned(-4));
  expect(call(0xc400_0003, 0x1_0000_0100n, RAM, 0)).toEqual(returned(-5));
  expect(call(0xc400_0003, 2, RAM, 0)).toEqual(INVALID_PARAMETERS);
  // MPIDR_EL1 with its RES1 bit 31 is not an affinity.
  expect(call(0xc400_0003, 0x8000_0001, RAM, 0)).toEqual(INVALID_PARAMETERS);
  for (const entry of [0, RAM - 4, RAM_END, RAM + 2, RAM + 1, 2n ** 64n - 4n]) {
    expect(call(0xc400_0003, 1, entry, 0)).toEqual(INVALID_ADDRESS);
  }
});

test("CPU_OFF does not return", () => {
  expect(call(0x8400_0002)).toEqual({ kind: "stopCpu" });
});

test("CPU_SUSPEND: standby keeps the state, power-down goes on at the entry", () => {
  expect(call(0xc400_0001, 0, 1, 5)).toEqual({ kind: "suspendCpu", resume: undefined });
  expect(call(0x8400_0001, 0x1234, 0, 0)).toEqual({ kind: "suspendCpu", resume: undefined });
  expect(call(0xc400_0001, 0x1_0000, HIGH + 8, 2n ** 63n)).toEqual({
    kind: "suspendCpu",
    resume: { entry: HIGH + 8, arg: 2n ** 63n },
  });
  expect(call(0xc400_0001, 0x1_0000, 0x1000, 0)).toEqual(INVALID_ADDRESS);
  // Power level 1, and bits 31..26 and 23..17, which must be zero.
  for (const bit of [17, 23, 24, 25, 26, 31]) {
    expect(call(0xc400_0001, 2 ** bit, RAM, 0)).toEqual(INVALID_PARAMETERS);
  }
});

test("AFFINITY_INFO: a CPU's state, and that of the levels above it", () => {
  expect(call(0xc400_0004, 0, 0)).toEqual(returned(0));
  expect(call(0xc400_0004, 1, 0)).toEqual(returned(1));
  expect(call(0xc400_0004, 0x1_0000_0100n, 0)).toEqual(returned(2));
  // One CPU that is on makes its cluster on, one that is pending makes it pending.
  expect(call(0xc400_0004, 1, 1)).toEqual(returned(0));
  expect(call(0xc400_0004, 0x1_0000_0101n, 1)).toEqual(returned(2));
  expect(call(0xc400_0004, 0x1_00ff_ffffn, 3)).toEqual(returned(2));
  expect(call(0x8400_0004, 0x0000_ffff, 2)).toEqual(returned(0));
});

test("AFFINITY_INFO: errors", () => {
  expect(call(0xc400_0004, 7, 0)).toEqual(INVALID_PARAMETERS);
  expect(call(0xc400_0004, 0x2_0000_0000n, 3)).toEqual(INVALID_PARAMETERS);
  expect(call(0xc400_0004, 0, 4)).toEqual(INVALID_PARAMETERS);
  expect(call(0xc400_0004, 0, 2n ** 63n)).toEqual(INVALID_PARAMETERS);
  expect(call(0xc400_0004, 0x8000_0000, 0)).toEqual(INVALID_PARAMETERS);
});

test("the machine: off, reset, and a warm reset by SYSTEM_RESET2", () => {
  expect(call(0x8400_0008)).toEqual({ kind: "shutdown", failure: false, code: 0 });
  expect(call(0x8400_0009)).toEqual({ kind: "reset", warm: false, failure: false, code: 0 });
  const warm = { kind: "reset", warm: true, failure: false, code: 0 };
  expect(call(0x8400_0012, 0, 0)).toEqual(warm);
  expect(call(0xc400_0012, 0, 5)).toEqual(warm);
  for (const type of [1, 0x8000_0000]) expect(call(0xc400_0012, type)).toEqual(INVALID_PARAMETERS);
});

test("calls are counted under a bounded set of names", () => {
  expect(psciName(0xc400_0003)).toBe("PSCI CPU_ON");
  expect(psciName(0x8400_0008)).toBe("PSCI SYSTEM_OFF");
  expect(psciName(0xc400_0008)).toBe("PSCI unknown");
  expect(psciName(0x8400_001f)).toBe("PSCI unknown");
  expect(psciName(0x8000_0000)).toBe("SMCCC_VERSION");
  expect(psciName(0x1234)).toBe("SMCCC unknown");
});
