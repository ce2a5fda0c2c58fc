import { describe, expect, test } from "vitest";
import { Lockstep, RAM } from "../testing/cpu/bare-lockstep.js";
import { addressSpace, entry, GLOBAL, LEAF, satp, toSupervisor, USER, WINDOW } from "../testing/cpu/sv39.js";
import { Cause } from "./causes.js";

// Code at virtual addresses that lead elsewhere after a fence, a change of satp or of privilege: nothing that remembers
// where a jump led (links, the jump cache, the fetch TLB, the table of blocks) may outlive it, in any tier.

const [ROOT_A, ROOT_B] = [RAM + 0x10000, RAM + 0x20000];
const [PAGE_A, PAGE_B, PAGE_C] = [RAM + 0x31000, RAM + 0x33000, RAM + 0x35000];

const SUPERVISOR = toSupervisor((1 << Cause.fetchPage) | (1 << Cause.ecallU));

function expectCompiled(machine: Lockstep): void {
  expect(machine.compiled("hot")).toBeGreaterThan(0);
}

const FENCES = [
  ["sfence.vma va", "sfence.vma s6, zero", 5],
  ["sfence.vma va, asid", "sfence.vma s6, s2", 5],
  ["sfence.vma x0, asid", "sfence.vma zero, s2", 5],
  ["sfence.vma x0, x0", "sfence.vma zero, zero", 5],
  ["sfence.vma va without ASIDs", "sfence.vma s6, zero", 0],
  ["sfence.vma x0, asid 0", "sfence.vma zero, s2", 0],
] as const;

describe("a page of code that is mapped anew", () => {
  const remap = (fence: string, asid: number, rounds: number) => `
    ${SUPERVISOR}
    li s10, ${entry(PAGE_B, LEAF)}
    li s11, ${entry(PAGE_A, LEAF)}
    li s2, ${asid}
    li s3, ${satp(ROOT_A, asid)}
    csrrw zero, satp, s3
    li s5, ${rounds}
    li s6, ${WINDOW}
    li s7, ${WINDOW + 64}
    li s9, ${ROOT_A + 8192}
    next: li t1, 12
    loop: jalr ra, 0(s6)
    jalr ra, 0(s7)
    addi t1, t1, -1
    bne t1, zero, loop
    sd s10, 0(s9)
    ${fence}
    xor s11, s11, s10; xor s10, s11, s10; xor s11, s11, s10
    addi s5, s5, -1
    bne s5, zero, next
    wfi`;
  test.each(FENCES)("by %s", (_, fence, asid) => {
    const rounds = 300;
    const machine = new Lockstep(remap(fence, asid, rounds));
    addressSpace(machine, ROOT_A, [entry(PAGE_A, LEAF)]);
    for (const [page, step] of [
      [PAGE_A, 1],
      [PAGE_B, 100],
    ] as const) {
      machine.place(page, `addi a0, a0, ${step}; jalr zero, 0(ra)`, WINDOW);
      machine.place(page + 64, `addi a1, a1, ${step}; addi a1, a1, ${step}; jalr zero, 0(ra)`, WINDOW + 64);
    }
    machine.finish();
    const calls = BigInt(rounds / 2) * 12n;
    expect(machine.registers("a0", "a1")).toEqual([calls * 101n, calls * 202n]);
    expectCompiled(machine);
  });

  // An instruction lies on both pages of the window. Each half is mapped anew by turns.
  const HALVES = [
    ["first", 0, [PAGE_B, PAGE_A + 4096]],
    ["second", 4096, [PAGE_A, PAGE_B + 4096]],
  ] as const;
  const GLOBALS = [
    ["own", 0n, 0n],
    ["global", GLOBAL, GLOBAL],
    ["global and own", GLOBAL, 0n],
    ["own and global", 0n, GLOBAL],
  ] as const;

  describe.each(HALVES)("under the %s half of an instruction", (_, distance, other) => {
    test.each(GLOBALS)("where the pages are %s", (__, flags0, flags1) => {
      const rounds = 200;
      const flags = distance === 0 ? flags0 : flags1;
      const original = PAGE_A + distance;
      const source = `
        ${SUPERVISOR}
        li s3, ${satp(ROOT_A, 1)}
        csrrw zero, satp, s3
        li s5, ${rounds}
        li s6, ${WINDOW + distance}
        li s7, ${WINDOW + 0xffc}
        li s8, ${WINDOW + 0xffe}
        li s9, ${ROOT_A + 8192 + distance / 512}
        li s10, ${entry(distance === 0 ? other[0] : other[1], LEAF | flags)}
        li s11, ${entry(original, LEAF | flags)}
        next: li t1, 12
        loop: jalr ra, 0(s7)
        jalr ra, 0(s8)
        addi t1, t1, -1
        bne t1, zero, loop
        sd s10, 0(s9)
        sfence.vma s6, zero
        xor s11, s11, s10; xor s10, s11, s10; xor s11, s11, s10
        addi s5, s5, -1
        bne s5, zero, next
        wfi`;
      const machine = new Lockstep(source);
      addressSpace(machine, ROOT_A, [entry(PAGE_A, LEAF | flags0), entry(PAGE_A + 4096, LEAF | flags1)]);
      // Behind a c.nop, an addi of which the first half has rd, and the second one the immediate. (rs1 is in both, but
      // x10 and x11 differ in the first one only.)
      const step = (page: number, imm: number, register: string): void =>
        machine.place(page + 0xffc, `.half 1; addi ${register}, ${register}, ${imm}; jalr zero, 0(ra)`);
      step(PAGE_B, 100, "a1");
      step(PAGE_A, 1, "a0");
      machine.finish();
      const calls = BigInt(rounds / 2) * 24n;
      // The other first half says a1, the other second one says 100.
      expect(machine.registers("a0", "a1")).toEqual(distance === 0 ? [calls, calls] : [calls * 101n, 0n]);
      expectCompiled(machine);
    });
  });
});

