import type { VmExitInfo } from "@hypercraft/hypercraft";
import { describe, expect, test } from "vitest";
import { Gpr } from "../cpu/state.js";
import { VmcsField } from "../cpu/vmx/fields.js";
import { le } from "../testing/code-bytes.js";
import { codeGuest, runTo, STOP } from "../testing/vm/rig.js";
import { LOAD_TABLES, VECTOR_CALL, writeVectors } from "../testing/vm/vectors.js";

// Instructions that leave the guest, and what comes of them.

const GP = VECTOR_CALL + 13;
const UD = VECTOR_CALL + 6;

const eax = (value: number) => [0xb8, ...le(value)];
const ecx = (value: number) => [0xb9, ...le(value)];
const edx = (value: number) => [0xba, ...le(value)];
const RDMSR = [0x0f, 0x32];
const WRMSR = [0x0f, 0x30];
const CPUID = [0x0f, 0xa2];
/** `mov r8, rax`, before a call number takes its place. */
const KEEP = [0x49, 0x89, 0xc0];
const R8 = 8;

function guest(...code: readonly (readonly number[])[]) {
  const made = codeGuest([...LOAD_TABLES, ...code.flat(), ...STOP]);
  writeVectors(made.vm);
  const value = (register: number) => made.vcpu.getGpr(register);
  return { ...made, value };
}

/** Run to the stop call, or to the handler of an exception: its number. */
function callOf({ vcpu, vm }: ReturnType<typeof guest>): number {
  for (let i = 0; i < 100; i++) {
    const exit: VmExitInfo = vcpu.run(1000);
    if (exit.kind === "hypercall") return Number(exit.nr);
    if (vm.handleExit(vcpu, exit) !== undefined) throw new Error(`the VM ended with ${exit.kind}`);
  }
  throw new Error("no call");
}
const STOPPED = 0x77;

describe("an exception that delivering another one comes upon", () => {
  /** Nothing is there, and nobody says so: each push is #GP. */
  const NOWHERE_STACK = [0x48, 0xbc, ...le(0x2000_0000), ...le(0)];
  const UD2 = [0x0f, 0x0b];
  const [TSS, STACK] = [0, 0x9_0000];
  const [IDT, DOUBLE_FAULT] = [0x5000, 8];

  test("makes a double fault with it, which has a stack of its own", () => {
    const run = guest(NOWHERE_STACK, UD2);
    run.vm.memory?.writeU64(TSS + 0x24, BigInt(STACK));
    run.vm.memory?.writeU8(IDT + 16 * DOUBLE_FAULT + 4, 1);
    expect(callOf(run)).toBe(VECTOR_CALL + DOUBLE_FAULT);
    // An error code of 0 below the frame.
    expect(run.vcpu.getGpr(Gpr.rsp)).toBe(BigInt(STACK - 48));
    expect(run.vm.memory?.readU64(STACK - 48)).toBe(0n);
  });

  test("makes a triple fault in the end", () => {
    const { vcpu, vm } = guest(NOWHERE_STACK, UD2);
    for (let i = 0; i < 100; i++) {
      const exit: VmExitInfo = vcpu.run(1000);
      if (exit.kind === "failEntry")
        return expect(exit.message).toBe("triple fault, which exception 13 began");
      vm.handleExit(vcpu, exit);
    }
    throw new Error("it goes on for ever");
  });
});

describe("CPUID", () => {
  test("tells of the hypervisor and not of VMX", () => {
    const run = guest(eax(1), CPUID, KEEP);
    expect(callOf(run)).toBe(STOPPED);
    const ecxValue = Number(run.value(Gpr.rcx));
    expect([(ecxValue >>> 5) & 1, ecxValue >>> 31]).toEqual([0, 1]);
    expect(run.value(R8)).toBe(0x306a9n);
    expect(run.vm.stats.toJSON().byDetail).toEqual({ CPUID: 1 });
  });

  test.each([
    [0x4000_0000, [0x4000_0001n, "RVMR", "VMRV", "MRVM"]],
    [0x4000_0001, [0n, 0n, 0n, 0n]],
    [0x15, [1n, 4n, 1_000_000_000n, 0n]],
  ] as const)("leaf %d", (leaf, [a, b, c, d]) => {
    const run = guest(eax(leaf), CPUID, KEEP);
    callOf(run);
    const text = (value: bigint) => String.fromCharCode(...le(Number(value)));
    const shown = (value: bigint, like: bigint | string) => (typeof like === "string" ? text(value) : value);
    const [eaxValue, ebx, ecxValue, edxValue] = [R8, Gpr.rbx, Gpr.rcx, Gpr.rdx].map(run.value);
    expect([eaxValue, shown(ebx!, b), shown(ecxValue!, c), shown(edxValue!, d)]).toEqual([a, b, c, d]);
  });
});

