import type { Tier } from "@hypercraft/engine";
import { guestPhysAddr } from "@hypercraft/hypercraft";
import { describe, expect, it } from "vitest";
import { type EntryState, enter } from "../cpu/entry.js";
import { activity, Gpr } from "../cpu/state.js";
import { createBareVm } from "../testing/vm/bare-rig.js";

const CODE = 0x8000;

function guest(entry: EntryState, code: readonly number[], tier: Tier = "cold") {
  const written: [number, number, number][] = [];
  const vm = createBareVm(1, tier, {
    read: (port, size) => 0x1_0000 * size + port,
    write: (...access) => written.push([access[0], access[1], access[2]]),
  });
  const vcpu = vm.vcpus.getVcpu(0);
  vm.memory?.write(CODE, Uint8Array.from(code));
  enter(vcpu.cpu, entry);
  return { vm, vcpu, written };
}

const REAL: EntryState = { kind: "real", cs: 0x700, ip: 0x1000, data: 0x900 };
const PROTECTED: EntryState = { kind: "protected", pc: CODE, code: 0x10, data: 0x18, registers: { rbx: 7 } };

describe.each<Tier>(["cold", "hot"])("a processor that the guest owns (%s tier)", (tier) => {
  it("enters real mode with segments, and waits in HLT", async () => {
    // mov [0x10], cs; mov ax, [0x10]; mov dx, 0x3f8; out dx, ax; in al, dx; hlt
    const code = [0x8c, 0x0e, 0x10, 0, 0xa1, 0x10, 0, 0xba, 0xf8, 3, 0xef, 0xec, 0xf4];
    const { vm, vcpu, written } = guest(REAL, code, tier);
    expect(await vm.run({ onIdle: "stop" })).toEqual({ kind: "idle" });
    expect(vm.memory?.readU16(0x9010)).toBe(0x700);
    expect(written).toEqual([[0x3f8, 2, 0x700]]);
    expect(vcpu.getGpr(Gpr.rax)).toBe(0x7f8n);
    expect([vcpu.getPc(), vcpu.state, vcpu.retired]).toEqual([BigInt(CODE + code.length), "Blocked", 6]);
  });

  it("has a code segment after reset that may be written", async () => {
    // mov byte cs:[0x10], 7; hlt
    const { vm } = guest(REAL, [0x2e, 0xc6, 0x06, 0x10, 0, 7, 0xf4], tier);
    expect(await vm.run({ onIdle: "stop" })).toEqual({ kind: "idle" });
    expect(vm.memory?.readU16(0x7010)).toBe(7);
  });

  it("enters protected mode, flat, with the registers of the protocol", async () => {
    // mov eax, cs; mov ecx, ds; lea edx, [ebx+0x100000]; mov esi, [edx-0xf8007]; hlt
    const code = [
      0x8c, 0xc8, 0x8c, 0xd9, 0x8d, 0x93, 0, 0, 0x10, 0, 0x8b, 0xb2, 0xf9, 0x7f, 0xf0, 0xff, 0xf4,
    ];
    const { vm, vcpu } = guest(PROTECTED, code, tier);
    expect(await vm.run({ onIdle: "stop" })).toEqual({ kind: "idle" });
    const values = [Gpr.rax, Gpr.rcx, Gpr.rdx, Gpr.rsi].map((register) => vcpu.getGpr(register));
    expect(values).toEqual([0x10n, 0x18n, 0x10_0007n, 0xd98c_c88cn]);
  });

  it("ends with a report when it shuts down", async () => {
    // The interrupt descriptor table is empty: lidt [0x9000]; ud2
    const code = [0x0f, 0x01, 0x1d, 0, 0x90, 0, 0, 0x0f, 0x0b];
    const { vm } = guest(PROTECTED, code, tier);
    const result = await vm.run();
    expect(result).toMatchObject({ kind: "failed" });
    expect(JSON.stringify(result, (_, v) => (typeof v === "bigint" ? `${v}` : v))).toContain("triple fault");
  });
});

it("enters 64-bit mode by the tables that it is given", async () => {
  // mov rax, 0x123456789abcdef0; hlt
  const code = [0x48, 0xb8, 0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12, 0xf4];
  const state: EntryState = { ...PROTECTED, kind: "long", pageTable: 0x1000 };
  const { vm, vcpu } = guest(state, code);
  vm.memory?.writeU32(0x1000, 0x2003);
  vm.memory?.writeU32(0x2000, 0x3003);
  vm.memory?.writeU32(0x3000, 0x83);
  expect(await vm.run({ onIdle: "stop" })).toEqual({ kind: "idle" });
  expect(vcpu.getGpr(Gpr.rax)).toBe(0x1234_5678_9abc_def0n);
});

