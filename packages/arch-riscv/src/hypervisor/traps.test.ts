import { formatReport } from "@hypercraft/hypercraft";
import { describe, expect, test } from "vitest";
import { assembleGuest, RAM, reg, runTo, STOP } from "../testing/vm/rig.js";

// Traps that stay in the guest, those that the hypervisor gives back, and guests that cannot go on.

/** Keeps cause, value and pc of a trap in s2 to s4, and where it came from (sstatus.SPP) in s5, then stops. */
const HANDLER = `
  la t0, handler
  csrw stvec, t0
  j go
  .align 4
  handler:
  csrr s2, scause
  csrr s3, stval
  csrr s4, sepc
  csrr s5, sstatus
  ${STOP}
  go:
`;

/** The rest runs in U-mode. */
const TO_USER = `
  la t0, user
  csrw sepc, t0
  li t0, 0x100
  csrc sstatus, t0
  sret
  user:
`;

function trap(body: string) {
  const { vcpu, labels } = assembleGuest(`${HANDLER}${body}\n${STOP}`);
  runTo(vcpu, "hypercall");
  const at = labels.get("at");
  return { cause: reg(vcpu, "s2"), value: reg(vcpu, "s3"), inPlace: Number(reg(vcpu, "s4")) === at };
}

const ILLEGAL = 2n;

describe("what is virtual to the hardware is illegal to the guest, the instruction being the trap value", () => {
  test.each([
    ["csrr a0, hgatp", 0x68002573n],
    ["csrw hvip, a0", 0x64551073n],
    ["csrr a0, vsatp", 0x28002573n],
    ["hlv.w a0, (a1)", 0x6805c573n],
    ["hsv.b a0, (a1)", 0x62a5c073n],
    ["hfence.gvma", 0x62000073n],
    ["hfence.vvma", 0x22000073n],
  ])("%s", (text, bits) => {
    expect(trap(`at: ${text}`)).toEqual({ cause: ILLEGAL, value: bits, inPlace: true });
  });

  test.each([
    ["wfi", 0x10500073n],
    ["sret", 0x10200073n],
    ["csrr a0, sstatus", 0x10002573n],
    ["sfence.vma", 0x12000073n],
  ])("in user mode: %s", (text, bits) => {
    expect(trap(`${TO_USER}at: ${text}`)).toEqual({ cause: ILLEGAL, value: bits, inPlace: true });
  });
});

describe("what the guest handles itself does not exit", () => {
  test.each([
    ["ecall in user mode", `${TO_USER}at: ecall`, 8n, 0n],
    ["an illegal instruction", "at: .word 0", 2n, 0n],
    ["a machine-level CSR", "at: csrr a0, mstatus", 2n, 0x30002573n],
    ["ebreak", "at: ebreak", 3n, -1n],
    ["a misaligned atomic", `li a0, ${RAM + 2}; at: lr.w a1, (a0)`, 4n, BigInt(RAM + 2)],
    ["a page fault", "li t0, 0x8000000000080100; at: csrw satp, t0; next: nop", 12n, -1n],
  ])("%s", (_name, body, cause, value) => {
    const { vcpu, vm, labels } = assembleGuest(`${HANDLER}${body}\n${STOP}`);
    if (cause === 12n) {
      // The handler cannot be fetched either, so it is looked at from outside.
      vcpu.run(20);
      const scause = vcpu.registers().find(({ name }) => name === "vscause")?.value;
      const stval = vcpu.registers().find(({ name }) => name === "vstval")?.value;
      expect([scause, stval]).toEqual([12n, BigInt(labels.get("handler")!)]);
    } else {
      runTo(vcpu, "hypercall");
      const at = BigInt(labels.get("at")!);
      expect([reg(vcpu, "s2"), reg(vcpu, "s3")]).toEqual([cause, value < 0n ? at : value]);
    }
    expect(vm.stats.toJSON().total).toBe(0);
  });
});

describe.each([
  ["a jump", "j far"],
  ["an indirect jump", "la t0, far\njr t0"],
])("%s to where nothing can be fetched", (_name, jump) => {
  // Pages of 4 KiB: the code's own page, and the next one if it is to be there.
  const TABLES = RAM + 0x10_0000;
  const guest = (next: bigint) => {
    const made = assembleGuest(`
      li t0, ${0x8000_0000_0000_0000n | (BigInt(TABLES) >> 12n)}
      csrw satp, t0
      la t0, handler
      csrw stvec, t0
      ${jump}
      .align 4
      handler: nop
      nop
      .align 4096
      far: nop
    `);
    const entry = (address: number, flags: bigint) => ((BigInt(address) >> 12n) << 10n) | flags;
    const write = (at: number, value: bigint) => made.vm.memory!.writeU64(TABLES + at, value);
    write(16, entry(TABLES + 0x1000, 1n));
    write(0x1000, entry(TABLES + 0x2000, 1n));
    write(0x2000, entry(RAM, 0xcfn));
    write(0x2008, next);
    return made;
  };

  test("a page fault of the guest's own is charged when it is due, not before", () => {
    for (let budget = 1; budget < 16; budget++) {
      const { vcpu } = guest(0n);
      for (const step of [budget, 1, 1]) {
        const before = vcpu.retired;
        expect(vcpu.run(step).kind).toBe("budgetSpent");
        expect(vcpu.retired - before).toBe(step);
      }
    }
  });

  test("a fault of the second stage is charged when it is answered", () => {
    // The next page is there for the first stage.
    const { vcpu, vm, labels } = guest((0x1000_0000n >> 2n) | 0xcfn);
    const exit = runTo(vcpu, "nestedPageFault");
    expect(exit).toMatchObject({ gpa: 0x1000_0000, access: "execute", tableWalk: false });
    expect(vcpu.getPc()).toBe(BigInt(labels.get("far")!));
    const before = vcpu.retired;
    const instret = vcpu.hart.readCsr("minstret");
    vcpu.completeExit({ kind: "retry" });
    expect(runTo(vcpu, "nestedPageFault").gpa).toBe(0x1000_0000);
    expect(vcpu.retired).toBe(before);
    expect(vm.handleExit(vcpu, vcpu.pendingExit!)).toBeUndefined();
    expect([vcpu.retired, vcpu.hart.readCsr("minstret")]).toEqual([before + 1, instret]);
    expect(vcpu.getPc()).toBe(BigInt(labels.get("handler")!));
  });
});