describe("code that is patched", () => {
  test.each([
    "fence.i",
    "fence.i; sfence.vma zero, zero",
    "fence.i; sfence.vma s6, zero",
    "sfence.vma s6, zero",
  ])("and called again after %s", (fence) => {
    const rounds = 400;
    const machine = new Lockstep(`
        ${SUPERVISOR}
        li s3, ${satp(ROOT_A, 1)}
        csrrw zero, satp, s3
        li s0, ${rounds}
        li s5, ${1 << 20}
        li s6, ${WINDOW}
        li s7, ${PAGE_A}
        lwu s8, 4(s7)
        next: li t1, 9
        loop: jalr ra, 0(s6)
        jalr ra, 8(s6)
        addi t1, t1, -1
        bne t1, zero, loop
        # Elsewhere in the page first: only the second block goes.
        add s8, s8, s5
        sw s8, 4(s7)
        ${fence}
        addi s0, s0, -1
        bne s0, zero, next
        wfi`);
    addressSpace(machine, ROOT_A, [entry(PAGE_A, LEAF)]);
    machine.place(PAGE_A, "addi a1, a1, 1; addi a0, a0, 0; addi a2, a2, 1; jalr zero, 0(ra)", WINDOW);
    machine.finish();
    const n = BigInt(rounds);
    // Round i adds i in each of its 9 calls, modulo the 12 bits of an immediate (which 400 do not exceed).
    expect(machine.registers("a0", "a1", "a2")).toEqual([(9n * n * (n - 1n)) / 2n, 9n * n, 18n * n]);
    expectCompiled(machine);
  });

  test("and has fewer and more instructions by turns, at the same place", () => {
    const rounds = 400;
    const machine = new Lockstep(`
      ${SUPERVISOR}
      li s3, ${satp(ROOT_A, 1)}
      csrrw zero, satp, s3
      li s0, ${rounds}
      li s6, ${WINDOW}
      li s7, ${PAGE_A}
      lwu s8, 0(s7)
      lwu s9, 12(s7)
      next: li t1, 9
      loop: jalr ra, 0(s6)
      addi t1, t1, -1
      bne t1, zero, loop
      sw s9, 0(s7)
      fence.i
      sfence.vma zero, zero
      xor s8, s8, s9; xor s9, s8, s9; xor s8, s8, s9
      addi s0, s0, -1
      bne s0, zero, next
      wfi`);
    addressSpace(machine, ROOT_A, [entry(PAGE_A, LEAF)]);
    // The first one becomes a return, and an addition again.
    machine.place(PAGE_A, "addi a0, a0, 1; addi a1, a1, 1; addi a2, a2, 1; jalr zero, 0(ra)", WINDOW);
    machine.finish();
    const calls = 9n * BigInt(rounds / 2);
    expect(machine.registers("a0", "a1", "a2")).toEqual([calls, calls, calls]);
    expectCompiled(machine);
  });
});

