import { describe, expect, test } from "vitest";
import { Lockstep, RAM } from "../testing/cpu/bare-lockstep.js";
import {
  addressSpace,
  alternate,
  entry,
  GLOBAL,
  LEAF,
  satp,
  toSupervisor,
  WINDOW,
} from "../testing/cpu/sv39.js";

// Compiled code of a hart that owns its machine, where it changes address spaces, maps pages anew and writes code:
// every tier in lockstep, and each program says itself what must come out.

const [ROOT_A, ROOT_B] = [RAM + 0x10000, RAM + 0x20000];
const SUPERVISOR = toSupervisor();
const [SHARED, PAGE_A, PAGE_B] = [RAM + 0x30000, RAM + 0x31000, RAM + 0x32000];

/** Enter the window in either space by turns, `rounds` times. */
const turns = (rounds: number, asidA: number, asidB: number, fence: string) => `
  ${SUPERVISOR}
  ${alternate([satp(ROOT_A, asidA), satp(ROOT_B, asidB)], rounds, { fence, end: "csrrw zero, satp, zero; wfi" })}`;

function expectCompiled(machine: Lockstep, ...tiers: readonly ("auto" | "hot")[]): void {
  for (const tier of tiers) expect(machine.compiled(tier), tier).toBeGreaterThan(0);
}

const FENCED = [
  ["ASIDs of their own", 1, 2, ""],
  ["one ASID and SFENCE.VMA", 3, 3, "sfence.vma zero, zero"],
  // s11 is zero: the fence is for ASID 0 only, and leaves global pages alone.
  ["no ASID and SFENCE.VMA of an address space", 0, 0, "sfence.vma zero, s11"],
] as const;
const SHARING = [
  ["own", 0n],
  ["global", GLOBAL],
] as const;

describe.each(FENCED)("two address spaces with %s", (_, asidA, asidB, fence) => {
  describe.each(SHARING)("that share a page as their %s", (__, flags) => {
    test("a loop from the shared page to one that each has for itself, and back", () => {
      const machine = new Lockstep(turns(600, asidA, asidB, `${fence}; li t0, 0; li t1, 20`));
      addressSpace(machine, ROOT_A, [entry(SHARED, LEAF | flags), entry(PAGE_A, LEAF)]);
      addressSpace(machine, ROOT_B, [entry(SHARED, LEAF | flags), entry(PAGE_B, LEAF)]);
      machine.place(SHARED, `addi a2, a2, 1; jal zero, ${WINDOW + 4096}`, WINDOW);
      const part = (step: number, total: string) => `
        addi t0, t0, ${step}
        addi t1, t1, -1
        beq t1, zero, leave
        jal zero, ${WINDOW}
        leave: add ${total}, ${total}, t0
        jalr zero, 0(s1)`;
      machine.place(PAGE_A, part(1, "a0"), WINDOW + 4096);
      machine.place(PAGE_B, part(16, "a1"), WINDOW + 4096);
      machine.finish();
      expect(machine.registers("a0", "a1", "a2")).toEqual([6000n, 96_000n, 12_000n]);
      expectCompiled(machine, "hot", "auto");
    });

    test("a loop in the shared page on data that each has for itself", () => {
      const machine = new Lockstep(turns(400, asidA, asidB, fence));
      addressSpace(machine, ROOT_A, [entry(SHARED, LEAF | flags), entry(PAGE_A, LEAF)]);
      addressSpace(machine, ROOT_B, [entry(SHARED, LEAF | flags), entry(PAGE_B, LEAF)]);
      const loop = `
        li t1, 25
        li t2, ${WINDOW + 4096}
        loop: ld t0, 0(t2)
        addi t0, t0, 1
        sd t0, 0(t2)
        ld t0, 8(t2)
        add a0, a0, t0
        addi t1, t1, -1
        bne t1, zero, loop
        jalr zero, 0(s1)`;
      machine.place(SHARED, loop, WINDOW);
      machine.put(PAGE_A, [0n, 3n]);
      machine.put(PAGE_B, [100_000n, 1000n]);
      machine.finish();
      expect(machine.registers("a0")).toEqual([200n * 25n * 1003n]);
      const words = new BigUint64Array(machine.memory(PAGE_A, 8192).buffer);
      expect([words[0], words[512]]).toEqual([5000n, 105_000n]);
      expectCompiled(machine, "hot", "auto");
    });
  });
});

