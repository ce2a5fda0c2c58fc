import { describe, expect, test } from "vitest";
import { Lockstep, RAM } from "../testing/cpu/bare-lockstep.js";
import { addressSpace, entry, LEAF, satp, USER, WINDOW } from "../testing/cpu/sv39.js";
import { Cause } from "./causes.js";
import { MXR, SUM } from "./status-bits.js";

// sstatus.SUM and MXR are switched inside of hot loops: the same accesses of the same block fault or do not, exactly,
// whatever the loop found out about its pages a moment ago. In HS-mode, and by vsstatus in VS-mode.

const U64 = (value: bigint): bigint => BigInt.asUintN(64, value);
/** Readable by MXR alone: valid, executable, accessed, dirty. */
const EXECUTE_ONLY = 0xc9n;
const [ROOT_A, ROOT_B] = [RAM + 0x10000, RAM + 0x20000];
const [PAGE_A, PAGE_B] = [RAM + 0x31000, RAM + 0x32000];

/** Page faults go to the S-mode that is entered, where a handler steps over what faulted. */
const enter = (virtual: boolean) => `
  li t0, -1
  csrrw zero, pmpaddr0, t0
  li t0, 0x1f
  csrrw zero, pmpcfg0, t0
  li t0, ${(1 << Cause.loadPage) | (1 << Cause.storePage)}
  csrrw zero, medeleg, t0
  csrrw zero, hedeleg, t0
  # The other level's SUM means nothing.
  li t0, ${SUM}
  csrrw zero, ${virtual ? "mstatus" : "vsstatus"}, t0
  li t0, ${0x800n | (virtual ? 1n << 39n : 0n)}
  csrrs zero, mstatus, t0
  la t0, supervisor
  csrrw zero, mepc, t0
  mret
  supervisor: la t0, handler
  csrrw zero, stvec, t0`;
/** Adds up what faulted in s8..s10, and counts it in s11. */
const HANDLER = `
  .align 4
  handler: csrrs t5, sepc, zero
  add s8, s8, t5
  addi t5, t5, 4
  csrrw zero, sepc, t5
  csrrs t5, stval, zero
  add s9, s9, t5
  csrrs t5, scause, zero
  add s10, s10, t5
  addi s11, s11, 1
  sret`;

/** Faults in all: label of the instruction, address, cause, and how often. */
type Fault = readonly [label: string, address: number, cause: number, times: number];

function expectFaults(machine: Lockstep, faults: readonly Fault[]): void {
  const sum = (value: (fault: Fault) => number) =>
    U64(faults.reduce((total, fault) => total + BigInt(value(fault)) * BigInt(fault[3]), 0n));
  expect(machine.registers("s8", "s9", "s10", "s11")).toEqual([
    sum(([label]) => machine.at(label)),
    sum(([, address]) => address),
    sum(([, , cause]) => cause),
    sum(() => 1),
  ]);
}

/** Code gets hot by itself only where there are many rounds. */
function expectCompiled(machine: Lockstep, auto: boolean): void {
  expect(machine.compiled("hot")).toBeGreaterThan(0);
  if (auto) expect(machine.compiled("auto")).toBeGreaterThan(0);
}

const LEVELS = [
  ["HS", false],
  ["VS", true],
] as const;
const [LOAD, STORE] = [Cause.loadPage, Cause.storePage];

