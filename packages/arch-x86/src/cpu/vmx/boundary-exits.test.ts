import { beforeEach, describe, expect, it } from "vitest";
import {
  type Changes,
  GUEST_CODE,
  HOST_ENTRY,
  must,
  prepareCode,
  prepareGuest,
  putGuestCode,
  runGuest,
  VMCALL,
} from "../../testing/cpu/vmx-guest.js";
import { createVmxRig, OPERAND, type VmxRig } from "../../testing/cpu/vmx-rig.js";
import { initProcessor, startUpProcessor } from "../init.js";
import { activity, CR0, DEBUGCTL, GPR, Gpr } from "../state.js";
import { Entry, Exit, Pin, Primary, Secondary } from "./controls.js";
import { VmcsField as F } from "./fields.js";
import { ExitReason } from "./vm-exit.js";
import { preemptionDeadline } from "./vmx-state.js";

const NOP = [0x90];
const TF = 0x102;
const SINGLE_STEP = 0x4000n;
const ENABLED_BREAKPOINT = 0x1000n;
const HLT = 1;
const SHUTDOWN = 2;
const WAIT_FOR_SIPI = 3;
const DEBUG_BITMAP: Changes = { [F.EXCEPTION_BITMAP]: 1 << 1 };
const pin = (bits: number): Changes => ({ [F.PIN_CONTROLS]: must(0x48d) | bits });
const primary = (bits: number): Changes => ({
  [F.PROCESSOR_CONTROLS]: (must(0x48e) | Primary.secondaryControls | bits) >>> 0,
});
const state = (value: number): Changes => ({ [F.GUEST_ACTIVITY]: value });

let rig: VmxRig;
beforeEach(() => {
  rig = createVmxRig();
});

function run(code: readonly number[], changes: Changes = {}): number {
  prepareCode(rig, code, changes);
  return runGuest(rig);
}

/** Enter a guest that waits, and say how `run` ends. */
function wait(changes: Changes): { readonly end: string; readonly exit: unknown } {
  prepareGuest(rig, changes);
  putGuestCode(rig, VMCALL);
  rig.step("vmlaunch");
  rig.core.exit = null;
  return { end: rig.core.run(100), exit: rig.core.exit };
}
const reason = () => Number(rig.vmread(F.EXIT_REASON));
const WAITS = { end: "exit", exit: { kind: "wait" } };

describe("traps that are due", () => {
  it("are told where something else comes first, and delivered by the next entry", () => {
    const changes = { ...primary(Primary.monitorTrapFlag), [F.GUEST_RFLAGS]: TF };
    expect(run(NOP, changes)).toBe(ExitReason.monitorTrapFlag);
    expect(rig.vmread(F.GUEST_PENDING_DEBUG)).toBe(SINGLE_STEP);
    rig.vmwrite(F.PROCESSOR_CONTROLS, BigInt(primary(0)[F.PROCESSOR_CONTROLS] as number));
    rig.vmwrite(F.EXCEPTION_BITMAP, 2n);
    expect(runGuest(rig, false)).toBe(ExitReason.exceptionOrNmi);
    expect(rig.vmread(F.EXIT_QUALIFICATION)).toBe(SINGLE_STEP);
    expect(rig.vmread(F.GUEST_RIP)).toBe(BigInt(GUEST_CODE + 1));
    expect(rig.vmread(F.GUEST_PENDING_DEBUG)).toBe(0n);
  });

  it("wait for the end of what MOV SS shadows, and are told of if that leaves", () => {
    const changes = {
      ...DEBUG_BITMAP,
      [F.GUEST_RFLAGS]: TF,
      [F.GUEST_INTERRUPTIBILITY]: 2,
      [F.GUEST_PENDING_DEBUG]: SINGLE_STEP | ENABLED_BREAKPOINT | 1n,
    };
    expect(run(NOP, changes)).toBe(ExitReason.exceptionOrNmi);
    expect(rig.vmread(F.EXIT_QUALIFICATION)).toBe(SINGLE_STEP | 1n);
    rig = createVmxRig();
    expect(run([], changes)).toBe(ExitReason.vmcall);
    expect(rig.vmread(F.GUEST_PENDING_DEBUG)).toBe(SINGLE_STEP | ENABLED_BREAKPOINT | 1n);
    expect(rig.vmread(F.GUEST_INTERRUPTIBILITY)).toBe(2n);
  });

  it("are forgotten with an injected interrupt, and of breakpoints unless one is enabled", () => {
    expect(run([], { ...DEBUG_BITMAP, [F.GUEST_PENDING_DEBUG]: 1 })).toBe(ExitReason.vmcall);
    rig = createVmxRig();
    const injected = { [F.ENTRY_INTERRUPTION_INFORMATION]: 0x8000_0040, [F.GUEST_RFLAGS]: 0x202 };
    const changes = { ...injected, ...DEBUG_BITMAP, [F.GUEST_PENDING_DEBUG]: SINGLE_STEP };
    // There is no handler: it shuts down, and not by a debug exception.
    expect(run([], changes)).toBe(ExitReason.tripleFault);
  });
});

