import type { Tier } from "@hypercraft/engine";
import { InstructionClock, type MmioReadExit, type MmioWriteExit } from "@hypercraft/hypercraft";
import { describe, expect, test } from "vitest";
import { V } from "../cpu/state.js";
import { assembleGuest, createRig, RAM, reg, runTo, runToStop, STOP } from "../testing/vm/rig.js";
import { decodeTables, identityTables } from "../testing/vm/tables.js";
import { VECTORS } from "../testing/vm/vectors.js";

// Every load and store of a device by real guest code at EL1: what exits, and what an answer does.

const DEVICE = 0x1000_0000;
/** Every byte has its sign bit set and tells its place. */
const PATTERN = 0x8182_8384_8586_8788n;
const LOW = 0x8586_8788;
const HIGH = 0x8182_8384;
/** x0 is the pointer, x1 the value, and q1 twice it. */
const SETUP = `li x3, 0x300000; msr CPACR_EL1, x3; isb
li x0, ${DEVICE}; li x1, ${PATTERN}; li x2, ${PATTERN - 1n}
adr x3, data; ldr q1, [x3]; ldr q2, [x3, #16]
`;
const DATA = `.align 16\ndata: .dword ${PATTERN}\n.dword ${~PATTERN & 0xffff_ffff_ffff_ffffn}\n.dword 0x1122334455667788\n.dword 7`;

const start = (body: string, tier?: Tier) =>
  assembleGuest(`${SETUP}${body}\n${STOP}${DATA}`, { rig: createRig(new InstructionClock(), tier) });
const u64 = (value: bigint) => BigInt.asUintN(64, value);
const u32 = (value: bigint) => BigInt.asUintN(32, value);

/** Data abort from a lower level, instruction of 32 bits, ISV, translation fault of level 1. */
const DABT = 0x9200_0005n;
const ISV = 1n << 24n;

const LOADS: [text: string, width: number, signed: boolean, offset: number, regWidth: number][] = [
  ["ldrb w1, [x0, #3]", 1, false, 3, 4],
  ["ldrsb w1, [x0, #3]", 1, true, 3, 4],
  ["ldrsb x1, [x0, #3]", 1, true, 3, 8],
  ["ldrh w1, [x0, #6]", 2, false, 6, 4],
  ["ldrsh w1, [x0, #6]", 2, true, 6, 4],
  ["ldrsh x1, [x0, #6]", 2, true, 6, 8],
  ["ldr w1, [x0, #4]", 4, false, 4, 4],
  ["ldrsw x1, [x0, #4]", 4, true, 4, 8],
  ["ldr x1, [x0, #8]", 8, false, 8, 8],
  ["ldur x1, [x0, #-8]", 8, false, -8, 8],
  ["ldtr w1, [x0, #4]", 4, false, 4, 4],
  ["ldar w1, [x0]", 4, false, 0, 4],
];

describe("loads that the syndrome describes", () => {
  test.each(LOADS)("%s", (text, width, signed, offset, regWidth) => {
    const { vcpu } = start(text);
    const exit = runTo(vcpu, "mmioRead");
    expect(exit).toMatchObject({ gpa: DEVICE + offset, width, signed, reg: 1, regWidth });
    const { esr, far, hpfar, spsr } = exit.raw;
    expect([esr & ~0x01ff_c000n, esr & ISV, far]).toEqual([DABT, ISV, BigInt(DEVICE + offset)]);
    expect([hpfar, spsr & 0xfn]).toEqual([BigInt(Math.floor((DEVICE + offset) / 4096) * 16), 5n]);
    const before = vcpu.retired;
    vcpu.completeExit({ kind: "value", lo: LOW, hi: HIGH });
    runTo(vcpu, "hypercall");
    const value = BigInt.asUintN(8 * width, PATTERN);
    const extended = signed ? BigInt.asIntN(8 * width, value) : value;
    expect(reg(vcpu, "x1")).toBe(regWidth === 4 ? u32(extended) : u64(extended));
    // The load and the call.
    expect(vcpu.retired - before).toBe(2);
  });

  test("into the zero register", () => {
    const { vcpu } = start("ldr wzr, [x0]");
    expect(runTo(vcpu, "mmioRead")).toMatchObject({ reg: 31, width: 4 });
    vcpu.completeExit({ kind: "value", lo: 1, hi: 0 });
    runTo(vcpu, "hypercall");
    expect(reg(vcpu, "xzr")).toBe(0n);
  });
});

