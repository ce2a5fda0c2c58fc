import { InstructionClock } from "@hypercraft/hypercraft";
import { describe, expect, test } from "vitest";
import { addressSpace, alternate, entry, type HasRam, LEAF, satp, WINDOW } from "../testing/cpu/sv39.js";
import { assemble } from "../testing/vm/assembler.js";
import { assembleGuest, createRig, type Guest, RAM, reg, STOP } from "../testing/vm/rig.js";

// What compiled code may not outlive or mistake: other address spaces at the same addresses, changed code,
// debuggers. Every program says itself what must come out; all tiers have to agree, to the instruction.

const TIERS = ["cold", "hot", "auto"] as const;

const start = (source: string, tier: (typeof TIERS)[number]): Guest =>
  assembleGuest(source, { rig: createRig(new InstructionClock(), tier) });

const ramOf = ({ vm }: Guest): HasRam => ({
  put(address, words) {
    vm.memory?.write(address, new Uint8Array(BigUint64Array.from(words).buffer));
  },
});

function place(guest: Guest, address: number, source: string, base: number): void {
  guest.vm.memory?.write(address, assemble(source, base).bytes);
}

/** Run to STOP in slices of an odd length; gives the number of instructions. */
function finish({ vcpu, vm }: Guest, slice = 1777): number {
  for (let n = 0; n < 20_000; n++) {
    const exit = vcpu.run(slice);
    if (exit.kind === "hypercall" && exit.nr === 0x77n) return vcpu.core.instructions();
    if (exit.kind !== "budgetSpent" && vm.handleExit(vcpu, exit) !== undefined)
      throw new Error(`the VM ended by ${exit.kind}`);
  }
  throw new Error("the program does not stop");
}

const regions = ({ rig }: Guest): number => rig.engine.hot?.statistics.regions ?? 0;

/** The same in all tiers: what `body` gives. Compiled code took part. */
function inAllTiers(source: string, body: (guest: Guest) => unknown): void {
  const results = TIERS.map((tier) => {
    const guest = start(source, tier);
    const result = body(guest);
    // What is patched all the time never gets hot by itself.
    if (tier !== "auto") expect(regions(guest) > 0, `${tier} compiles`).toBe(tier === "hot");
    return result;
  });
  expect(results[1]).toEqual(results[0]);
  expect(results[2]).toEqual(results[0]);
}

const ROOT_A = RAM + 0x10000;
const ROOT_B = RAM + 0x20000;
const [SHARED, PAGE_A, PAGE_B] = [RAM + 0x30000, RAM + 0x31000, RAM + 0x32000];

/** The two address spaces share the first page of the window and have a second one each. */
function twoSpaces(guest: Guest, shared: string, a: string, b: string): void {
  addressSpace(ramOf(guest), ROOT_A, [entry(SHARED, LEAF), entry(PAGE_A, LEAF)]);
  addressSpace(ramOf(guest), ROOT_B, [entry(SHARED, LEAF), entry(PAGE_B, LEAF)]);
  place(guest, SHARED, shared, WINDOW);
  place(guest, PAGE_A, a, WINDOW + 4096);
  place(guest, PAGE_B, b, WINDOW + 4096);
}

/** Enter the window in either space by turns, `rounds` times. */
const turns = (rounds: number, asidA: number, asidB: number, fence: string, offset = 0) =>
  alternate([satp(ROOT_A, asidA), satp(ROOT_B, asidB)], rounds, {
    ...{ fence, offset },
    end: `csrrw zero, satp, zero; ${STOP}`,
  });

const fenced = [
  ["ASIDs of their own", 1, 2, ""],
  ["one ASID and SFENCE.VMA", 1, 1, "sfence.vma zero, zero"],
  ["no ASID and SFENCE.VMA of an address space", 0, 0, "sfence.vma zero, s11"],
] as const;

