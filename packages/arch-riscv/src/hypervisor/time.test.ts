import { InstructionClock } from "@hypercraft/hypercraft";
import { describe, expect, test } from "vitest";
import { assembleGuest, createRig, RAM, reg, runTo, STOP } from "../testing/vm/rig.js";
import { BASE, HSM, sbi, TIME } from "../testing/vm/sbi-text.js";

// Guest timers in deterministic time: 10 ns an instruction, 100 ns a tick of `time`.

const END = { kind: "end", result: { kind: "stopped" } } as const;
/** The run ends at `STOP`. */
const handlers = { hypercall: () => END };
const NEVER = "li a0, -1\nli a7, 0x54494d45\nli a6, 0\necall\n";

/** Arm the timer for `time` + ticks, by SBI or by the guest's own stimecmp. */
const arm = (ticks: number, how: "sbi" | "stimecmp") =>
  `rdtime s2\nli t1, ${ticks}\nadd s3, s2, t1\nmv a0, s3\n${how === "sbi" ? sbi(TIME, 0) : "csrw stimecmp, a0"}\n`;

describe.each(["sbi", "stimecmp"] as const)("a timer set by %s", (how) => {
  test("ends a wait exactly when it is due", async () => {
    const guest = assembleGuest(
      `li t0, 0x20\ncsrs sie, t0\n${arm(50_000, how)}wfi\nrdtime s4\ncsrr s5, sip\n${STOP}`,
      {
        handlers,
      },
    );
    expect((await guest.vm.run({ onIdle: "stop" })).kind).toBe("stopped");
    const { vcpu, vm } = guest;
    expect(reg(vcpu, "s4")).toBe(reg(vcpu, "s3"));
    expect(reg(vcpu, "s5")).toBe(0x20n);
    // The clock jumped; the guest did not spin.
    expect(vcpu.retired).toBeLessThan(50);
    expect(vm.clock.now()).toBeGreaterThanOrEqual(Number(reg(vcpu, "s3")) * 100);
  });

  test("interrupts running code at the first instruction of its tick", async () => {
    const source = `
      la t0, handler
      csrw stvec, t0
      li t0, 0x20
      csrs sie, t0
      csrsi sstatus, 2
      ${arm(200, how)}
      spin: addi s5, s5, 1
      j spin
      .align 4
      handler: rdtime s4
      csrr s6, scause
      ${STOP}
    `;
    const ends = [1, 7, 100, 20_000].map(async (slice) => {
      const { vm, vcpu } = assembleGuest(source, { handlers });
      expect((await vm.run({ slice, onIdle: "stop" })).kind).toBe("stopped");
      expect([reg(vcpu, "s4") - reg(vcpu, "s3"), reg(vcpu, "s6")]).toEqual([0n, (1n << 63n) | 5n]);
      return [vcpu.retired, reg(vcpu, "s5"), vm.clock.now()];
    });
    const [first, ...others] = await Promise.all(ends);
    for (const other of others) expect(other).toEqual(first);
  });

  test("is taken back", async () => {
    const back = how === "sbi" ? NEVER : "li a0, -1\ncsrw stimecmp, a0\n";
    const { vm, vcpu } = assembleGuest(`li t0, 0x20\ncsrs sie, t0\n${arm(1000, how)}${back}wfi\n${STOP}`, {
      handlers,
    });
    expect((await vm.run({ onIdle: "stop" })).kind).toBe("idle");
    expect(vcpu.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  test("in the past is pending at once, and rearming clears it", async () => {
    const past = how === "sbi" ? `li a0, 0\n${sbi(TIME, 0)}` : "csrw stimecmp, zero\n";
    const { vcpu } = assembleGuest(`${past}csrr s2, sip\n${arm(1000, how)}csrr s4, sip\n${STOP}`);
    runTo(vcpu, "hypercall");
    expect([reg(vcpu, "s4")]).toEqual([0n]);
    const again = assembleGuest(`${past}csrr s5, sip\n${STOP}`);
    runTo(again.vcpu, "hypercall");
    expect(reg(again.vcpu, "s5")).toBe(0x20n);
  });
});

test("time does not run backwards across calls that the hypervisor serves in the middle of a slice", async () => {
  const { vm, vcpu } = assembleGuest(
    `
    li s6, 100
    rdtime s2
    loop:
    ${sbi(BASE, 0)}
    rdtime s3
    bltu s3, s2, backwards
    mv s2, s3
    addi s6, s6, -1
    bnez s6, loop
    backwards:
    ${STOP}
  `,
    { handlers },
  );
  await vm.run({ slice: 5000, onIdle: "stop" });
  expect(reg(vcpu, "s6")).toBe(0n);
  // 10 ns an instruction: what the guest read last is when that was.
  expect(Math.abs(Number(reg(vcpu, "s2")) * 100 - vm.clock.now())).toBeLessThan(500);
});

test("a wait ends by what is enabled, whether or not interrupts as a whole are", async () => {
  const guest = (enable: string) =>
    assembleGuest(`${enable}\n${arm(10, "stimecmp")}wfi\n${STOP}`, { handlers }).vm.run({ onIdle: "stop" });
  expect((await guest("li t0, 0x20; csrs sie, t0")).kind).toBe("stopped");
  expect((await guest("csrsi sie, 2")).kind).toBe("idle");
});

test("what is pending ends a wait before it begins", () => {
  const { vcpu } = assembleGuest(`csrsi sie, 2\nwfi\n${STOP}`);
  vcpu.interrupt(1);
  expect(runTo(vcpu, "hypercall").nr).toBe(0x77n);
});

test("a retentive suspend is a wait that returns success", async () => {
  const { vm, vcpu } = assembleGuest(
    `li t0, 0x20\ncsrs sie, t0\n${arm(1000, "sbi")}li s5, 5\n${sbi(HSM, 3, 0, 0, 0)}rdtime s4\n${STOP}`,
    { handlers },
  );
  expect((await vm.run({ onIdle: "stop" })).kind).toBe("stopped");
  expect([reg(vcpu, "s4") - reg(vcpu, "s3"), reg(vcpu, "s5")]).toEqual([0n, 5n]);
});

test("a non-retentive suspend goes on elsewhere: translation off, interrupts masked, timer and enables alive", async () => {
  const { vm, vcpu, labels } = assembleGuest(
    `
    li t0, 0x20
    csrs sie, t0
    csrsi sstatus, 2
    la t0, tables
    srli t0, t0, 12
    li t1, 0x8000000000000000
    or t0, t0, t1
    csrw satp, t0
    ${arm(1000, "sbi")}
    la a1, resumed
    li a0, 0x80000000
    li a2, 0xabcdef
    li a7, ${HSM}
    li a6, 3
    ecall
    fail: j fail
    resumed:
    rdtime s4
    mv s5, a0
    mv s6, a1
    csrr s7, satp
    csrr s8, sstatus
    csrr s9, sip
    ${STOP}
    .align 4096
    tables:
    .dword 0
    .dword 0
    .dword ${((BigInt(RAM) >> 12n) << 10n) | 0xcfn}
  `,
    { handlers },
  );
  expect(labels.has("tables")).toBe(true);
  expect((await vm.run({ onIdle: "stop" })).kind).toBe("stopped");
  expect(["s4", "s5", "s6", "s7", "s9"].map((name) => reg(vcpu, name))).toEqual([
    reg(vcpu, "s3"),
    0n,
    0xabcdefn,
    0n,
    0x20n,
  ]);
  expect(reg(vcpu, "s8") & 2n).toBe(0n);
});

test.each(["cold", "hot"] as const)(
  "budgets are exact across every way out and back, whatever the slices: %s tier",
  (tier) => {
    // Every way out and back in, in a loop; the handler skips what trapped.
    const source = `
    la t0, handler
    csrw stvec, t0
    li s0, 0x10000000
    li s1, 3
    loop:
    ${sbi(BASE, 0)}
    csrr a0, hgatp
    lw a0, 0(s0)
    sd a0, 8(s0)
    amoadd.w a0, a0, (s0)
    lw a0, 1(s0)
    la s5, back
    jr s0
    back:
    ${arm(5, "sbi")}
    li a7, 0x485643
    li a6, 5
    ecall
    addi s1, s1, -1
    bnez s1, loop
    ${STOP}
    .align 4
    handler:
    csrr t1, scause
    li t2, 1
    bne t1, t2, skip
    csrw sepc, s5
    sret
    skip:
    csrr t1, sepc
    addi t1, t1, 4
    csrw sepc, t1
    sret
  `;
    const observe = (budget: number) => {
      const { vm, vcpu } = assembleGuest(source, { rig: createRig(new InstructionClock(), tier) });
      const log: unknown[] = [];
      let spent = 0;
      for (let runs = 0; runs < 10_000; runs++) {
        const before = vcpu.retired;
        const exit = vcpu.run(budget);
        if (exit.kind === "budgetSpent") {
          expect(vcpu.retired - before).toBe(budget);
          spent += 1;
          continue;
        }
        expect(vcpu.retired - before).toBeLessThanOrEqual(budget);
        if (exit.kind === "timer") continue;
        log.push([
          exit.kind,
          vcpu.retired,
          vcpu.getPc(),
          reg(vcpu, "a0"),
          reg(vcpu, "s1"),
          vcpu.hart.readCsr("minstret"),
        ]);
        if (exit.kind === "hypercall" && exit.nr === 0x77n) return { log, spent };
        if (exit.kind === "hypercall") vcpu.completeExit({ kind: "results", values: [1n] });
        else if (exit.kind === "mmioRead") vcpu.completeExit({ kind: "value", lo: 7, hi: 0 });
        else if (exit.kind === "mmioWrite") vcpu.completeExit({ kind: "done" });
        else expect(vm.handleExit(vcpu, exit)).toBeUndefined();
      }
      throw new Error("the program does not end");
    };
    const whole = observe(1_000_000);
    const kinds = [
      "mmioRead",
      "mmioWrite",
      "nestedPageFault",
      "nestedPageFault",
      "nestedPageFault",
      "hypercall",
    ];
    expect(whole.log.map((entry) => (entry as unknown[])[0])).toEqual([
      ...kinds,
      ...kinds,
      ...kinds,
      "hypercall",
    ]);
    for (const budget of [1, 2, 3, 5, 17, 64]) {
      const parts = observe(budget);
      expect(parts.log).toEqual(whole.log);
      if (budget < 17) expect(parts.spent).toBeGreaterThan(0);
    }
  },
);