describe("model-specific registers", () => {
  const write = (number: number, low: number, high = 0) => [
    ...ecx(number),
    ...eax(low),
    ...edx(high),
    ...WRMSR,
  ];
  const read = (number: number) => [...ecx(number), ...RDMSR, ...KEEP];

  test("IA32_APIC_BASE moves the local APIC", () => {
    const [moved, old] = [0xfed4_0000, 0xfee0_0000];
    const run = guest(
      write(0x1b, 0xfed4_0900),
      // mov ebx, moved; mov eax, [rbx + 30h]; mov r8, rax; mov dword [rbx + 80h], 20h
      [0xbb, ...le(moved), 0x8b, 0x43, 0x30, ...KEEP, 0xc7, 0x83, ...le(0x80), ...le(0x20)],
      // mov ecx, old; mov eax, [rcx + 30h]; mov edx, eax
      [0xb9, ...le(old), 0x8b, 0x41, 0x30, 0x89, 0xc2],
    );
    callOf(run);
    const { apic } = run.vcpu;
    expect([run.value(R8), run.value(Gpr.rdx)]).toEqual([BigInt(apic!.read(0x30, 4)), 0xffff_ffffn]);
    expect(apic!.taskPriority).toBe(0x20);
  });

  test.each([
    ["nobody's", 0x1234],
    ["VMX's capabilities", 0x480],
    ["IA32_FEATURE_CONTROL", 0x3a],
    ["x2APIC's in xAPIC mode", 0x802],
  ])("%s are #GP", (_, number) => {
    expect(callOf(guest(read(number)))).toBe(GP);
    expect(callOf(guest(write(number, 1)))).toBe(GP);
  });

  test("#GP comes once, however often the guest is left while an interrupt waits", () => {
    const run = guest(write(0x1234, 1));
    const { apic } = run.vcpu;
    apic?.write(0xf0, 4, 0x1ff);
    apic?.write(0x300, 4, 0x4_0040);
    let exit: VmExitInfo = run.vcpu.run(1);
    for (let i = 0; i < 50 && exit.kind === "budgetSpent"; i++) exit = run.vcpu.run(1);
    expect(exit).toMatchObject({ kind: "hypercall", nr: BigInt(GP) });
  });

  test("#GP comes with error code 0 and returns to the instruction", () => {
    const run = guest(write(0x1234, 1));
    callOf(run);
    const stack = Number(run.value(Gpr.rsp));
    const at = LOAD_TABLES.length + 15;
    expect([run.vm.memory?.readU64(stack), run.vm.memory?.readU64(stack + 8)]).toEqual([
      0n,
      BigInt(0x10_0000 + at),
    ]);
    // The frame's flags have RF, as a fault's.
    expect((run.vm.memory?.readU32(stack + 24) ?? 0) & 0x1_0000).toBe(0x1_0000);
  });

  test("the guest's own have no exit", () => {
    const run = guest(write(0xc000_0102, 0x5678, 0x12), read(0xc000_0102));
    callOf(run);
    expect([run.value(R8), run.value(Gpr.rdx), run.vm.stats.total]).toEqual([0x5678n, 0x12n, 0]);
  });

  test("x2APIC mode, and the timer's deadline", () => {
    const run = guest(write(0x1b, 0xfee0_0d00), write(0x80f, 0x1ff), read(0x80f));
    expect([callOf(run), run.value(R8)]).toEqual([STOPPED, 0x1ffn]);
    expect(run.vcpu.apic?.extended).toBe(true);
  });

  test("the time-stamp counter is the guest's: by an offset, which is IA32_TSC_ADJUST", () => {
    const rdtsc = [0x0f, 0x31];
    const run = guest(write(0x10, 0, 0x100), rdtsc, KEEP, [0x49, 0x89, 0xd1], read(0x3b));
    // r9 has EDX of RDTSC; read() leaves IA32_TSC_ADJUST's upper half in RDX.
    callOf(run);
    expect([run.value(9), run.value(Gpr.rdx)]).toEqual([0x100n, 0xffn]);
    expect(run.vcpu.cpu.msrs.timestamp < 1n << 40n).toBe(true);
  });

  test("memory type ranges are kept", () => {
    const run = guest(write(0x2ff, 0xc06), read(0x2ff));
    expect([callOf(run), run.value(R8)]).toEqual([STOPPED, 0xc06n]);
  });
});

