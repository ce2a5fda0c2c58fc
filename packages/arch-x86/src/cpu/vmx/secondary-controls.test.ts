import { beforeEach, describe, expect, it } from "vitest";
import { putEpt } from "../../testing/cpu/ept-tables.js";
import {
  type Changes,
  GUEST_CODE,
  must,
  prepareCode,
  prepareGuest,
  putGuestCode,
  runGuest,
  VMCALL,
} from "../../testing/cpu/vmx-guest.js";
import { createVmxRig, setPrivilege, VMCS_REGION, type VmxRig } from "../../testing/cpu/vmx-rig.js";
import { readFlags } from "../rflags.js";
import { GPR, Gpr } from "../state.js";
import { Primary, Secondary } from "./controls.js";
import { VmcsField as F } from "./fields.js";
import { ExitReason } from "./vm-exit.js";
import { SHADOW, VMCS_REVISION } from "./vmcs.js";

const LOAD = [0x48, 0x8b, 0x03];
const STORE = [0x48, 0x89, 0x03];
const DATA = 0x13_5000;
const TABLES = 0x17_0000;
const OTHER_TABLES = 0x17_8000;
const EXECUTE_USER = 0x400n;

const on = (secondary: number, primary = 0): Changes => ({
  [F.PROCESSOR_CONTROLS]: (must(0x48e) | Primary.secondaryControls | primary) >>> 0,
  [F.SECONDARY_CONTROLS]: Secondary.rdtscp | Secondary.invpcid | secondary,
});

let rig: VmxRig;
beforeEach(() => {
  rig = createVmxRig();
});

function run(
  code: readonly number[],
  changes: Changes,
  values: Readonly<Record<number, bigint>> = {},
): number {
  prepareCode(rig, code, changes, values);
  return runGuest(rig);
}
/** Go on behind the VMCALL or at the guest's beginning. */
function again(code: readonly number[]): number {
  putGuestCode(rig, [...code, ...VMCALL]);
  rig.vmwrite(F.GUEST_RIP, BigInt(GUEST_CODE));
  return runGuest(rig, false);
}
const register = (number: number) => rig.core.big(GPR[number]!);

describe("random numbers", () => {
  it.each([
    ["RDRAND EAX", [0x0f, 0xc7, 0xf0], Secondary.rdrandExiting, ExitReason.rdrand, 1 << 11],
    ["RDRAND R9W", [0x66, 0x41, 0x0f, 0xc7, 0xf1], Secondary.rdrandExiting, ExitReason.rdrand, 9 << 3],
    [
      "RDSEED RBX",
      [0x48, 0x0f, 0xc7, 0xfb],
      Secondary.rdseedExiting,
      ExitReason.rdseed,
      (2 << 11) | (3 << 3),
    ],
  ])("%s leaves if its control says so", (_name, code, control, reason, information) => {
    expect(run(code, on(control))).toBe(reason);
    expect(rig.vmread(F.EXIT_INSTRUCTION_INFORMATION)).toBe(BigInt(information));
    expect(rig.vmread(F.EXIT_INSTRUCTION_LENGTH)).toBe(BigInt(code.length));
    const other = Secondary.rdrandExiting ^ Secondary.rdseedExiting ^ control;
    expect(run(code, on(other))).toBe(ExitReason.vmcall);
  });
});

describe("the time-stamp counter", () => {
  const TWICE = 2n << 48n;
  it.each([
    ["RDTSC", [0x0f, 0x31], 0n],
    ["RDTSCP", [0x0f, 0x01, 0xf9], 0n],
    ["RDMSR", [0x0f, 0x32], 0x10n],
  ])("is scaled for %s before it is offset", (_name, code, rcx) => {
    const changes = {
      ...on(Secondary.tscScaling, Primary.tscOffsetting | Primary.msrBitmaps),
      [F.MSR_BITMAP]: 0x16_0000,
      [F.TSC_OFFSET]: 1n << 40n,
      [F.TSC_MULTIPLIER]: TWICE,
    };
    const before = rig.cpu.msrs.timestamp;
    expect(run(code, changes, { [Gpr.rcx]: rcx })).toBe(ExitReason.vmcall);
    const seen = ((register(Gpr.rdx) << 32n) | register(Gpr.rax)) - (1n << 40n);
    expect(seen).toBeGreaterThanOrEqual(2n * before);
    expect(seen).toBeLessThanOrEqual(2n * rig.cpu.msrs.timestamp);
    expect(seen % 2n).toBe(0n);
  });
});