describe("stores that the syndrome describes", () => {
  test.each([
    ["strb w1, [x0, #3]", 1, 3, 1],
    ["strh w1, [x0, #6]", 2, 6, 1],
    ["str w1, [x0, #4]", 4, 4, 1],
    ["str x1, [x0, #8]", 8, 8, 1],
    ["stlr w1, [x0]", 4, 0, 1],
    ["str xzr, [x0]", 8, 0, 31],
  ])("%s", (text, width, offset, register) => {
    const { vcpu } = start(text);
    const exit = runTo(vcpu, "mmioWrite");
    const value = register === 31 ? 0n : BigInt.asUintN(8 * width, PATTERN);
    expect(exit).toMatchObject({
      gpa: DEVICE + offset,
      width,
      reg: register,
      lo: Number(value & 0xffff_ffffn),
      hi: Number(value >> 32n),
    });
    vcpu.completeExit({ kind: "done" });
    runTo(vcpu, "hypercall");
    expect(reg(vcpu, "x1")).toBe(PATTERN);
  });
});

/** What a program asks of the host, and the program's end. Loads get the pattern with the access's number added. */
function accesses(text: string, tier: Tier) {
  const guest = start(text, tier);
  const seen: string[] = [];
  const answered = (exit: MmioReadExit | MmioWriteExit): void => {
    const { gpa, width, reg: register } = exit;
    const place = `${width}@${gpa - DEVICE}`;
    expect(register).toBe(-1);
    if (exit.kind === "mmioRead") {
      seen.push(`read ${place}`);
      guest.vcpu.completeExit({ kind: "value", lo: LOW + seen.length, hi: HIGH });
    } else {
      const value = (BigInt(exit.hi) << 32n) | BigInt(exit.lo);
      seen.push(`write ${place}: ${value.toString(16)}`);
      guest.vcpu.completeExit({ kind: "done" });
    }
  };
  for (let exits = 0; exits < 20; exits++) {
    const exit = guest.vcpu.run(1000);
    if (exit.kind === "hypercall") return { ...guest, seen };
    if (exit.kind === "mmioRead" || exit.kind === "mmioWrite") answered(exit);
    else if (exit.kind !== "budgetSpent") throw new Error(`unexpected ${exit.kind}`);
  }
  throw new Error("the program does not stop");
}