describe("control registers", () => {
  const toCr = (number: number) => [0x0f, 0x22, 0xc0 | (number << 3)];
  const fromCr = (number: number) => [0x0f, 0x20, 0xc0 | (number << 3), ...KEEP];

  test("CR0.NE, CD and NW are the guest's to read and the host's to have", () => {
    const run = guest(eax(0x6000_0011 | 0x8000_0000), toCr(0), fromCr(0));
    expect([callOf(run), run.value(R8)]).toEqual([STOPPED, 0xe000_0011n]);
    expect(run.vcpu.cpu.vmx.root.read(VmcsField.GUEST_CR0)).toBe(0x8000_0031n);
    const back = guest(eax(0xe000_0011), toCr(0), eax(0x8000_0031), toCr(0), fromCr(0));
    expect([callOf(back), back.value(R8), back.vm.stats.total]).toEqual([STOPPED, 0x8000_0031n, 2]);
  });

  test.each([
    ["NW without CD", 0, 0xa000_0011],
    ["CR4.VMXE", 4, 0x2020],
    ["CR4's reserved bits", 4, 0x8000_0020],
    ["CR8 above 15", 8, 16],
  ])("%s is #GP", (_, number, value) => {
    const move = number === 8 ? [0x44, 0x0f, 0x22, 0xc0] : toCr(number);
    expect(callOf(guest(eax(value), move))).toBe(GP);
  });

  test("CR4 reads without VMXE, CR8 is the local APIC's task priority", () => {
    const run = guest(fromCr(4));
    expect([callOf(run), run.value(R8)]).toEqual([STOPPED, 0x20n]);
    const cr8 = guest(eax(5), [0x44, 0x0f, 0x22, 0xc0], eax(0), [0x44, 0x0f, 0x20, 0xc0], KEEP);
    expect([callOf(cr8), cr8.value(R8), cr8.vcpu.apic?.taskPriority]).toEqual([STOPPED, 5n, 0x50]);
  });

  test("XSETBV", () => {
    const osxsave = [...eax(0x4_0020), ...toCr(4)];
    const xsetbv = [0x0f, 0x01, 0xd1];
    const xgetbv = [0x0f, 0x01, 0xd0];
    const set = (value: number) => [...ecx(0), ...eax(value), ...edx(0), ...xsetbv];
    const run = guest(osxsave, set(3), xgetbv, KEEP);
    expect([callOf(run), run.value(R8)]).toEqual([STOPPED, 3n]);
    expect(callOf(guest(osxsave, set(2)))).toBe(GP);
    expect(callOf(guest(set(3)))).toBe(UD);
  });
});