test("counters that the guest keeps from its users are illegal to them", () => {
  expect(trap(`csrw scounteren, zero\n${TO_USER}at: rdtime a0`)).toEqual({
    cause: ILLEGAL,
    value: 0xc0102573n,
    inPlace: true,
  });
});

test("counters are the guest's to read, and its users' unless it keeps them", () => {
  const { vcpu } = assembleGuest(`
    rdcycle s2
    rdtime s3
    rdinstret s4
    ${TO_USER}
    rdcycle s5
    rdtime s6
    rdinstret s7
    nop
    rdinstret s8
    ecall
  `);
  vcpu.run(1000);
  const [cycle, instret, later] = ["s2", "s4", "s5"].map((name) => Number(reg(vcpu, name)));
  expect([cycle, instret]).toEqual([0, 2]);
  // Three reads, and six instructions on the way to user mode.
  expect(later).toBe(9);
  expect(reg(vcpu, "s8") - reg(vcpu, "s7")).toBe(2n);
});

describe("a guest that cannot go on ends in a report, never in a hang", () => {
  test.each([
    ["an illegal instruction", ".word 0"],
    ["a virtual instruction", "csrr a0, hgatp"],
  ])("its trap handler begins with %s", async (_name, text) => {
    const { vm, labels } = assembleGuest(
      `la t0, handler\ncsrw stvec, t0\nj handler\n.align 4\nhandler: ${text}`,
    );
    const result = await vm.run({ onIdle: "stop", maxInstructions: 1_000_000 });
    expect(result.kind).toBe("failed");
    if (result.kind !== "failed") return;
    const { report } = result;
    expect(report.exit).toMatchObject({ kind: "failEntry", code: 2 });
    expect(report.reason).toBe("the guest cannot be entered: every trap leads to the same trap");
    expect(report.pc).toBe(BigInt(labels.get("handler")!));
    expect(report.retired).toBeLessThan(20_000);
  });

  test("its trap handler loads from nowhere", async () => {
    const { vm, labels } = assembleGuest("la t0, handler\ncsrw stvec, t0\n.align 4\nhandler: lw a0, 0(zero)");
    const result = await vm.run({ onIdle: "stop", maxInstructions: 1_000_000 });
    expect(result).toMatchObject({
      kind: "failed",
      report: {
        reason: "the guest faults at one place for ever",
        pc: BigInt(labels.get("handler")!),
        exit: { kind: "mmioRead", gpa: 0 },
      },
    });
  });

  test("virtualization was switched off under it", () => {
    const { vcpu } = assembleGuest("spin: j spin");
    vcpu.hart.writeCsr("hgatp", 0n);
    expect(vcpu.run(10)).toMatchObject({
      kind: "failEntry",
      message: "the hart's second stage of translation is off",
    });
    expect(vcpu.retired).toBe(0);
  });
});

test("the report of an exit that nobody handles says all: reason, pc, instruction, registers, the hardware's words", async () => {
  const { vm } = assembleGuest("li a0, 0x10000000\nli a1, 0x1234\nsd a1, 8(a0)", {
    unmapped: "report",
    name: "lost",
  });
  const result = await vm.run({ onIdle: "stop" });
  if (result.kind !== "failed") throw new Error(result.kind);
  const lines = formatReport(result.report).split("\n");
  expect(lines[0]).toBe("lost (VMID 1), vCPU 0: nobody handles this mmioWrite exit");
  expect(lines[1]).toBe(
    "  exit         mmioWrite gpa=0x10000008 width=8 reg=0xb lo=0x1234 hi=0 (riscv64: store/AMO guest-page fault " +
      "scause=0x17 sepc=0x80000010 stval=0x10000008 htval=0x4000002 htinst=0xb03023 spvp=1)",
  );
  expect(lines[2]).toBe("  pc           0x80000010");
  expect(lines[3]).toBe("  instruction  0x80000010: 00b53423  sd a1, 8(a0)");
  expect(lines[4]).toBe("  retired      4");
  const text = lines.slice(5).join("\n");
  for (const name of ["sp", "a1", "t6", "vsstatus", "vsatp", "hgatp", "scause", "hvip", "vstimecmp"]) {
    expect(text).toMatch(new RegExp(`\\b${name} [0-9a-f]{16}`));
  }
});