describe("user code and supervisor code at one address", () => {
  const SPACES = [
    ["with ASIDs of their own", 1, 2, ""],
    ["with one ASID and SFENCE.VMA", 3, 3, "sfence.vma zero, zero"],
    ["with one ASID and SFENCE.VMA of it", 3, 3, "sfence.vma zero, s2"],
    ["with one ASID and SFENCE.VMA of the page", 3, 3, "sfence.vma s6, zero"],
  ] as const;

  test.each(SPACES)("in two spaces %s", (_, a, b, fence) => {
    const rounds = 500;
    const machine = new Lockstep(`
      ${SUPERVISOR}
      la t0, handler
      csrrw zero, stvec, t0
      li s2, 3
      li s3, ${satp(ROOT_A, a)}
      li s4, ${satp(ROOT_B, b)}
      li s5, 0x100
      li s6, ${WINDOW}
      li s0, ${rounds}
      next: csrrw zero, satp, s3
      ${fence}
      # The user's, by SRET, from where ECALL leads back.
      csrrc zero, sstatus, s5
      csrrw zero, sepc, s6
      sret
      back: csrrw zero, satp, s4
      ${fence}
      li t1, 7
      loop: jalr ra, 0(s6)
      addi t1, t1, -1
      bne t1, zero, loop
      addi s0, s0, -1
      bne s0, zero, next
      wfi
      .align 4
      handler: csrrs t0, scause, zero
      add s7, s7, t0
      jal zero, back`);
    addressSpace(machine, ROOT_A, [entry(PAGE_A, LEAF | USER)]);
    addressSpace(machine, ROOT_B, [entry(PAGE_B, LEAF)]);
    machine.place(PAGE_A, "addi a0, a0, 1; ecall", WINDOW);
    machine.place(PAGE_B, "addi a1, a1, 1; jalr zero, 0(ra)", WINDOW);
    machine.finish();
    const n = BigInt(rounds);
    expect(machine.registers("a0", "a1", "s7")).toEqual([n, 7n * n, n * BigInt(Cause.ecallU)]);
    expectCompiled(machine);
  });

  test.each([0n, GLOBAL])("in one space each runs its own only (entry flags %d)", (flags) => {
    const rounds = 500;
    // The supervisor tries the user's page, and the user the supervisor's; each faults there, and after that
    // goes to its own.
    const machine = new Lockstep(`
      ${SUPERVISOR}
      la t0, handler
      csrrw zero, stvec, t0
      li s3, ${satp(ROOT_A, 1)}
      csrrw zero, satp, s3
      li s5, 0x100
      li s6, ${WINDOW}
      li s7, ${WINDOW + 4096}
      li s0, ${rounds}
      next: la s1, first
      jalr ra, 0(s6)
      first: la s1, second
      csrrc zero, sstatus, s5
      csrrw zero, sepc, s7
      sret
      second: la s1, third
      csrrc zero, sstatus, s5
      csrrw zero, sepc, s6
      sret
      third: jalr ra, 0(s7)
      addi s0, s0, -1
      bne s0, zero, next
      wfi
      .align 4
      handler: csrrs t0, scause, zero
      add s8, s8, t0
      csrrs t0, stval, zero
      add s9, s9, t0
      csrrs t0, sepc, zero
      add s10, s10, t0
      jalr zero, 0(s1)`);
    addressSpace(machine, ROOT_A, [entry(PAGE_A, LEAF | USER | flags), entry(PAGE_B, LEAF | flags)]);
    machine.place(PAGE_A, "addi a0, a0, 1; ecall", WINDOW);
    machine.place(PAGE_B, "addi a1, a1, 1; jalr zero, 0(ra)", WINDOW + 4096);
    machine.finish();
    const n = BigInt(rounds);
    const [user, supervisor] = [BigInt(WINDOW), BigInt(WINDOW + 4096)];
    expect(machine.registers("a0", "a1")).toEqual([n, n]);
    expect(machine.registers("s8", "s9", "s10")).toEqual([
      n * BigInt(2 * Cause.fetchPage + Cause.ecallU),
      n * (user + supervisor),
      n * (user + supervisor + user + 4n),
    ]);
    expectCompiled(machine);
  });
});

test("address spaces without ASIDs that are switched without a fence lead to what satp says", () => {
  // More than is promised: the whole satp tells spaces apart here, so that software without fences sees what it wrote.
  const rounds = 900;
  const machine = new Lockstep(`
    ${SUPERVISOR}
    li s3, ${satp(ROOT_A)}
    li s4, ${satp(ROOT_B)}
    li s5, ${satp(RAM + 0x40000)}
    li s6, ${WINDOW}
    li s0, ${rounds}
    next: csrrw zero, satp, s3
    jalr ra, 0(s6)
    jalr ra, 0(s6)
    addi t0, s3, 0
    addi s3, s4, 0
    addi s4, s5, 0
    addi s5, t0, 0
    addi s0, s0, -1
    bne s0, zero, next
    wfi`);
  for (const [root, page, register] of [
    [ROOT_A, PAGE_A, "a0"],
    [ROOT_B, PAGE_B, "a1"],
    [RAM + 0x40000, PAGE_C, "a2"],
  ] as const) {
    addressSpace(machine, root, [entry(page, LEAF)]);
    machine.place(page, `addi ${register}, ${register}, 1; jalr zero, 0(ra)`, WINDOW);
  }
  machine.finish();
  const n = BigInt((rounds / 3) * 2);
  expect(machine.registers("a0", "a1", "a2")).toEqual([n, n, n]);
  expectCompiled(machine);
});