describe.each(fenced)("two address spaces with %s", (_, asidA, asidB, fence) => {
  test("a loop over two pages, of which they share one", () => {
    const source = turns(500, asidA, asidB, `li t0, 0; ${fence}; li t1, 20`);
    inAllTiers(source, (guest) => {
      const part = (step: number, total: string) => `
        addi t0, t0, ${step}
        addi t1, t1, -1
        beq t1, zero, leave
        jal zero, ${WINDOW}
        leave: add ${total}, ${total}, t0
        jalr zero, 0(s1)`;
      twoSpaces(guest, `addi a2, a2, 1; jal zero, ${WINDOW + 4096}`, part(1, "a0"), part(16, "a1"));
      const instructions = finish(guest);
      expect([reg(guest.vcpu, "a0"), reg(guest.vcpu, "a1"), reg(guest.vcpu, "a2")]).toEqual([
        5000n,
        80_000n,
        10_000n,
      ]);
      return instructions;
    });
  });

  test("a return to a page of which each has its own", () => {
    // The shared function is entered through the second page in one space, and with a made-up return address in the other.
    const source = turns(3000, asidA, asidB, `${fence}; li ra, ${WINDOW + 4096 + 4}`);
    inAllTiers(source, (guest) => {
      const shared = `bne s2, zero, short; jal zero, ${WINDOW + 4096}; short: addi a0, a0, 1; jalr zero, 0(ra)`;
      const second = (total: string) => `jal ra, ${WINDOW + 8}; addi ${total}, ${total}, 1; jalr zero, 0(s1)`;
      twoSpaces(guest, shared, second("a1"), second("a2"));
      const instructions = finish(guest, 50);
      expect(["a0", "a1", "a2"].map((name) => reg(guest.vcpu, name))).toEqual([3000n, 1500n, 1500n]);
      return instructions;
    });
  });

  test("a return to an instruction whose second half differs", () => {
    const source = turns(3000, asidA, asidB, fence, 0xff0);
    inAllTiers(source, (guest) => {
      const add = (imm: number) => assemble(`addi a1, a1, ${imm}`, 0).bytes;
      twoSpaces(guest, "nop", "nop", "nop");
      place(guest, SHARED + 0xf00, "addi a0, a0, 1; jalr zero, 0(ra)", WINDOW + 0xf00);
      place(guest, SHARED + 0xff0, `nop; nop; .half 1; jal ra, ${WINDOW + 0xf00}`, WINDOW + 0xff0);
      guest.vm.memory?.write(SHARED + 0xffe, add(1).subarray(0, 2));
      for (const [page, imm] of [
        [PAGE_A, 1],
        [PAGE_B, 16],
      ] as const) {
        guest.vm.memory?.write(page, add(imm).subarray(2));
        place(guest, page + 2, "jalr zero, 0(s1)", WINDOW + 4098);
      }
      const instructions = finish(guest, 50);
      expect([reg(guest.vcpu, "a0"), reg(guest.vcpu, "a1")]).toEqual([3000n, 1500n * 17n]);
      return instructions;
    });
  });
});

test("a page table entry is changed under a loop", () => {
  const last = ROOT_A + 8192;
  const source = `
    li s3, ${satp(ROOT_A, 1)}
    csrrw zero, satp, s3
    li s5, 300
    li s6, ${WINDOW}
    li s7, ${entry(PAGE_A, LEAF)}
    li s8, ${entry(PAGE_B, LEAF)}
    li s9, ${last + 8}
    li s10, ${WINDOW + 4096}
    la s1, back
    next: li t1, 30
    jalr zero, 0(s6)
    back: sd s8, 0(s9)
    sfence.vma s10, zero
    xor s7, s7, s8; xor s8, s7, s8; xor s7, s7, s8
    addi s5, s5, -1
    bne s5, zero, next
    ${STOP}`;
  inAllTiers(source, (guest) => {
    const second = (step: number) => `
      addi a0, a0, ${step}
      addi t1, t1, -1
      beq t1, zero, leave
      jal zero, ${WINDOW}
      leave: jalr zero, 0(s1)`;
    twoSpaces(guest, `addi a1, a1, 1; jal zero, ${WINDOW + 4096}`, second(1), second(100));
    const instructions = finish(guest);
    expect([reg(guest.vcpu, "a0"), reg(guest.vcpu, "a1")]).toEqual([150n * 30n * 101n, 9000n]);
    return instructions;
  });
});