describe("INIT and start-up IPIs", () => {
  it("are held back by VMX operation; a guest leaves by INIT", () => {
    prepareGuest(rig);
    putGuestCode(rig, VMCALL);
    initProcessor(rig.cpu, false);
    startUpProcessor(rig.cpu, 8);
    expect(rig.core.lo(activity)).toBe(0);
    expect(runGuest(rig)).toBe(ExitReason.init);
    // That was it.
    expect(runGuest(rig, false)).toBe(ExitReason.vmcall);
    initProcessor(rig.cpu, false);
    rig.step("vmxoff");
    expect([rig.core.lo(activity), rig.core.lo(CR0) & 1]).toEqual([WAIT_FOR_SIPI, 0]);
  });

  it("end a guest's wait for them", () => {
    expect(wait(state(WAIT_FOR_SIPI))).toEqual(WAITS);
    initProcessor(rig.cpu, false);
    expect(rig.cpu.wakeUp).toBe(false);
    startUpProcessor(rig.cpu, 0x9a);
    expect(rig.cpu.wakeUp).toBe(true);
    rig.core.run(1);
    expect([reason(), rig.vmread(F.EXIT_QUALIFICATION)]).toEqual([ExitReason.startUp, 0x9an]);
  });
});

describe("a guest that waits", () => {
  it("leaves halted by NMIs, windows and external interrupts", () => {
    const changes = { ...state(HLT), ...pin(Pin.nmiExiting | Pin.externalInterruptExiting) };
    expect(wait(changes)).toEqual(WAITS);
    expect(rig.cpu.wakeUp).toBe(false);
    rig.cpu.interrupts.raiseNmi();
    expect(rig.cpu.wakeUp).toBe(true);
    rig.core.run(1);
    expect([reason(), rig.vmread(F.GUEST_ACTIVITY)]).toEqual([ExitReason.exceptionOrNmi, BigInt(HLT)]);
    rig = createVmxRig();
    const window = { ...state(HLT), ...primary(Primary.interruptWindowExiting), [F.GUEST_RFLAGS]: 0x202 };
    prepareGuest(rig, window);
    expect(runGuest(rig)).toBe(ExitReason.interruptWindow);
  });

  it("takes no external interrupt in shutdown, but an NMI", () => {
    const changes = { ...state(SHUTDOWN), ...pin(Pin.nmiExiting | Pin.externalInterruptExiting) };
    rig.cpu.interrupts.legacy = { pending: true, acknowledge: () => 0x40 };
    expect(wait(changes)).toEqual(WAITS);
    expect(rig.cpu.wakeUp).toBe(false);
    rig.cpu.interrupts.raiseNmi();
    rig.core.run(1);
    expect(reason()).toBe(ExitReason.exceptionOrNmi);
  });

  it("leaves by the preemption timer, but not while it waits for a start-up IPI", () => {
    const timer = pin(Pin.preemptionTimer);
    prepareGuest(rig, { ...state(HLT), ...timer });
    expect(runGuest(rig)).toBe(ExitReason.preemptionTimer);
    rig = createVmxRig();
    prepareGuest(rig, { ...state(WAIT_FOR_SIPI), ...timer });
    rig.step("vmlaunch");
    expect([rig.cpu.wakeUp, rig.cpu.vmx.guest]).toEqual([false, true]);
  });
});