describe.each(LEVELS)("in %s-mode", (_, virtual) => {
  describe.each([
    ["long", 1777],
    ["short", 61],
  ] as const)("in %s slices", (length, slice) => {
    const long = length === "long";

    test("SUM on and off around accesses of a user page and a supervisor page", () => {
      const rounds = long ? 4000 : 480;
      const machine = new Lockstep(`
        ${enter(virtual)}
        li t0, ${satp(ROOT_A, 1)}
        csrrw zero, satp, t0
        li s0, ${rounds}
        li s1, ${SUM}
        li s6, ${WINDOW}
        li s7, ${WINDOW + 4096}
        loop: csrrs zero, sstatus, s1
        ld t0, 0(s6)
        ld t1, 0(s7)
        addi t0, t0, 1
        sd t0, 0(s6)
        sd t0, 8(s7)
        csrrc zero, sstatus, s1
        ld t2, 8(s7)
        load: ld t0, 0(s6)
        store: sd t2, 8(s6)
        sd t2, 0(s7)
        csrrs zero, sstatus, s1
        ld t3, 8(s6)
        amoadd.d t4, s0, (s6)
        csrrc zero, sstatus, s1
        amo: amoadd.d t4, s0, (s6)
        amoadd.d t4, s1, (s7)
        add a0, a0, t3
        add a1, a1, t2
        addi s0, s0, -1
        bne s0, zero, loop
        wfi
        ${HANDLER}`);
      addressSpace(machine, ROOT_A, [entry(PAGE_A, LEAF | USER), entry(PAGE_B, LEAF)]);
      machine.put(PAGE_A, [0n, 7n]);
      machine.finish(slice);
      const [user, n] = [WINDOW, rounds];
      expectFaults(machine, [
        ["load", user, LOAD, n],
        ["store", user + 8, STORE, n],
        ["amo", user, STORE, n],
      ]);
      expect(machine.registers("a0")).toEqual([7n * BigInt(n)]);
      expectCompiled(machine, long);
    });

    test("SUM that is there except once in a while", () => {
      const rounds = long ? 4000 : 480;
      const machine = new Lockstep(`
        ${enter(virtual)}
        li t0, ${satp(ROOT_A, 1)}
        csrrw zero, satp, t0
        li s0, ${rounds}
        li s6, ${WINDOW}
        li s7, ${WINDOW + 4096}
        loop: andi t0, s0, 15
        addi t0, t0, -1
        # Zero in one round of 16, else SUM.
        sltu s1, zero, t0
        slli s1, s1, 18
        csrrs zero, sstatus, s1
        load: ld a2, 0(s6)
        load2: ld a3, 8(s6)
        ld a4, 0(s7)
        addi a4, a4, 1
        store: sd a4, 16(s6)
        sd a4, 0(s7)
        csrrc zero, sstatus, s1
        add a0, a0, a2
        add a1, a1, a3
        li a2, 0; li a3, 0
        addi s0, s0, -1
        bne s0, zero, loop
        wfi
        ${HANDLER}`);
      addressSpace(machine, ROOT_A, [entry(PAGE_A, LEAF | USER), entry(PAGE_B, LEAF)]);
      machine.put(PAGE_A, [3n, 1000n]);
      machine.finish(slice);
      const times = rounds / 16;
      expectFaults(machine, [
        ["load", WINDOW, LOAD, times],
        ["load2", WINDOW + 8, LOAD, times],
        ["store", WINDOW + 16, STORE, times],
      ]);
      const good = BigInt(rounds - times);
      expect(machine.registers("a0", "a1", "a4")).toEqual([3n * good, 1000n * good, BigInt(rounds)]);
      expectCompiled(machine, long);
    });

    test("MXR on and off around loads of a page that may only be executed", () => {
      const rounds = long ? 4000 : 480;
      const machine = new Lockstep(`
        ${enter(virtual)}
        li t0, ${satp(ROOT_A, 1)}
        csrrw zero, satp, t0
        li s0, ${rounds}
        li s1, ${MXR}
        li s2, ${MXR | SUM}
        li s6, ${WINDOW}
        li s7, ${WINDOW + 4096}
        loop: csrrs t0, sstatus, s1
        lwu t1, 0(s6)
        user: lwu t2, 0(s7)
        csrrs t0, sstatus, s2
        lwu t3, 4(s7)
        csrrc t0, sstatus, s1
        off: lwu t4, 4(s6)
        off2: lwu t4, 4(s7)
        store: sw t4, 0(s6)
        csrrc t0, sstatus, s2
        add a0, a0, t1
        add a1, a1, t3
        addi s0, s0, -1
        bne s0, zero, loop
        wfi
        ${HANDLER}`);
      addressSpace(machine, ROOT_A, [entry(PAGE_A, EXECUTE_ONLY), entry(PAGE_B, EXECUTE_ONLY | USER)]);
      machine.put(PAGE_A, [5n]);
      machine.put(PAGE_B, [9n << 32n]);
      machine.finish(slice);
      expectFaults(machine, [
        ["user", WINDOW + 4096, LOAD, rounds],
        ["off", WINDOW + 4, LOAD, rounds],
        ["off2", WINDOW + 4100, LOAD, rounds],
        ["store", WINDOW, STORE, rounds],
      ]);
      expect(machine.registers("a0", "a1")).toEqual([5n * BigInt(rounds), 9n * BigInt(rounds)]);
      expectCompiled(machine, long);
    });
  });

  const FENCED = [
    ["ASIDs of their own", 1, 2, ""],
    ["one ASID and SFENCE.VMA", 3, 3, "sfence.vma zero, zero"],
    ["one ASID and SFENCE.VMA of it", 3, 3, "li t0, 3; sfence.vma zero, t0"],
    ["one ASID and SFENCE.VMA of the page", 3, 3, "sfence.vma s6, zero"],
    ["no ASID and SFENCE.VMA of the page in it", 0, 0, "li t0, 0; sfence.vma s6, t0"],
  ] as const;

  test.each(FENCED)(
    "one address, a user page here and a supervisor page there, with %s",
    (__, a, b, fence) => {
      const rounds = 1000;
      const machine = new Lockstep(`
      ${enter(virtual)}
      li s3, ${satp(ROOT_A, a)}
      li s4, ${satp(ROOT_B, b)}
      li s0, ${rounds}
      li s1, ${SUM}
      li s6, ${WINDOW}
      next: csrrw zero, satp, s3
      ${fence}
      li s2, 12
      loop: ld t1, 8(s6)
      add a0, a0, t1
      li t1, 0
      csrrs zero, sstatus, s1
      ld t2, 0(s6)
      addi t2, t2, 1
      sd t2, 0(s6)
      csrrc zero, sstatus, s1
      store: sd t2, 16(s6)
      addi s2, s2, -1
      bne s2, zero, loop
      xor s3, s3, s4; xor s4, s3, s4; xor s3, s3, s4
      addi s0, s0, -1
      bne s0, zero, next
      csrrw zero, satp, zero
      wfi
      ${HANDLER}`);
      addressSpace(machine, ROOT_A, [entry(PAGE_A, LEAF | USER)]);
      addressSpace(machine, ROOT_B, [entry(PAGE_B, LEAF)]);
      machine.put(PAGE_A, [0n, 1n, 77n]);
      machine.put(PAGE_B, [0n, 100n, 0n]);
      machine.finish();
      const n = (rounds / 2) * 12;
      expectFaults(machine, [
        ["loop", WINDOW + 8, LOAD, n],
        ["store", WINDOW + 16, STORE, n],
      ]);
      expect(machine.registers("a0")).toEqual([100n * BigInt(n)]);
      const words = new BigUint64Array(machine.memory(PAGE_A, 8192).buffer);
      expect([words[0], words[2], words[512], words[514]]).toEqual([BigInt(n), 77n, BigInt(n), BigInt(n)]);
      expectCompiled(machine, true);
    },
  );

  test.each(FENCED.slice(1).map(([name, , , fence]) => [name, fence] as const))(
    "a page that changes hands, with %s",
    (__, fence) => {
      const rounds = 1000;
      const machine = new Lockstep(`
        ${enter(virtual)}
        li t0, ${satp(ROOT_A, fence.includes("3;") ? 3 : 0)}
        csrrw zero, satp, t0
        li s0, ${rounds}
        li s1, ${SUM}
        li s3, ${entry(PAGE_A, LEAF | USER)}
        li s4, ${entry(PAGE_A, LEAF)}
        li s5, ${ROOT_A + 8192}
        li s6, ${WINDOW}
        next: sd s3, 0(s5)
        ${fence}
        li s2, 12
        loop: ld t1, 8(s6)
        add a0, a0, t1
        li t1, 0
        csrrs zero, sstatus, s1
        ld t2, 0(s6)
        addi t2, t2, 1
        sd t2, 0(s6)
        csrrc zero, sstatus, s1
        addi s2, s2, -1
        bne s2, zero, loop
        xor s3, s3, s4; xor s4, s3, s4; xor s3, s3, s4
        addi s0, s0, -1
        bne s0, zero, next
        wfi
        ${HANDLER}`);
      addressSpace(machine, ROOT_A, [entry(PAGE_A, LEAF)]);
      machine.put(PAGE_A, [0n, 100n]);
      machine.finish();
      const n = (rounds / 2) * 12;
      expectFaults(machine, [["loop", WINDOW + 8, LOAD, n]]);
      expect(machine.registers("a0")).toEqual([100n * BigInt(n)]);
      expect(new BigUint64Array(machine.memory(PAGE_A, 8).buffer)).toEqual(
        new BigUint64Array([2n * BigInt(n)]),
      );
      expectCompiled(machine, true);
    },
  );
});