describe("other instructions", () => {
  test.each([
    ["vmxoff", [0x0f, 0x01, 0xc4]],
    ["vmlaunch", [0x0f, 0x01, 0xc2]],
    ["vmread", [0x0f, 0x78, 0xc0]],
    ["invept", [0x66, 0x0f, 0x38, 0x80, 0x03]],
  ])("%s is #UD: guests have no VMX", (_, code) => {
    expect(callOf(guest(code))).toBe(UD);
  });

  test.each([
    ["invd", [0x0f, 0x08]],
    ["wbinvd", [0x0f, 0x09]],
  ])("%s does nothing", (_, code) => {
    expect(callOf(guest(code))).toBe(STOPPED);
  });

  test("a step over an instruction that leaves is a step", () => {
    // pushf; or word [rsp], 0x100; popf; cpuid
    const run = guest([0x9c, 0x66, 0x81, 0x0c, 0x24, 0, 1, 0x9d], CPUID);
    expect(callOf(run)).toBe(VECTOR_CALL + 1);
    const at = LOAD_TABLES.length + 8 + CPUID.length;
    expect(run.vm.memory?.readU64(Number(run.value(Gpr.rsp)))).toBe(BigInt(0x10_0000 + at));
  });

  test("a hypercall has a number, six arguments and a result", () => {
    const run = guest(eax(0x21), [0x0f, 0x01, 0xc1], KEEP);
    const argumentsIn = [Gpr.rdi, Gpr.rsi, Gpr.rdx, Gpr.rcx, 8, 9];
    for (const [i, register] of argumentsIn.entries()) run.vcpu.setGpr(register, BigInt(i + 1));
    const exit = runTo(run.vcpu, "hypercall");
    expect([exit.nr, exit.args]).toEqual([0x21n, [1n, 2n, 3n, 4n, 5n, 6n]]);
    expect(exit.raw).toMatchObject({ reason: "VMCALL", exitReason: 18, instructionLength: 3 });
    run.vcpu.completeExit({ kind: "status", status: "denied" });
    callOf(run);
    expect(run.value(R8)).toBe(2n ** 64n - 4n);
  });

  test("a triple fault ends with a report of the guest", async () => {
    // lidt with a limit of 0, from zeroes; ud2
    const run = guest([0x0f, 0x01, 0x1c, 0x25, ...le(0x2_0000), 0x0f, 0x0b]);
    const end = await run.vm.run();
    expect(end).toMatchObject({ kind: "failed", report: { exit: { raw: { reason: "triple fault" } } } });
  });

  /** A guest of 32 bits that jumps to a task of zeroes but for its first segments, EIP and what `task` says. */
  function jumpToTask(task: readonly (readonly [at: number, value: number])[]) {
    const run = guest();
    const { vm, vcpu } = run;
    const gdt = { base: 0x2_0000, limit: 0x1f };
    vcpu.start({ kind: "protected", pc: 0x10_0000, code: 8, data: 16, gdt });
    vm.memory?.writeU64(0x2_0008, 0x00cf_9b00_0000_ffffn);
    vm.memory?.writeU64(0x2_0010, 0x00cf_9300_0000_ffffn);
    vm.memory?.writeU64(0x2_0018, 0x0000_8903_0000_0067n);
    for (const [at, value] of task) vm.memory?.writeU32(0x3_0000 + at, value);
    // jmp 0x18:0
    vm.memory?.write(0x10_0000, Uint8Array.of(0xea, 0, 0, 0, 0, 0x18, 0));
    vm.memory?.write(0x10_0100, Uint8Array.from(STOP));
    return run;
  }

  test.each([
    ["MONITOR", [0x0f, 0x01, 0xc8]],
    ["MWAIT", [0x0f, 0x01, 0xc9]],
  ])("%s is not there, and CPUID says so", (_, code) => {
    expect(callOf(guest(code))).toBe(UD);
    const run = guest(eax(1), CPUID, KEEP);
    callOf(run);
    expect((Number(run.value(Gpr.rcx)) >>> 3) & 1).toBe(0);
  });

  test("HLT as a step waits for nothing", () => {
    // pushfq; or dword [rsp], 100h; popfq; hlt
    const run = guest([0x9c, 0x81, 0x0c, 0x24, ...le(0x100), 0x9d, 0xf4]);
    expect(callOf(run)).toBe(VECTOR_CALL + 1);
    expect(run.vm.memory?.readU64(Number(run.vcpu.getGpr(Gpr.rsp)))).toBe(
      0x10_0000n + BigInt(LOAD_TABLES.length + 10),
    );
  });

  test("a task switch is carried out", () => {
    const segments = [8, 16].map((selector, i) => [0x4c + 4 * i, selector] as const);
    const run = jumpToTask([...segments, [0x20, 0x10_0100], [0x2c, 0x1234]]);
    expect(callOf(run)).toBe(STOPPED);
    expect(run.value(Gpr.rcx)).toBe(0x1234n);
    expect(run.vm.stats.toJSON().byDetail).toEqual({ "task switch": 1 });
    // The old one is kept where TR was: EIP behind the jump.
    expect(run.vm.memory?.readU32(0x20)).toBe(0x10_0007);
  });

  test("a task switch to nothing ends with the new task's fault", async () => {
    const { vm } = jumpToTask([]);
    // There is no IDT.
    const raw = { reason: "triple fault" };
    expect(await vm.run()).toMatchObject({ kind: "failed", report: { exit: { raw }, pc: 0n } });
  });
});

describe("an entry that VMX refuses ends with the rule that was broken", () => {
  test.each([
    ["controls", VmcsField.SECONDARY_CONTROLS, 0xffff_ffffn, /invalid control fields.*secondary/],
    ["host state", VmcsField.HOST_CR4, 0n, /invalid host-state fields.*CR4/],
    ["guest state", VmcsField.GUEST_TR_RIGHTS, 0n, /invalid guest state.*TR/],
    ["event", VmcsField.ENTRY_INTERRUPTION_INFORMATION, 0x8000_0103n, /type of the event/],
  ])("%s", (_, field, value, message) => {
    const run = guest();
    run.vcpu.cpu.vmx.root.write(field, value);
    const exit = run.vcpu.run(10);
    expect(exit.kind).toBe("failEntry");
    expect("message" in exit && exit.message).toMatch(message);
  });
});