describe("PAUSE in a loop", () => {
  const LOOP = [0xf3, 0x90, 0xeb, 0xfc];
  const looping = { ...on(Secondary.pauseLoopExiting), [F.PLE_GAP]: 1 << 20, [F.PLE_WINDOW]: 0 };

  it("leaves once it has gone on for the window", () => {
    let ticks = 1000n;
    Object.defineProperty(rig.cpu.msrs, "timestamp", { get: () => (ticks += 10n) });
    expect(run(LOOP, { ...looping, [F.PLE_WINDOW]: 45 })).toBe(ExitReason.pause);
    // The first begins it, and five more have to follow.
    expect(ticks).toBe(1060n);
  });

  it("does not where it pauses too seldom, nor for a user", () => {
    let ticks = 1000n;
    Object.defineProperty(rig.cpu.msrs, "timestamp", { get: () => (ticks += 10n) });
    expect(run([0xf3, 0x90, 0xf3, 0x90, 0xf3, 0x90], { ...looping, [F.PLE_GAP]: 9 })).toBe(ExitReason.vmcall);
    prepareGuest(rig, looping);
    rig.step("vmlaunch");
    setPrivilege(rig.cpu, 3);
    const { vmcs } = rig.cpu.vmx;
    expect([1, 2, 3].map(() => vmcs !== undefined && rig.cpu.vmx.pauseLoop.exits(vmcs))).not.toContain(true);
  });
});

describe("the page-modification log", () => {
  const LOG = 0x16_8000;
  const logging = (index: number): Changes => ({
    ...on(Secondary.ept | Secondary.pageModificationLog),
    // Accessed and dirty flags.
    [F.EPT_POINTER]: putEpt(rig, TABLES).pointer | 0x40n,
    [F.PML_ADDRESS]: LOG,
    [F.PML_INDEX]: index,
  });

  it("tells which pages became dirty, the guest's tables too", () => {
    expect(run([...STORE, ...STORE], logging(511), { [Gpr.rbx]: BigInt(DATA + 8) })).toBe(ExitReason.vmcall);
    const index = Number(rig.vmread(F.PML_INDEX));
    const entries = [];
    for (let i = 511; i > index; i--) entries.push(Number(rig.read64(LOG + 8 * i)));
    expect(entries).toEqual([0x1000, 0x2000, DATA]);
  });

  it("tells of a page again whose mark was cleared, without INVEPT if the guest has no VPID", () => {
    const changes = logging(511);
    expect(run(STORE, changes, { [Gpr.rbx]: BigInt(DATA) })).toBe(ExitReason.vmcall);
    const index = Number(rig.vmread(F.PML_INDEX));
    const entry = TABLES + 0x3000 + 8 * (DATA >> 12);
    rig.write64(entry, rig.read64(entry) & ~0x300n);
    rig.core.setBig(GPR[Gpr.rbx]!, BigInt(DATA));
    expect(again(STORE)).toBe(ExitReason.vmcall);
    expect(rig.vmread(F.PML_INDEX)).toBe(BigInt(index - 1));
    expect(rig.read64(LOG + 8 * index)).toBe(BigInt(DATA));
  });

  it("makes the guest leave when it is full, before the access", () => {
    expect(run(STORE, logging(1), { [Gpr.rbx]: BigInt(DATA) })).toBe(ExitReason.pageModificationLogFull);
    expect(rig.vmread(F.PML_INDEX)).toBe(0xffffn);
    expect(rig.vmread(F.GUEST_RIP)).toBe(BigInt(GUEST_CODE));
    expect(rig.read64(DATA)).toBe(0n);
    rig.vmwrite(F.PML_INDEX, 511n);
    expect(again(STORE)).toBe(ExitReason.vmcall);
    expect(rig.read64(LOG + 8 * 511)).toBe(BigInt(DATA));
  });
});

