import { InstructionClock } from "@hypercraft/hypercraft";
import { movedVm, refusesState, registersOf } from "@hypercraft/hypercraft/testing/rig";
import { describe, expect, test } from "vitest";
import { VmcsField } from "../cpu/vmx/fields.js";
import { le, wrmsr } from "../testing/code-bytes.js";
import {
  CODE,
  codeGuest,
  createRig,
  createRigVm,
  type Guest,
  RAM,
  RAM_SIZE,
  runTo,
  STOP,
  type X86Vm,
} from "../testing/vm/rig.js";

const DEVICE = 0x1000_0000;
const RBX = 3;
const ECX = 1;

/** A fresh VM that goes on where the guest's is. */
const moved = ({ vm }: Guest): X86Vm =>
  movedVm(vm, { base: RAM, size: RAM_SIZE }, (clock, cpus) =>
    createRigVm(createRig(clock), new Array<number>(cpus).fill(CODE)),
  );

/** inc r12; add [rbx], r12; mov eax, [rbx+8]; add r13, rax; in eax, 0x40; add r14, rax; rdtsc; cpuid; jmp */
const LOOP = [
  ...[0x49, 0xff, 0xc4, 0x4c, 0x01, 0x23, 0x8b, 0x43, 0x08, 0x49, 0x01, 0xc5, 0xe5, 0x40, 0x49, 0x01, 0xc6],
  ...[0x0f, 0x31, 0x48, 0x89, 0xd9, 0x31, 0xc0, 0x53, 0x0f, 0xa2, 0x5b],
];
const BUSY = [0x48, 0xbb, ...le(DEVICE), 0, 0, 0, 0, ...LOOP, 0xeb, 256 - LOOP.length - 2];

function addDevices(vm: X86Vm): void {
  const device = { read: () => 5, write: () => undefined };
  vm.mmio.add({ name: "counter", base: DEVICE, size: 16, device });
  vm.ports.add({ name: "port", base: 0x40, size: 4, device });
}

describe("a vCPU's state", () => {
  test.each(["cold", "hot"] as const)(
    "carries a VM over to another host at any instruction, and both go the same way: %s tier",
    async (tier) => {
      for (const at of [1, 2, 3, 4, 5, 6, 7, 8, 9, 1000]) {
        const guest = codeGuest(BUSY, { rig: createRig(new InstructionClock(), tier) });
        addDevices(guest.vm);
        await guest.vm.run({ maxInstructions: at });
        const copy = moved(guest);
        addDevices(copy);
        expect(registersOf(copy)).toEqual(registersOf(guest.vm));
        for (const vm of [guest.vm, copy]) await vm.run({ maxInstructions: 3000 });
        expect(guest.vcpu.getGpr(12)).toBeGreaterThan(100n);
        expect(registersOf(copy), `moved after ${at}`).toEqual(registersOf(guest.vm));
        expect(copy.clock.now()).toBe(guest.vm.clock.now());
      }
    },
  );

  test("holds the answers that an instruction has had, until it has them all", () => {
    // add [rbx], rcx
    const guest = codeGuest([0x48, 0x01, 0x0b, ...STOP]);
    guest.vcpu.setGpr(RBX, BigInt(DEVICE));
    guest.vcpu.setGpr(ECX, 0x11n);
    runTo(guest.vcpu, "mmioRead");
    guest.vcpu.completeExit({ kind: "value", lo: 0x77, hi: 1 });
    const vcpu = moved(guest).vcpus.getVcpu(0);
    expect(runTo(vcpu, "mmioWrite")).toMatchObject({ gpa: DEVICE, width: 8, lo: 0x88, hi: 1 });
    vcpu.completeExit({ kind: "done" });
    runTo(vcpu, "hypercall");
  });

  test("holds what the guest put into the VMCS", () => {
    // mov eax, 0xe0000011; mov cr0, eax: CD and NW
    const guest = codeGuest([...wrmsr(0x3b, 0x1234), 0xb8, ...le(0xe000_0011), 0x0f, 0x22, 0xc0, ...STOP]);
    runTo(guest.vcpu, "hypercall");
    guest.vcpu.completeExit({ kind: "results", values: [] });
    const { vmx } = moved(guest).vcpus.getVcpu(0).cpu;
    expect([vmx.root.read(VmcsField.CR0_SHADOW), vmx.root.read(VmcsField.TSC_OFFSET)]).toEqual([
      0xe000_0011n,
      0x1234n,
    ]);
  });

  test("cannot be had while an exit waits for its answer, and is refused when it is another's", () => {
    const { vcpu } = codeGuest([0x8a, 0x03]);
    vcpu.setGpr(RBX, BigInt(DEVICE));
    const state = vcpu.save();
    runTo(vcpu, "mmioRead");
    expect(() => vcpu.save()).toThrow("its mmioRead exit was not answered");
    expect(refusesState(vcpu, { ...state, version: 2 })).toBe(true);
    const { events: _, ...bare } = state;
    expect(refusesState(vcpu, bare)).toBe(true);
    // A refused state has changed nothing.
    expect(vcpu.pendingExit?.kind).toBe("mmioRead");
  });
});

test("powering off drops what was pending: an answer given before is not used by what runs after", () => {
  const guest = codeGuest([0x8a, 0x03, ...STOP]);
  const { vcpu } = guest;
  vcpu.setGpr(RBX, BigInt(DEVICE));
  runTo(vcpu, "mmioRead");
  vcpu.completeExit({ kind: "value", lo: 0x77, hi: 0 });
  vcpu.powerOff();
  vcpu.powerOn(CODE, 0n);
  vcpu.setGpr(RBX, BigInt(DEVICE));
  expect(runTo(vcpu, "mmioRead").gpa).toBe(DEVICE);
});

test("INIT while an exit waits for its answer: the answer is for nobody", () => {
  const { vcpu } = codeGuest([0x8a, 0x03, ...STOP]);
  vcpu.setGpr(RBX, BigInt(DEVICE));
  runTo(vcpu, "mmioRead");
  vcpu.init(true);
  vcpu.completeExit({ kind: "value", lo: 0x77, hi: 0 });
  expect(vcpu.getPc()).toBe(0xffff_fff0n);
  expect(vcpu.core.hasAnswer).toBe(false);
});