it("keeps the bases of FS and GS where they are null and IRET leads to an outer level", async () => {
  const gdt = 0x4000;
  // mov eax, 0x1234; xor edx, edx; mov ecx, IA32_FS_BASE; wrmsr
  const code = [0xb8, 0x34, 0x12, 0, 0, 0x31, 0xd2, 0xb9, 0, 1, 0, 0xc0, 0x0f, 0x30];
  // push 0x23 (SS); push 0x7000; push 2; push 0x1b (CS); push 0x8100; iretq
  code.push(0x6a, 0x23, 0x68, 0, 0x70, 0, 0, 0x6a, 2, 0x6a, 0x1b, 0x68, 0, 0x81, 0, 0, 0x48, 0xcf);
  const state: EntryState = {
    ...PROTECTED,
    kind: "long",
    pageTable: 0x1000,
    data: 0,
    gdt: { base: gdt, limit: 0x27 },
    registers: { rsp: 0x7000 },
  };
  const { vm, vcpu } = guest(state, code);
  const { memory } = vm;
  for (const [table, entry] of [
    [0x1000, 0x2007] as const,
    [0x2000, 0x3007] as const,
    [0x3000, 0x87] as const,
  ])
    memory?.writeU32(table, entry);
  const descriptors = [0x00af_9b00_0000_ffffn, 0x00af_fb00_0000_ffffn, 0x00cf_f300_0000_ffffn];
  descriptors.forEach((descriptor, i) => {
    memory?.writeU64(gdt + 0x10 + 8 * i, descriptor);
  });
  memory?.write(0x8100, Uint8Array.of(0xeb, 0xfe));
  await vm.run({ maxInstructions: 20 });
  const values = new Map(vcpu.registers().map(({ name, value }) => [name, value]));
  expect([values.get("pc"), values.get("cs"), values.get("fs.base")]).toEqual([0x8100n, 0x1bn, 0x1234n]);
});

it("does not run between INIT and a start-up IPI", async () => {
  const { vm, vcpu } = guest(PROTECTED, [0xeb, 0xfe]);
  vcpu.core.set(activity, 3, 0);
  expect(await vm.run({ onIdle: "stop" })).toEqual({ kind: "idle" });
  expect(vcpu.retired).toBe(0);
});

it("shows the next instruction and its registers", () => {
  const { vcpu, vm } = guest(PROTECTED, [0x83, 0xc0, 5]);
  expect(vcpu.disassemble()).toBe("0x8000: 83 c0 05  add eax, 0x5");
  const values = new Map(vcpu.registers().map(({ name, value }) => [name, value]));
  expect([values.get("pc"), values.get("rbx"), values.get("cs")]).toEqual([0x8000n, 7n, 0x10n]);
  expect([values.get("cs.limit"), values.get("cr0"), values.get("rflags")]).toEqual([
    0xffff_ffffn,
    0x11n,
    2n,
  ]);
  vcpu.setPc(0x8000_0000n);
  expect(vcpu.disassemble()).toBe("0x80000000: the instruction cannot be fetched");
  expect(() => vcpu.interrupt(3)).toThrow("no input for interrupt 3");
  expect(vm.vcpus.getVcpu(0).save().version).toBe(1);
});

it.each<Tier>(["cold", "hot"])(
  "lets another one have its turn when it spins by PAUSE (%s tier)",
  async (tier) => {
    // mov cx, 100; wait: cmp [mine], cx; je go; pause; jmp wait; go: mov ax, cx; sub ax, step; mov [other], ax; dec cx;
    // jnz wait; hlt
    const player = (mine: number, other: number, step: number) => [
      ...[0xb9, 100, 0, 0x39, 0x0e, mine, 0x00, 0x74, 4, 0xf3, 0x90, 0xeb, 0xf6],
      ...[0x89, 0xc8, 0x2d, step, 0, 0xa3, other, 0, 0x49, 0x75, 0xeb, 0xf4],
    ];
    const vm = createBareVm(2, tier, { read: () => 0, write: () => undefined });
    const [first, second] = [vm.vcpus.getVcpu(0), vm.vcpus.getVcpu(1)];
    const at = 0x6000;
    vm.memory?.write(CODE, Uint8Array.from(player(0x10, 0x14, 0)));
    // The second one answers with the number that comes next.
    vm.memory?.write(at, Uint8Array.from(player(0x14, 0x10, 1)));
    vm.memory?.write(0x9010, Uint8Array.of(100));
    first.cpu.cpuid.processors = second.cpu.cpuid.processors = 2;
    second.powerOn(guestPhysAddr(at), 0n);
    enter(first.cpu, REAL);
    enter(second.cpu, { kind: "real", cs: 0x600, ip: 0, data: 0x900 });
    await vm.run({ onIdle: "stop", maxInstructions: 1_000_000 });
    expect([first.state, second.state]).toEqual(["Blocked", "Blocked"]);
    expect(first.retired + second.retired).toBeLessThan(100_000);
  },
);