describe("VMFUNC", () => {
  const VMFUNC = [0x0f, 0x01, 0xd4];
  const LIST = 0x16_8000;
  function switching(): Changes {
    const here = putEpt(rig, TABLES);
    const there = putEpt(rig, OTHER_TABLES);
    // There the data are elsewhere.
    rig.write64(there.page(DATA), BigInt(DATA + 0x1000) | 0x37n);
    rig.write64(DATA, 0x11n);
    rig.write64(DATA + 0x1000, 0x22n);
    rig.write64(LIST, here.pointer);
    rig.write64(LIST + 8, there.pointer);
    rig.write64(LIST + 16, there.pointer | 0x80n);
    return {
      ...on(Secondary.ept | Secondary.vmFunctions),
      [F.EPT_POINTER]: here.pointer,
      [F.EPTP_LIST_ADDRESS]: LIST,
      [F.VM_FUNCTION_CONTROLS]: 1,
    };
  }
  const values = (index: bigint) => ({ [Gpr.rax]: 0n, [Gpr.rcx]: index, [Gpr.rbx]: BigInt(DATA) });

  it("switches to another EPT pointer", () => {
    const copy = [0x48, 0x89, 0xc2, 0x31, 0xc0];
    expect(run([...LOAD, ...copy, ...VMFUNC, ...LOAD], switching(), values(1n))).toBe(ExitReason.vmcall);
    expect([register(Gpr.rdx), register(Gpr.rax)]).toEqual([0x11n, 0x22n]);
    expect(rig.vmread(F.EPT_POINTER)).toBe(BigInt(OTHER_TABLES) | 0x1en);
  });

  it.each([
    ["a pointer that no entry would take", 0n, 2n],
    ["an index beyond the list", 0n, 512n],
    ["a function that is off", 1n, 0n],
  ])("leaves for %s", (_name, rax, rcx) => {
    expect(run(VMFUNC, switching(), { ...values(rcx), [Gpr.rax]: rax })).toBe(ExitReason.vmfunc);
    expect(rig.vmread(F.EXIT_INSTRUCTION_LENGTH)).toBe(3n);
  });

  it("is #UD without its control, and for numbers that there are not", () => {
    const invalid = { ...switching(), [F.EXCEPTION_BITMAP]: 1 << 6 };
    expect(run(VMFUNC, { ...invalid, ...on(Secondary.ept) }, values(1n))).toBe(ExitReason.exceptionOrNmi);
    expect(run(VMFUNC, invalid, { ...values(0n), [Gpr.rax]: 64n })).toBe(ExitReason.exceptionOrNmi);
    expect(rig.step("vmfunc")).toEqual({ fault: 6 });
  });
});