describe.each<Tier>(["cold", "hot"])("what the syndrome does not describe (%s tier)", (tier) => {
  test("writeback", () => {
    const { vcpu, seen } = accesses("ldr x1, [x0], #8; str w1, [x0, #-4]!; ldrb w3, [x0], #1", tier);
    expect(seen).toEqual(["read 8@0", "write 4@4: 85868789", "read 1@4"]);
    expect(reg(vcpu, "x0")).toBe(BigInt(DEVICE) + 5n);
    expect(reg(vcpu, "x1")).toBe(PATTERN + 1n);
    expect(reg(vcpu, "x3")).toBe(0x8bn);
  });

  test("pairs", () => {
    const { vcpu, seen } = accesses(
      "ldp x4, x5, [x0, #16]; stp w1, w2, [x0], #-8; ldp w6, w7, [x0, #8]!; stp x4, x5, [x0]",
      tier,
    );
    expect(seen).toEqual([
      "read 8@16",
      "read 8@24",
      "write 4@0: 85868788",
      "write 4@4: 85868787",
      "read 4@0",
      "read 4@4",
      "write 8@0: 8182838485868789",
      "write 8@8: 818283848586878a",
    ]);
    expect(["x4", "x5", "x6", "x7"].map((name) => reg(vcpu, name))).toEqual([
      PATTERN + 1n,
      PATTERN + 2n,
      u32(PATTERN + 5n),
      u32(PATTERN + 6n),
    ]);
    expect(reg(vcpu, "x0")).toBe(BigInt(DEVICE));
  });

  test("vector registers", () => {
    const { vcpu, seen } = accesses(
      "ldr q3, [x0, #16]; str q1, [x0]; ldr d4, [x0, #8]; str s1, [x0, #4]; ldp q5, q6, [x0]",
      tier,
    );
    const upper = (~PATTERN & 0xffff_ffff_ffff_ffffn).toString(16);
    expect(seen).toEqual([
      "read 8@16",
      "read 8@24",
      "write 8@0: 8182838485868788",
      `write 8@8: ${upper}`,
      "read 8@8",
      "write 4@4: 85868788",
      "read 8@0",
      "read 8@8",
      "read 8@16",
      "read 8@24",
    ]);
    const vector = (index: number) => vcpu.core.big(V[index]!);
    const both = (n: bigint) => ((PATTERN + n + 1n) << 64n) | (PATTERN + n);
    expect([3, 4, 5, 6].map(vector)).toEqual([both(1n), PATTERN + 5n, both(7n), both(9n)]);
  });

  test("an instruction counts once, however often it was asked for", () => {
    const { vcpu } = accesses("ldp x4, x5, [x0]", tier);
    const alone = start("nop", tier).vcpu;
    runTo(alone, "hypercall");
    expect(vcpu.retired).toBe(alone.retired);
  });

  test("of a pair whose second half is RAM, only the first is asked for", () => {
    const body = `li x0, ${RAM - 8}; ldp x4, x5, [x0]; stp x5, x4, [x0]`;
    const { vcpu, vm } = start(body, tier);
    const first = vm.memory!.readU64(RAM);
    const exit = runTo(vcpu, "mmioRead");
    expect([exit.gpa, exit.width]).toEqual([RAM - 8, 8]);
    vcpu.completeExit({ kind: "value", lo: 7, hi: 0 });
    expect(runTo(vcpu, "mmioWrite")).toMatchObject({
      gpa: RAM - 8,
      width: 8,
      lo: Number(first & 0xffff_ffffn),
    });
    vcpu.completeExit({ kind: "done" });
    runTo(vcpu, "hypercall");
    expect([reg(vcpu, "x4"), reg(vcpu, "x5")]).toEqual([7n, first]);
    expect(vm.memory!.readU64(RAM)).toBe(7n);
  });
});

function caught(body: string, tier?: Tier) {
  const guest = assembleGuest(`${VECTORS}${SETUP}${body}\n${STOP}${DATA}`, {
    rig: createRig(new InstructionClock(), tier),
  });
  runToStop(guest);
  const { vcpu, labels } = guest;
  const at = labels.get("at");
  return {
    ...guest,
    syndrome: reg(vcpu, "x20"),
    address: reg(vcpu, "x21"),
    inPlace: Number(reg(vcpu, "x22")) === at,
    vector: reg(vcpu, "x24"),
  };
}

/** Synchronous external abort on the access; WnR for stores. */
const SAME_LEVEL = 0x9600_0010n;
const WNR = 0x40n;