describe("code that changes", () => {
  const patching = (fence: string) => `
    li s0, 400
    la s1, patch
    lwu s2, 0(s1)
    li s3, ${1 << 20}
    next: li t0, 25
    loop: add a1, a1, t0
    patch: addi a0, a0, 0
    addi t0, t0, -1
    bne t0, zero, loop
    add s2, s2, s3
    sw s2, 0(s1)
    ${fence}
    addi s0, s0, -1
    bne s0, zero, next
    ${STOP}`;

  test.each(["fence.i", "nop"])("a loop that is patched between its runs, and %s", (fence) => {
    inAllTiers(patching(fence), (guest) => {
      const instructions = finish(guest);
      // The immediate counts up by one for each run.
      expect([reg(guest.vcpu, "a0"), reg(guest.vcpu, "a1")]).toEqual([(25n * 400n * 399n) / 2n, 400n * 325n]);
      return instructions;
    });
  });

  test("a loop that patches what comes next in it", () => {
    const source = `
      li s0, 3000
      la s1, patch
      lwu s2, 0(s1)
      li s3, ${1 << 20}
      li s4, ${(1 << 20) * 7}
      loop: xor s2, s2, s4
      sw s2, 0(s1)
      patch: addi a0, a0, 8
      j next
      next: addi s0, s0, -1
      bne s0, zero, loop
      ${STOP}`;
    inAllTiers(source, (guest) => {
      const instructions = finish(guest);
      expect(reg(guest.vcpu, "a0")).toBe(1500n * (15n + 8n));
      return instructions;
    });
  });

  test("data beside a loop, in its own page, with atomics", () => {
    const source = `
      li s0, 5000
      la s1, data
      loop: ld t0, 0(s1)
      add t0, t0, s0
      sd t0, 0(s1)
      addi t1, s1, 8
      amoadd.d t2, s0, (t1)
      again: lr.d t2, (t1)
      addi t2, t2, 1
      sc.d t3, t2, (t1)
      bne t3, zero, again
      addi s0, s0, -1
      bne s0, zero, loop
      ld a0, 0(s1)
      ld a1, 8(s1)
      ${STOP}
      .align 8
      data: .dword 0; .dword 0`;
    inAllTiers(source, (guest) => {
      const instructions = finish(guest);
      const sum = (5000n * 5001n) / 2n;
      expect([reg(guest.vcpu, "a0"), reg(guest.vcpu, "a1")]).toEqual([sum, sum + 5000n]);
      return instructions;
    });
  });

  test("a device writes over a loop between slices", () => {
    const source = `
      li s0, 60000
      loop: addi a1, a1, 1
      patch: addi a0, a0, 1
      addi s0, s0, -1
      bne s0, zero, loop
      ${STOP}`;
    inAllTiers(source, (guest) => {
      const at = guest.labels.get("patch") as number;
      const seen: (bigint | number)[] = [];
      for (let imm = 2; imm < 40; imm++) {
        expect(guest.vcpu.run(4001).kind).toBe("budgetSpent");
        seen.push(reg(guest.vcpu, "a0"));
        guest.vm.memory?.write(at, assemble(`addi a0, a0, ${imm}`, at).bytes);
      }
      seen.push(finish(guest), reg(guest.vcpu, "a0"));
      expect(reg(guest.vcpu, "a1")).toBe(60000n);
      return seen;
    });
  });
});

test("breakpoints and single steps in compiled loops", () => {
  const source = `
    li s0, 20000
    loop: addi a0, a0, 3
    jal ra, inner
    addi s0, s0, -1
    bne s0, zero, loop
    ${STOP}
    inner: addi a1, a1, 1
    jalr zero, 0(ra)`;
  inAllTiers(source, (guest) => {
    const { vcpu, labels } = guest;
    const { core } = vcpu;
    const seen: unknown[] = [];
    const note = () => seen.push([core.instructions(), core.pcLo() >>> 0, reg(vcpu, "a0"), reg(vcpu, "a1")]);
    expect(vcpu.run(50_000).kind).toBe("budgetSpent");
    note();
    core.breakpoints.add(BigInt(labels.get("inner") as number));
    for (let i = 0; i < 3; i++) {
      expect(vcpu.run(50_000).kind).toBe("debugStop");
      expect(core.pcLo() >>> 0).toBe(labels.get("inner"));
      note();
    }
    core.breakpoints.clear();
    expect(vcpu.run(10_001).kind).toBe("budgetSpent");
    const trace: number[] = [];
    core.onInstruction = () => trace.push(core.pcLo() >>> 0);
    expect(vcpu.run(13).kind).toBe("budgetSpent");
    core.onInstruction = null;
    expect(trace.length).toBe(13);
    seen.push(trace);
    for (let i = 0; i < 9; i++) {
      expect(vcpu.run(1).kind).toBe("budgetSpent");
      note();
    }
    seen.push(finish(guest));
    expect([reg(vcpu, "a0"), reg(vcpu, "a1")]).toEqual([60_000n, 20_000n]);
    return seen;
  });
});

test("address arithmetic far from a block on another page", () => {
  // The greatest auipc, in a page behind the entry's, gives an address beyond 2 GiB from the entry's page.
  const source = `
    li s0, 20000
    la s2, far
    loop: jal zero, far
    .align 4096
    far: auipc a0, 0x7ffff
    add a1, a1, a0
    sub a1, a1, s2
    addi s0, s0, -1
    bne s0, zero, loop
    ${STOP}`;
  inAllTiers(source, (guest) => {
    const instructions = finish(guest);
    expect(reg(guest.vcpu, "a1")).toBe(20000n * 0x7ffff000n);
    return instructions;
  });
});