describe("a global page that is mapped anew", () => {
  test.each(["sfence.vma zero, zero", "sfence.vma s6, zero"])("%s", (fence) => {
    const source = `
      ${SUPERVISOR}
      li s3, ${satp(ROOT_A, 1)}
      csrrw zero, satp, s3
      li s5, 800
      li s6, ${WINDOW}
      li s7, ${entry(PAGE_A, LEAF | GLOBAL)}
      li s8, ${entry(PAGE_B, LEAF | GLOBAL)}
      li s9, ${ROOT_A + 8192}
      next: li t1, 30
      loop: jalr ra, 0(s6)
      addi t1, t1, -1
      bne t1, zero, loop
      sd s8, 0(s9)
      ${fence}
      xor s7, s7, s8; xor s8, s7, s8; xor s7, s7, s8
      addi s5, s5, -1
      bne s5, zero, next
      wfi`;
    const machine = new Lockstep(source);
    addressSpace(machine, ROOT_A, [entry(PAGE_A, LEAF | GLOBAL)]);
    machine.place(PAGE_A, "addi a0, a0, 1; jalr zero, 0(ra)", WINDOW);
    machine.place(PAGE_B, "addi a0, a0, 100; jalr zero, 0(ra)", WINDOW);
    machine.finish(999);
    expect(machine.registers("a0")).toEqual([400n * 30n * 101n]);
    expectCompiled(machine, "hot", "auto");
  });
});

test("one page of code at two virtual addresses, and as data at a third", () => {
  const count = 20_000;
  const source = `
    ${SUPERVISOR}
    li s3, ${satp(ROOT_A, 1)}
    csrrw zero, satp, s3
    li s0, ${count}
    li s1, ${WINDOW}
    li s2, ${WINDOW + 0x1000}
    li s4, ${WINDOW + 0x2000 + 4}
    lwu s5, 0(s4)
    li s6, ${1 << 20}
    loop: jalr ra, 0(s1)
    jalr ra, 0(s2)
    sub a1, a1, a0
    addi s0, s0, -1
    andi t0, s0, 127
    bne t0, zero, loop
    add s5, s5, s6
    sw s5, 0(s4)
    bne s0, zero, loop
    wfi`;
  const machine = new Lockstep(source);
  addressSpace(machine, ROOT_A, new Array<bigint>(3).fill(entry(SHARED, LEAF)));
  // Where it runs, and how often it was patched meanwhile.
  machine.place(SHARED, "auipc a0, 0; addi a2, a2, 0; add a1, a1, a0; jalr zero, 0(ra)", WINDOW);
  machine.finish();
  const rounds = Array.from({ length: count }, (_, i) => Math.floor((i + 127 - ((count - 1) % 128)) / 128));
  const patches = rounds.reduce((sum, patched) => sum + 2 * patched, 0);
  expect(machine.registers("a0", "a1", "a2")).toEqual([
    BigInt(WINDOW + 0x1000),
    BigInt(count) * BigInt(WINDOW),
    BigInt(patches),
  ]);
  expectCompiled(machine, "hot", "auto");
});