describe("where nobody answers, the guest gets a synchronous external abort", () => {
  test.each([
    ["ldr w1, [x0, #4]", SAME_LEVEL, 4],
    ["str w1, [x0, #4]", SAME_LEVEL | WNR, 4],
    ["ldp x4, x5, [x0]", SAME_LEVEL, 0],
    ["stp x4, x5, [x0, #16]", SAME_LEVEL | WNR, 16],
    ["ldr q4, [x0]", SAME_LEVEL, 0],
    // No device takes these.
    ["ldxr x4, [x0]", SAME_LEVEL, 0],
  ])("%s", (text, syndrome, offset) => {
    expect(caught(`at: ${text}`)).toMatchObject({
      syndrome,
      address: BigInt(DEVICE + offset),
      inPlace: true,
      vector: 0x200n,
    });
  });

  test("fetching an instruction", () => {
    expect(caught("br x0")).toMatchObject({
      syndrome: 0x8600_0010n,
      address: BigInt(DEVICE),
      vector: 0x200n,
    });
  });

  test("zeroing a block of Device memory is the guest's own fault", () => {
    expect(caught("at: dc zva, x0")).toMatchObject({ syndrome: 0x9600_0061n, inPlace: true });
  });

  test("unaligned accesses of Device memory are the guest's own faults", () => {
    const { syndrome, inPlace } = caught("at: ldur w1, [x0, #3]");
    expect([syndrome, inPlace]).toEqual([0x9600_0021n, true]);
  });

  test("the second access of a pair, after the first was answered", () => {
    const { vcpu, vm } = assembleGuest(`${VECTORS}${SETUP}at: ldp x4, x5, [x0]\n${STOP}${DATA}`);
    vm.mmio.add({ name: "word", base: DEVICE, size: 8, device: { read: () => 5, write: () => {} } });
    for (let i = 0; i < 2; i++) expect(vm.handleExit(vcpu, runTo(vcpu, "mmioRead"))).toBeUndefined();
    runTo(vcpu, "hypercall");
    expect(reg(vcpu, "x21")).toBe(BigInt(DEVICE + 8));
    expect(reg(vcpu, "x4")).toBe(0n);
  });
});

test("cache maintenance of a device's address does nothing", () => {
  const guest = start("dc civac, x0; dc cvac, x0; ic ivau, x0; li x4, 5");
  runToStop(guest);
  expect(reg(guest.vcpu, "x4")).toBe(5n);
  expect(guest.vm.stats.toJSON().byKind).toEqual({});
});

describe("through the guest's own tables", () => {
  test("accesses of EL0, and walks of tables that are not there", () => {
    const virtual = 0x1_2000_0000n;
    const tables = decodeTables(identityTables(RAM + 0x10_0000, [[virtual, DEVICE]], true));
    const guest = assembleGuest(`${VECTORS}
      ${tables.enable}
      adr x9, user; msr ELR_EL1, x9; msr SPSR_EL1, xzr; eret
      user: li x0, ${virtual}
      at: ldrh w1, [x0, #2]
      svc #0
      ${DATA}`);
    tables.write(guest.vm.memory!);
    const { vcpu } = guest;
    const exit = runTo(vcpu, "mmioRead");
    expect(exit).toMatchObject({ gpa: DEVICE + 2, width: 2, reg: 1 });
    expect([exit.raw.far, exit.raw.spsr & 0xfn]).toEqual([virtual + 2n, 0n]);
    vcpu.completeExit({ kind: "fault" });
    runTo(vcpu, "hypercall");
    // From a lower level.
    expect([reg(vcpu, "x20"), reg(vcpu, "x24")]).toEqual([0x9200_0010n, 0x400n]);
    expect(reg(vcpu, "x21")).toBe(virtual + 2n);
  });

  test("a walk that leaves RAM", () => {
    const guest = assembleGuest(`${VECTORS}
      li x0, ${DEVICE}; msr TTBR0_EL1, x0; li x0, 0x480803510; msr TCR_EL1, x0; isb
      mrs x0, SCTLR_EL1; li x1, 1; orr x0, x0, x1; msr SCTLR_EL1, x0; isb
      nop\n${STOP}`);
    const exit = runTo(guest.vcpu, "nestedPageFault");
    expect(exit).toMatchObject({ tableWalk: true, access: "read" });
    expect(Math.floor(exit.gpa / 4096)).toBe(DEVICE / 4096);
    expect(exit.raw.esr & 0x80n).toBe(0x80n);
  });
});
