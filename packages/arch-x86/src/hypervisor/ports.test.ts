import type { Tier } from "@hypercraft/engine";
import { InstructionClock, type VmExitInfo } from "@hypercraft/hypercraft";
import { describe, expect, test } from "vitest";
import { CR2, Gpr } from "../cpu/state.js";
import { codeGuest, createRig, runToStop, STOP, TABLES } from "../testing/vm/rig.js";
import { LOAD_TABLES, VECTOR_CALL, writeVectors } from "../testing/vm/vectors.js";

// I/O instructions: each access of a guest reaches the VM's ports.

const PORT = 0x300;
const DATA = 0x20_0000;
/** `mov r8, rax`, before a call number takes its place. */
const KEEP = [0x49, 0x89, 0xc0];

function run(code: readonly number[], tier: Tier, count = 4n) {
  const guest = codeGuest([...code, ...KEEP, ...STOP], { rig: createRig(new InstructionClock(), tier) });
  const { vm, vcpu } = guest;
  const seen: (readonly [string, number, number, number])[] = [];
  let next = 0x8182_8384;
  vm.ports.add({
    name: "port",
    base: PORT,
    size: 8,
    device: {
      read(offset, width) {
        const value = (width === 4 ? next : next % 2 ** (8 * width)) >>> 0;
        next += 0x1111_1111;
        seen.push(["in", offset, width, value]);
        return value;
      },
      write: (offset, width, value) => seen.push(["out", offset, width, value]),
    },
  });
  const values = { [Gpr.rax]: 0x1122_3344_5566_7788n, [Gpr.rdx]: BigInt(PORT), [Gpr.rcx]: count };
  for (const [register, value] of Object.entries(values)) vcpu.setGpr(Number(register), value);
  vcpu.setGpr(Gpr.rsi, BigInt(DATA));
  vcpu.setGpr(Gpr.rdi, BigInt(DATA + 0x100));
  for (let i = 0; i < 16; i++) vm.memory?.writeU8(DATA + i, 0xa0 + i);
  runToStop(guest);
  const [result, left, rsi, rdi] = [8, Gpr.rcx, Gpr.rsi, Gpr.rdi].map((index) => vcpu.getGpr(index));
  return { seen, result, left, rsi, rdi, memory: vm.memory!.read(DATA + 0x100, 8), vm };
}

describe.each<Tier>(["cold", "hot"])("I/O instructions (%s tier)", (tier) => {
  test.each([
    ["in al, dx", [0xec], 1, 0x1122_3344_5566_7784n],
    ["in ax, dx", [0x66, 0xed], 2, 0x1122_3344_5566_8384n],
    ["in eax, dx", [0xed], 4, 0x8182_8384n],
  ] as const)("%s", (_, code, width, result) => {
    const outcome = run(code, tier);
    expect([outcome.result, outcome.seen.map(([kind, , size]) => [kind, size])]).toEqual([
      result,
      [["in", width]],
    ]);
  });

  test.each([
    ["out dx, al", [0xee], 1, 0x88],
    ["out dx, ax", [0x66, 0xef], 2, 0x7788],
    ["out dx, eax", [0xef], 4, 0x5566_7788],
  ] as const)("%s", (_, code, width, value) => {
    expect(run(code, tier).seen).toEqual([["out", 0, width, value]]);
  });

  test("rep insw and rep outsd: each element, in order, with counts and pointers", () => {
    const input = run([0xf3, 0x66, 0x6d], tier, 3n);
    expect(input.seen.map(([, , , value]) => value)).toEqual([0x8384, 0x9495, 0xa5a6]);
    expect([...input.memory.subarray(0, 6)]).toEqual([0x84, 0x83, 0x95, 0x94, 0xa6, 0xa5]);
    expect([input.left, input.rdi]).toEqual([0n, BigInt(DATA + 0x106)]);
    const output = run([0xf3, 0x6f], tier, 2n);
    expect(output.seen).toEqual([
      ["out", 0, 4, 0xa3a2_a1a0],
      ["out", 0, 4, 0xa7a6_a5a4],
    ]);
    expect([output.left, output.rsi]).toEqual([0n, BigInt(DATA + 8)]);
  });

  test.each([
    ["rep insb", [0xf3, 0x6c]],
    ["rep outsb", [0xf3, 0x6e]],
  ])("%s comes upon a page fault before the port is accessed", (_, code) => {
    const guest = codeGuest([...LOAD_TABLES, ...code, ...STOP], { rig: createRig(undefined, tier) });
    const { vm, vcpu } = guest;
    writeVectors(vm);
    let accesses = 0;
    const device = { read: () => accesses++, write: () => accesses++ };
    vm.ports.add({ name: "port", base: PORT, size: 8, device });
    // The last 2 MiB that the tables map are RAM.
    const [gigabyte, directory] = [TABLES + 0x1000 + 8 * 3, 0x8000];
    vm.memory?.writeU64(gigabyte, BigInt(directory) + 3n);
    vm.memory?.writeU64(directory + 8 * 511, 0x20_0083n);
    for (const register of [Gpr.rsi, Gpr.rdi]) vcpu.setGpr(register, 2n ** 32n - 2n);
    vcpu.setGpr(Gpr.rdx, BigInt(PORT));
    vcpu.setGpr(Gpr.rcx, 5n);
    let exit: VmExitInfo = vcpu.run(1000);
    for (; exit.kind !== "hypercall"; exit = vcpu.run(1000)) vm.handleExit(vcpu, exit);
    expect(exit.nr).toBe(BigInt(VECTOR_CALL + 14));
    expect([accesses, vcpu.getGpr(Gpr.rcx), vcpu.core.big(CR2)]).toEqual([2, 3n, 2n ** 32n]);
  });

  test("rep outsw has its elements from a device, which is asked once for each", () => {
    const guest = codeGuest([0xf3, 0x66, 0x6f, ...STOP], { rig: createRig(undefined, tier) });
    const { vm, vcpu } = guest;
    const seen: (readonly [string, number])[] = [];
    const device = {
      read: (offset: number) => {
        seen.push(["read", offset]);
        return 0x8000 + offset;
      },
      write: (_offset: number, _width: number, value: number) => void seen.push(["out", value]),
    };
    vm.mmio.add({ name: "device", base: 0x1000_0000, size: 256, device });
    vm.ports.add({ name: "port", base: PORT, size: 2, device });
    vcpu.setGpr(Gpr.rsi, 0x1000_0010n);
    vcpu.setGpr(Gpr.rdx, BigInt(PORT));
    vcpu.setGpr(Gpr.rcx, 2n);
    runToStop(guest);
    const first = [["read", 16] as const, ["out", 0x8010] as const];
    expect(seen).toEqual([...first, ["read", 18], ["out", 0x8012]]);
    expect([vcpu.getGpr(Gpr.rcx), vcpu.getGpr(Gpr.rsi)]).toEqual([0n, 0x1000_0014n]);
  });

  test("nothing behind a port reads ones, and takes what it is given", () => {
    const nowhere = [0x66, 0xba, 0, 4, 0xed, 0xef];
    expect(run(nowhere, tier)).toMatchObject({ result: 0xffff_ffffn, seen: [] });
  });

  test("a string of nothing does nothing", () => {
    expect(run([0xf3, 0x6c], tier, 0n).seen).toEqual([]);
  });
});