describe("VMCS shadowing", () => {
  const READ_BITMAP = 0x16_8000;
  const WRITE_BITMAP = 0x16_9000;
  const LINKED = 0x16_a000;
  const VMREAD = [0x0f, 0x78, 0xca];
  const VMWRITE = [0x0f, 0x79, 0xca];
  const field = { [Gpr.rcx]: BigInt(F.GUEST_RIP), [Gpr.rdx]: 0x77n };
  function shadowing(): Changes {
    rig.write64(LINKED, BigInt((VMCS_REVISION | SHADOW) >>> 0));
    return {
      ...on(Secondary.vmcsShadowing),
      [F.VMREAD_BITMAP]: READ_BITMAP,
      [F.VMWRITE_BITMAP]: WRITE_BITMAP,
      [F.VMCS_LINK_POINTER]: LINKED,
    };
  }
  const forbid = (bitmap: number, number: number) => {
    rig.ram[bitmap + (number >> 3)] = 1 << (number & 7);
  };

  it("lets the guest write and read a VMCS of its own", () => {
    expect(run([...VMWRITE, 0x31, 0xd2, ...VMREAD], shadowing(), field)).toBe(ExitReason.vmcall);
    expect(register(Gpr.rdx)).toBe(0x77n);
    // The guest's own RIP is another one.
    expect(rig.vmread(F.GUEST_RIP)).toBe(BigInt(GUEST_CODE + 8));
  });

  it("leaves for what the bitmaps forbid, and for encodings that they do not have", () => {
    forbid(READ_BITMAP, F.GUEST_RIP);
    expect(run(VMREAD, shadowing(), field)).toBe(ExitReason.vmread);
    expect(run(VMWRITE, shadowing(), field)).toBe(ExitReason.vmcall);
    forbid(WRITE_BITMAP, F.GUEST_RIP);
    expect(run(VMWRITE, shadowing(), field)).toBe(ExitReason.vmwrite);
    expect(run(VMREAD, shadowing(), { [Gpr.rcx]: 0x8000n })).toBe(ExitReason.vmread);
  });

  it("fails without a VMCS, and tells of fields that there are not", () => {
    const flags = () => readFlags(rig.core) & 0x41;
    const code = [...VMREAD, 0x9c, 0x5b];
    expect(run(code, { ...shadowing(), [F.VMCS_LINK_POINTER]: -1n }, field)).toBe(ExitReason.vmcall);
    expect(register(Gpr.rbx) & 0x41n).toBe(1n);
    expect(run(code, shadowing(), { [Gpr.rcx]: 0x0006n })).toBe(ExitReason.vmcall);
    expect(register(Gpr.rbx) & 0x41n).toBe(0x40n);
    expect(rig.vmread(F.INSTRUCTION_ERROR)).toBe(12n);
    expect(flags()).toBe(0);
  });

  it.each<[string, () => Changes]>([
    ["no VMCS", () => ({ ...shadowing(), [F.VMCS_LINK_POINTER]: 0x16_b000 })],
    [
      "an ordinary VMCS",
      () => {
        const changes = shadowing();
        rig.write64(LINKED, BigInt(VMCS_REVISION));
        return changes;
      },
    ],
    ["a shadow VMCS without the control", () => ({ ...shadowing(), ...on(0) })],
    ["the current VMCS", () => ({ ...on(0), [F.VMCS_LINK_POINTER]: VMCS_REGION })],
  ])("lets no entry in whose link pointer points to %s", (_name, changes) => {
    expect(run([], changes())).toBe(0x8000_0021);
    expect(rig.vmread(F.EXIT_QUALIFICATION)).toBe(4n);
  });

  it("does not take a shadow VMCS to enter with", () => {
    prepareGuest(rig, shadowing());
    rig.pointing("vmptrld Mq", BigInt(LINKED));
    expect(rig.step("vmlaunch")).toBe("failInvalid");
  });
});

describe("mode-based execute control", () => {
  /** The guest's code is on a page of users by its own tables, as the rig has them. */
  function controlled(more: bigint, entry: (old: bigint) => bigint): Changes {
    const tables = putEpt(rig, TABLES, more);
    rig.write64(tables.page(GUEST_CODE), entry(rig.read64(tables.page(GUEST_CODE))));
    return { ...on(Secondary.ept | Secondary.modeBasedExecute), [F.EPT_POINTER]: tables.pointer };
  }

  it.each([
    ["with the users' right", 4n, ExitReason.vmcall, 0n],
    ["with the supervisors'", EXECUTE_USER, ExitReason.eptViolation, 0x3cn],
    ["with neither", EXECUTE_USER | 4n, ExitReason.eptViolation, 0x1cn],
  ])("lets what users may access be executed %s", (_name, removed, reason, qualification) => {
    const changes = controlled(EXECUTE_USER, (old) => old & ~removed);
    expect(run([], changes)).toBe(reason);
    if (reason === ExitReason.eptViolation)
      expect(rig.vmread(F.EXIT_QUALIFICATION) & 0x7fn).toBe(qualification);
  });

  it("tells of the right in other violations", () => {
    const changes = controlled(EXECUTE_USER, (old) => old);
    const entry = TABLES + 0x3000 + 8 * (DATA >> 12);
    rig.write64(entry, rig.read64(entry) & ~2n & ~4n);
    expect(run(STORE, changes, { [Gpr.rbx]: BigInt(DATA) })).toBe(ExitReason.eptViolation);
    expect(rig.vmread(F.EXIT_QUALIFICATION) & 0x7fn).toBe(0x4an);
  });

  it("asks for the one right without it", () => {
    const changes = { ...controlled(0n, (old) => old), ...on(Secondary.ept) };
    expect(run([], changes)).toBe(ExitReason.vmcall);
  });
});