test("the same code in M-mode and, mapped elsewhere, in S-mode", () => {
  const source = `
    la s1, shared
    li s2, ${WINDOW}
    li s0, 0
    la t0, trap
    csrrw zero, mtvec, t0
    li t1, 300
    warm: jalr ra, 0(s1)
    addi t1, t1, -1
    bne t1, zero, warm
    ${SUPERVISOR}
    li s3, ${satp(ROOT_A)}
    csrrw zero, satp, s3
    li t1, 300
    mapped: jalr ra, 0(s2)
    addi t1, t1, -1
    bne t1, zero, mapped
    ecall
    trap: addi s0, s0, 1
    li t1, 300
    again: jalr ra, 0(s1)
    addi t1, t1, -1
    bne t1, zero, again
    li t0, 60
    la t2, supervisor
    csrrw zero, mepc, t2
    blt s0, t0, enter
    wfi
    enter: li t0, 0x800
    csrrs zero, mstatus, t0
    mret
    .align 4096
    shared: auipc a0, 0
    add a1, a1, a0
    jalr zero, 0(ra)`;
  const machine = new Lockstep(source);
  const shared = machine.at("shared");
  addressSpace(machine, ROOT_A, [entry(shared, LEAF)]);
  machine.finish(777);
  expect(machine.registers("a1")).toEqual([300n * (BigInt(WINDOW) * 60n + BigInt(shared) * 61n)]);
  expectCompiled(machine, "hot", "auto");
});

describe("code that a compiled loop writes", () => {
  test.each(["fence.i", "nop"])("a function made anew for each round of calls, with %s", (fence) => {
    const source = `
      la s1, buffer
      la s2, template
      lwu s3, 0(s2)
      lwu s4, 4(s2)
      li s5, ${1 << 20}
      li s0, 500
      next: sw s3, 0(s1)
      sw s4, 4(s1)
      ${fence}
      li t0, 30
      loop: jalr ra, 0(s1)
      addi t0, t0, -1
      bne t0, zero, loop
      add s3, s3, s5
      addi s0, s0, -1
      bne s0, zero, next
      wfi
      template: addi a0, a0, 0
      jalr zero, 0(ra)
      .align 4096
      buffer: .dword 0`;
    const machine = new Lockstep(source);
    machine.finish();
    expect(machine.registers("a0")).toEqual([(30n * 500n * 499n) / 2n]);
    expectCompiled(machine, "hot");
  });

  test("in another page of its own region, once in a while", () => {
    const source = `
      li s0, 40000
      la s1, patch
      lwu s2, 0(s1)
      li s3, ${1 << 20}
      loop: addi a1, a1, 1
      jal zero, far
      back: addi s0, s0, -1
      andi t0, s0, 1023
      beq t0, zero, change
      again: bne s0, zero, loop
      wfi
      change: add s2, s2, s3
      sw s2, 0(s1)
      jal zero, again
      .align 4096
      far: add a2, a2, a1
      patch: addi a0, a0, 1
      jal zero, back`;
    const machine = new Lockstep(source);
    machine.finish();
    let sum = 0;
    for (let left = 40_000, step = 1; left > 0; left--) {
      sum += step;
      if (((left - 1) & 1023) === 0) step++;
    }
    expect(machine.registers("a0", "a1")).toEqual([BigInt(sum), 40_000n]);
    expectCompiled(machine, "hot", "auto");
  });

  test("by a store over the last instruction of a page and the first of the next", () => {
    const at = PAGE_A - 4;
    const source = `
      li s0, 4000
      la s1, back
      li s5, ${at}
      lwu s2, 0(s5)
      lwu s3, 4(s5)
      li s4, ${(1 << 20) * 3}
      loop: xor s2, s2, s4
      xor s3, s3, s4
      slli t0, s3, 32
      or t0, t0, s2
      sd t0, 0(s5)
      jalr zero, 0(s5)
      back: addi s0, s0, -1
      bne s0, zero, loop
      wfi`;
    const machine = new Lockstep(source);
    machine.place(at, "addi a0, a0, 1; addi a1, a1, 2; jalr zero, 0(s1)");
    machine.finish();
    // Each immediate changes by turns: 1 and 2, 2 and 1.
    expect(machine.registers("a0", "a1")).toEqual([6000n, 6000n]);
    expectCompiled(machine, "hot");
  });
});