describe("the preemption timer", () => {
  it("comes before anybody acts on a time behind its end", () => {
    let now = 0;
    Object.assign(rig.cpu.clock, { now: () => (now += 70) });
    prepareGuest(rig, { ...pin(Pin.preemptionTimer), [F.PREEMPTION_TIMER]: 50_000 });
    // rdtsc; mov [rbx], eax; jmp to the first. The host halts.
    putGuestCode(rig, [0x0f, 0x31, 0x89, 0x03, 0xeb, 0xfa]);
    putGuestCode(rig, [0xf4], HOST_ENTRY);
    rig.core.setBig(GPR[Gpr.rbx]!, BigInt(OPERAND));
    rig.step("vmlaunch");
    // Once so that the run can be measured anew.
    expect([rig.core.exit, rig.core.run(10_000)]).toEqual([{ kind: "timer" }, "exit"]);
    expect(rig.cpu.vmx.guest).toBe(false);
    const end = Number(rig.core.big(preemptionDeadline));
    const stored = Number(rig.read64(OPERAND) & 0xffff_ffffn);
    expect(stored).toBeGreaterThan(end - 1000);
    expect(stored).toBeLessThan(end);
    expect(rig.cpu.vmx.vmcs?.get(F.EXIT_REASON)).toBe(ExitReason.preemptionTimer);
  });
});

describe("IRET", () => {
  it("unblocks NMIs even if it faults, and the exit tells of it", () => {
    const changes = {
      ...pin(Pin.nmiExiting | Pin.virtualNmis),
      [F.GUEST_INTERRUPTIBILITY]: 8,
      [F.EXCEPTION_BITMAP]: 1 << 14,
      [F.GUEST_RSP]: 0x7f00_0000_0000n,
    };
    expect(run([0x48, 0xcf], changes)).toBe(ExitReason.exceptionOrNmi);
    expect(rig.vmread(F.EXIT_INTERRUPTION_INFORMATION)).toBe(0x8000_1b0en);
    expect(rig.vmread(F.GUEST_INTERRUPTIBILITY)).toBe(0n);
    rig = createVmxRig();
    // All NMIs are the hypervisor's: it blocks and unblocks none.
    expect(run([0x48, 0xcf], { ...changes, ...pin(Pin.nmiExiting) })).toBe(ExitReason.exceptionOrNmi);
    expect(rig.vmread(F.EXIT_INTERRUPTION_INFORMATION)).toBe(0x8000_0b0en);
    expect(rig.vmread(F.GUEST_INTERRUPTIBILITY)).toBe(8n);
  });
});

describe("IA32_DEBUGCTL", () => {
  it("is loaded and stored with DR7, and 0 afterwards", () => {
    const changes = {
      [F.ENTRY_CONTROLS]: must(0x490) | Entry.ia32eGuest | Entry.loadEfer | Entry.loadDebugControls,
      [F.EXIT_CONTROLS]: must(0x48f) | Exit.hostAddressSpaceSize | Exit.saveDebugControls,
      [F.SECONDARY_CONTROLS]: Secondary.rdtscp,
      [F.GUEST_DEBUGCTL]: 2,
      [F.GUEST_RFLAGS]: TF,
      [F.EXCEPTION_BITMAP]: 1 << 1,
    };
    // A step that stops at branches only: nop; jmp over a nop.
    expect(run([0x90, 0xeb, 1, 0x90], changes)).toBe(ExitReason.exceptionOrNmi);
    expect(rig.vmread(F.GUEST_RIP)).toBe(BigInt(GUEST_CODE + 4));
    expect([rig.vmread(F.GUEST_DEBUGCTL), rig.core.lo(DEBUGCTL)]).toEqual([2n, 0]);
  });
});
