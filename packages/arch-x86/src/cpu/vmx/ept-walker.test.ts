import { describe, expect, it } from "vitest";
import { GUEST_CODE, must, prepareGuest, putGuestCode, runGuest } from "../../testing/cpu/vmx-guest.js";
import { createVmxRig, type VmxRig } from "../../testing/cpu/vmx-rig.js";
import { GPR, Gpr } from "../state.js";
import { Primary, Secondary } from "./controls.js";
import { VmcsField as F } from "./fields.js";
import { ExitReason } from "./vm-exit.js";

// Loads and stores behind two stages of tables whose entries are made up.

const PAGES = 160;
/** Tables: the guest's, EPT's; the guest's data, and what EPT makes of it. */
const [GUEST_TABLES, EPT_TABLES, DATA, TARGET] = [0x80_0000, 0x90_0000, 0xa0_0000, 0xc0_0000];
/** The guest's address of its data: in the second GiB. */
const LINEAR = 0x4000_0000;
const WRITE_BACK = 0x30n;
const ONES = (1n << 64n) - 1n;

/** Numbers below a bound, always the same ones. */
function numbers(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

/** Mostly right bits, sometimes others. */
function entryOf(
  next: (bound: number) => number,
  base: number,
  right: bigint,
  odd: readonly bigint[],
): bigint {
  const bits = next(3) === 0 ? (odd[next(odd.length)] as bigint) : right;
  return BigInt(base) | bits;
}

function fill(rig: VmxRig, seed: number): void {
  const next = numbers(seed);
  const guest = (i: number) => GUEST_TABLES + 0x1000 * i;
  const ept = (i: number) => EPT_TABLES + 0x1000 * i;
  // The guest's code and tables as they are, by pages of 2 MiB; its data page by page.
  rig.write64(guest(0), BigInt(guest(1)) | 7n);
  rig.write64(guest(1), 0x87n);
  rig.write64(guest(1) + 8, BigInt(guest(2)) | 7n);
  rig.write64(guest(2), BigInt(guest(3)) | 7n);
  rig.write64(ept(0), BigInt(ept(1)) | 7n);
  rig.write64(ept(1), BigInt(ept(2)) | 7n);
  for (let i = 0; i < 32; i++) rig.write64(ept(2) + 8 * i, BigInt(i * 0x20_0000) | 0xb7n);
  const data = DATA / 0x20_0000;
  rig.write64(ept(2) + 8 * data, BigInt(ept(3)) | 7n);
  for (let i = 0; i < PAGES; i++) {
    const [virtual, physical] = [DATA + 0x1000 * i, TARGET + 0x1000 * i];
    rig.write64(guest(3) + 8 * i, entryOf(next, virtual, 0x67n, [0n, 1n, 3n, 0x23n, 0x61n, 0x167n, ONES]));
    const odd = [0n, 1n, 2n, 3n, 4n, 5n, 7n, 0x107n, 0x305n, 1n << 45n].map((bits) => bits | WRITE_BACK);
    rig.write64(ept(3) + 8 * i, entryOf(next, physical, 0x307n | WRITE_BACK, [...odd, 0x317n]));
    rig.write64(physical, BigInt(i) * 0x0101_0101n);
  }
}

/** What one access of each page leads to, twice, and what the tables are like afterwards. */
function run(rig: VmxRig, code: readonly number[], flags: bigint): string[] {
  prepareGuest(rig, {
    [F.PROCESSOR_CONTROLS]: (must(0x48e) | Primary.secondaryControls) >>> 0,
    [F.SECONDARY_CONTROLS]: Secondary.ept | Secondary.vpid,
    [F.VPID]: 5,
    [F.EPT_POINTER]: BigInt(EPT_TABLES) | 0x1en | flags,
    [F.EXCEPTION_BITMAP]: 1 << 14,
    [F.GUEST_CR3]: GUEST_TABLES,
  });
  putGuestCode(rig, [...code, 0x0f, 0x01, 0xc1]);
  const told: string[] = [];
  for (let i = 0; i < 2 * PAGES; i++) {
    const field = (encoding: number) => rig.cpu.vmx.vmcs?.read(encoding).toString(16);
    rig.cpu.vmx.vmcs?.write(F.GUEST_RIP, BigInt(GUEST_CODE));
    rig.core.setBig(GPR[Gpr.rbx]!, BigInt(LINEAR + 0x1000 * (i % PAGES)));
    rig.core.setBig(GPR[Gpr.rax]!, 0x55n);
    const reason = runGuest(rig, i === 0);
    told.push([i, reason, field(F.EXIT_QUALIFICATION), rig.core.big(GPR[Gpr.rax]!).toString(16)].join(" "));
    if (reason === ExitReason.eptViolation || reason === ExitReason.eptMisconfiguration)
      told.push(`${field(F.GUEST_PHYSICAL_ADDRESS)}`);
  }
  for (const table of [GUEST_TABLES + 0x3000, EPT_TABLES + 0x3000])
    for (let i = 0; i < PAGES; i++) told.push(rig.read64(table + 8 * i).toString(16));
  return told;
}

const LOAD = [0x48, 0x8b, 0x03];
const STORE = [0x48, 0x89, 0x03];

describe.each([
  ["loads", LOAD],
  ["stores", STORE],
] as const)("%s of a guest behind EPT", (_name, code) => {
  it.each([
    ["without", 0n],
    ["with", 0x40n],
  ])("lead to the same by walks in WebAssembly and in JavaScript, %s accessed flags", (_flags, flags) => {
    const results = [true, false].map((walks) => {
      const rig = createVmxRig("cold", true, walks);
      fill(rig, 11);
      const result = run(rig, code, flags);
      return { result, walks: rig.core.statistics().walks };
    });
    const [ours, plain] = results as [(typeof results)[0], (typeof results)[0]];
    expect(ours.result).toEqual(plain.result);
    // Some exits of each kind, and some accesses that walks in WebAssembly found.
    for (const reason of [0, ExitReason.vmcall, ExitReason.eptViolation, ExitReason.eptMisconfiguration])
      expect(ours.result.some((line) => line.split(" ")[1] === String(reason))).toBe(true);
    expect([ours.walks > PAGES / 4, plain.walks]).toEqual([true, 0]);
  });
});