describe("interrupts of a virtual hart", () => {
  // stimecmp becomes due while SIE is clear, and the guest spins on; then SIE is set in one way or another.
  const WAYS = [
    ["csrrsi", "csrrsi zero, sstatus, 2"],
    ["csrrs", "csrrs t3, sstatus, s7"],
    ["csrrw", "csrrw t3, sstatus, s7"],
    ["csrrs with a change of FS", "csrrs t3, sstatus, s8"],
    ["sret", "csrrw zero, sepc, s9; csrrw zero, sstatus, s10; sret"],
  ] as const;

  const timed = (enable: string, rounds: number) => `
    la t0, handler
    csrrw zero, stvec, t0
    li t0, 0x22
    csrrw zero, sie, t0
    li s0, ${rounds}
    li s7, 2
    li s8, 0x2002
    la s9, after
    li s10, 0x120
    loop: csrrc zero, sstatus, s8
    rdtime t1
    addi t1, t1, 3
    csrrw zero, stimecmp, t1
    li t2, 40
    spin: addi t2, t2, -1
    bne t2, zero, spin
    bne s3, a1, wrong
    ${enable}
    after: addi a1, a1, 1
    bne s3, a1, wrong
    # Due in the middle of the next loop, or never.
    rdtime t1
    addi t1, t1, 2
    csrrw zero, stimecmp, t1
    li t2, 60
    wait: csrrci zero, sstatus, 2
    addi s5, s5, 1
    addi s6, s6, 1
    csrrsi zero, sstatus, 2
    addi t2, t2, -1
    bne t2, zero, wait
    addi a1, a1, 1
    bne s3, a1, wrong
    addi s0, s0, -1
    bne s0, zero, loop
    ${STOP}
    wrong: li s11, 1
    ${STOP}
    .align 4
    handler: csrrs t6, sepc, zero
    bne t6, s9, elsewhere
    addi s4, s4, 1
    elsewhere: sub t6, s5, s6
    or s11, s11, t6
    csrrs t6, scause, zero
    andi t6, t6, 15
    add s2, s2, t6
    li t6, -1
    csrrw zero, stimecmp, t6
    addi s3, s3, 1
    sret`;

  test.each(WAYS)("a timer that is due is let in by %s", async (_, enable) => {
    const rounds = 250;
    const results = [];
    for (const tier of TIERS)
      for (const slice of [20_000, 333]) {
        const rig = createRig(new InstructionClock(), tier);
        const handlers = { hypercall: () => ({ kind: "end", result: { kind: "stopped" } }) as const };
        const { vm, vcpu } = assembleGuest(timed(enable, rounds), { rig, handlers });
        expect((await vm.run({ slice, onIdle: "stop" })).kind).toBe("stopped");
        const list = ["s3", "s4", "s2", "a1", "s11", "s0"].map((name) => reg(vcpu, name));
        const n = BigInt(rounds);
        expect(list, `${tier}, slices of ${slice}`).toEqual([2n * n, n, 10n * n, 2n * n, 0n, 0n]);
        if (tier === "hot") expect(rig.engine.hot?.statistics.regions).toBeGreaterThan(0);
        results.push([vcpu.core.instructions(), vm.clock.now(), reg(vcpu, "t1")]);
      }
    for (const other of results) expect(other).toEqual(results[0]);
  });

  test("one that the guest makes pending itself", () => {
    const rounds = 600;
    const source = `
      la t0, handler
      csrrw zero, stvec, t0
      csrrwi zero, sie, 2
      li s0, ${rounds}
      la s9, after
      loop: csrrci zero, sstatus, 2
      csrrsi zero, sip, 2
      bne s3, a1, wrong
      csrrsi zero, sstatus, 2
      after: addi a1, a1, 1
      bne s3, a1, wrong
      addi s0, s0, -1
      bne s0, zero, loop
      ${STOP}
      wrong: li s11, 1
      ${STOP}
      .align 4
      handler: csrrs t6, sepc, zero
      sub t6, t6, s9
      or s11, s11, t6
      csrrci zero, sip, 2
      addi s3, s3, 1
      sret`;
    for (const slice of [1777, 7])
      inAllTiers(source, (guest) => {
        const instructions = finish(guest, slice);
        expect(["s3", "a1", "s11"].map((name) => reg(guest.vcpu, name))).toEqual([600n, 600n, 0n]);
        return instructions;
      });
  });
});
