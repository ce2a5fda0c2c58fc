import { describe, expect, test } from "vitest";
import { F } from "../cpu/state.js";
import { assembleGuest, RAM, RAM_SIZE, reg, runTo, STOP } from "../testing/vm/rig.js";

// Every load and store of a device by real guest code in VS-mode: what exits, and what an answer does.

const DEVICE = 0x1000_0000;
/** Every byte has its sign bit set and tells its place. */
const PATTERN = 0x8182_8384_8586_8788n;
const LOW = 0x8586_8788;
const HIGH = 0x8182_8384;
const FP_ON = "li t0, 0x6000\ncsrs sstatus, t0\n";
/** Registers that compressed forms reach: a0 is the pointer, a1 the value. */
const POINTER = `li a0, ${DEVICE}\nmv sp, a0\nli a1, ${PATTERN}\n`;

/** lui, addiw, addi, ecall. */
const STOP_INSTRUCTIONS = 4;

const start = (body: string) => assembleGuest(`${FP_ON}${POINTER}${body}\n${STOP}`);
const u64 = (value: bigint) => BigInt.asUintN(64, value);

const LOADS: [text: string, width: number, signed: boolean, offset: number][] = [
  ["lb a1, 3(a0)", 1, true, 3],
  ["lbu a1, 3(a0)", 1, false, 3],
  ["lh a1, 6(a0)", 2, true, 6],
  ["lhu a1, 6(a0)", 2, false, 6],
  ["lw a1, 4(a0)", 4, true, 4],
  ["lwu a1, 4(a0)", 4, false, 4],
  ["ld a1, 8(a0)", 8, false, 8],
  ["c.lw a1, 64(a0)", 4, true, 64],
  ["c.ld a1, 128(a0)", 8, false, 128],
  ["c.lwsp a1, 12(sp)", 4, true, 12],
  ["c.ldsp a1, 16(sp)", 8, false, 16],
];

describe("loads into integer registers", () => {
  test.each(LOADS)("%s", (text, width, signed, offset) => {
    const { vcpu } = start(text);
    const exit = runTo(vcpu, "mmioRead");
    expect(exit).toMatchObject({ gpa: DEVICE + offset, width, signed, reg: 11, regWidth: 8 });
    expect([exit.raw.scause, exit.raw.spvp, exit.raw.stval]).toEqual([21n, 1, BigInt(DEVICE + offset)]);
    expect(exit.raw.htinst & 2n).toBe(text.startsWith("c.") ? 0n : 2n);
    const before = vcpu.retired;
    vcpu.completeExit({ kind: "value", lo: LOW, hi: HIGH });
    runTo(vcpu, "hypercall");
    const value = BigInt.asUintN(8 * width, PATTERN);
    expect(reg(vcpu, "a1")).toBe(signed ? u64(BigInt.asIntN(8 * width, value)) : value);
    // The load, the constants of STOP and its call.
    expect(vcpu.retired - before).toBe(STOP_INSTRUCTIONS + 1);
  });
});

describe("loads into floating-point registers", () => {
  test.each([
    ["flw fa1, 4(a0)", 4, 4],
    ["fld fa1, 8(a0)", 8, 8],
    ["c.fld fa1, 128(a0)", 8, 128],
    ["c.fldsp fa1, 16(sp)", 8, 16],
  ])("%s", (text, width, offset) => {
    const { vcpu } = start(text);
    const exit = runTo(vcpu, "mmioRead");
    expect(exit).toMatchObject({ gpa: DEVICE + offset, width, signed: false, reg: -1 });
    vcpu.completeExit({ kind: "value", lo: LOW, hi: HIGH });
    runTo(vcpu, "hypercall");
    // Singles are boxed in ones.
    expect(vcpu.core.big(F[11]!)).toBe(width === 8 ? PATTERN : 0xffff_ffff_0000_0000n | BigInt(LOW));
    expect(reg(vcpu, "a1")).toBe(PATTERN);
  });
});

describe("stores", () => {
  test.each([
    ["sb a1, 3(a0)", 1, 3, 11],
    ["sh a1, 6(a0)", 2, 6, 11],
    ["sw a1, 4(a0)", 4, 4, 11],
    ["sd a1, 8(a0)", 8, 8, 11],
    ["c.sw a1, 64(a0)", 4, 64, 11],
    ["c.sd a1, 128(a0)", 8, 128, 11],
    ["c.swsp a1, 12(sp)", 4, 12, 11],
    ["c.sdsp a1, 16(sp)", 8, 16, 11],
    ["fmv.d.x fa1, a1; fsw fa1, 4(a0)", 4, 4, -1],
    ["fmv.d.x fa1, a1; fsd fa1, 8(a0)", 8, 8, -1],
    ["fmv.d.x fa1, a1; c.fsd fa1, 128(a0)", 8, 128, -1],
    ["fmv.d.x fa1, a1; c.fsdsp fa1, 16(sp)", 8, 16, -1],
    // Nothing but the value of x0 is stored.
    ["sd zero, 0(a0)", 8, 0, 0],
  ])("%s", (text, width, offset, register) => {
    const { vcpu } = start(text);
    const exit = runTo(vcpu, "mmioWrite");
    const value = register === 0 ? 0n : BigInt.asUintN(8 * width, PATTERN);
    expect(exit).toMatchObject({
      gpa: DEVICE + offset,
      width,
      reg: register,
      lo: Number(value & 0xffff_ffffn),
      hi: Number(value >> 32n),
    });
    expect(exit.raw.scause).toBe(23n);
    vcpu.completeExit({ kind: "done" });
    runTo(vcpu, "hypercall");
    expect(reg(vcpu, "a1")).toBe(PATTERN);
  });
});

test("accesses of user mode, through the guest's own page tables", () => {
  const ram = (BigInt(RAM) >> 12n) << 10n;
  const { vcpu, labels } = assembleGuest(`
    la t0, tables
    srli t0, t0, 12
    li t1, 0x8000000000000000
    or t0, t0, t1
    csrw satp, t0
    la t0, user
    li t1, 0x40000000
    add t0, t0, t1
    csrw sepc, t0
    li t0, 0x100
    csrc sstatus, t0
    sret
  user:
    li a0, ${DEVICE + 4}
    lw a1, 0(a0)
    sb a1, 1(a0)
    hang: j hang
  .align 4096
  tables:               # gigabytes of virtual addresses:
    .dword 0xd7         # 0: devices, for users
    .dword 0
    .dword ${ram | 0xcfn}  # 2: RAM, for the supervisor
    .dword ${ram | 0xdfn}  # 3: the same RAM, for users
  `);
  const read = runTo(vcpu, "mmioRead");
  expect(read).toMatchObject({ gpa: DEVICE + 4, width: 4, signed: true });
  expect([read.raw.spvp, vcpu.getPc()]).toEqual([0, BigInt(labels.get("user")! + 0x4000_0008)]);
  vcpu.completeExit({ kind: "value", lo: 0xfe, hi: 0 });
  expect(runTo(vcpu, "mmioWrite")).toMatchObject({ gpa: DEVICE + 5, width: 1, lo: 0xfe });
});

/** A trap handler that keeps cause, value and pc in s2 to s4, then stops. */
const HANDLER = `
  la t0, handler
  csrw stvec, t0
  j go
  .align 4
  handler:
  csrr s2, scause
  csrr s3, stval
  csrr s4, sepc
  ${STOP}
  go:
`;

describe("what no device answers", () => {
  const trapped = (body: string) => {
    const guest = assembleGuest(`${FP_ON}${HANDLER}${POINTER}${body}\n${STOP}`);
    const { vm, vcpu, labels } = guest;
    const exits: string[] = [];
    for (;;) {
      const exit = vcpu.run(10_000);
      if (exit.kind === "hypercall") break;
      exits.push(exit.kind);
      expect(vm.handleExit(vcpu, exit)).toBeUndefined();
    }
    const at = labels.get("at");
    const pc = Number(reg(vcpu, "s4"));
    return { cause: reg(vcpu, "s2"), value: reg(vcpu, "s3"), exits, inPlace: pc === at, guest };
  };

  test.each([
    ["a load", "at: lw a1, 4(a0)", 5n, DEVICE + 4, "mmioRead"],
    ["a store", "at: c.sd a1, 8(a0)", 7n, DEVICE + 8, "mmioWrite"],
    ["an AMO", "at: amoadd.w a1, a1, (a0)", 7n, DEVICE, "nestedPageFault"],
    ["load-reserved", "at: lr.d a1, (a0)", 5n, DEVICE, "nestedPageFault"],
    ["a cache block", "at: cbo.zero (a0)", 7n, DEVICE, "nestedPageFault"],
    ["a misaligned load", "at: lw a1, 2(a0)", 5n, DEVICE + 2, "nestedPageFault"],
    ["a misaligned store", "at: sh a1, 1(a0)", 7n, DEVICE + 1, "nestedPageFault"],
    ["a jump", `li t0, ${DEVICE + 16}; jr t0; at: nop`, 1n, DEVICE + 16, "nestedPageFault"],
  ])("%s", (_name, text, cause, value, exit) => {
    const result = trapped(text);
    expect([result.cause, result.value, result.exits]).toEqual([cause, BigInt(value), [exit]]);
    if (cause === 1n) expect(reg(result.guest.vcpu, "s4")).toBe(BigInt(value));
    else expect(result.inPlace).toBe(true);
  });

  test("an access from RAM into nothing: the second page faults, and nothing of it is done", () => {
    const end = RAM + RAM_SIZE;
    const store = trapped(`li a0, ${end - 4}; at: sd a1, 0(a0)`);
    expect([store.cause, store.value, store.exits]).toEqual([7n, BigInt(end), ["nestedPageFault"]]);
    expect([store.inPlace, store.guest.vm.memory?.readU32(end - 4)]).toEqual([true, 0]);
    const load = trapped(`li a0, ${end - 2}; at: lw a1, 0(a0)`);
    expect([load.cause, load.value, load.exits]).toEqual([5n, BigInt(end), ["nestedPageFault"]]);
    expect(reg(load.guest.vcpu, "a1")).toBe(PATTERN);
  });

  test("the guest's own page table outside RAM: the fault of the access that needed it", () => {
    const body = `
      li t0, ${0x8000_0000_0000_0000n | (BigInt(DEVICE) >> 12n)}
      at: csrw satp, t0
      nop
    `;
    const guest = assembleGuest(`${HANDLER}${body}`);
    const exit = runTo(guest.vcpu, "nestedPageFault");
    // The root entry for the pc: gigabyte 2.
    expect(exit).toMatchObject({ gpa: DEVICE + 16, access: "read", tableWalk: true });
    expect([exit.raw.scause, exit.raw.htinst]).toEqual([20n, 0x3000n]);
  });

  test("an instruction that straddles the end of RAM", () => {
    const end = RAM + RAM_SIZE;
    // The first half of a four-byte instruction.
    const result = trapped(`li t0, ${end - 2}; li t1, 0x0003; sh t1, 0(t0); fence.i; jr t0; at: nop`);
    expect([result.cause, result.value, result.exits]).toEqual([1n, BigInt(end), ["nestedPageFault"]]);
    expect(reg(result.guest.vcpu, "s4")).toBe(BigInt(end - 2));
  });
});

test("an answer survives a slice's end and a pending interrupt", () => {
  const { vcpu } = assembleGuest(`
    la t0, handler
    csrw stvec, t0
    li a0, ${DEVICE}
    csrsi sie, 2
    csrsi sstatus, 2
    lw a1, 0(a0)
    mv s2, a1
    ${STOP}
    .align 4
    handler: lw a2, 4(a0)
    csrci sip, 2
    mv s3, a1
    sret
  `);
  runTo(vcpu, "mmioRead");
  vcpu.interrupt(1);
  vcpu.completeExit({ kind: "value", lo: 42, hi: 0 });
  expect(vcpu.run(1).kind).toBe("budgetSpent");
  // The handler comes after the load that had been answered, and its own load is another one.
  expect(reg(vcpu, "a1")).toBe(42n);
  const second = runTo(vcpu, "mmioRead");
  expect(second.gpa).toBe(DEVICE + 4);
  vcpu.completeExit({ kind: "value", lo: 43, hi: 0 });
  runTo(vcpu, "hypercall");
  expect([reg(vcpu, "s2"), reg(vcpu, "s3"), reg(vcpu, "a2")]).toEqual([42n, 42n, 43n]);
});

test("instret counts what a device answered, and nothing that trapped", () => {
  const count = (between: string) => {
    const guest = assembleGuest(`
      la t0, handler
      csrw stvec, t0
      li a0, ${DEVICE}
      rdinstret s2
      ${between}
      rdinstret s3
      ${STOP}
      .align 4
      handler:
      csrr t1, sepc
      addi t1, t1, 4
      csrw sepc, t1
      sret
    `);
    const { vm, vcpu } = guest;
    vm.mmio.add({ name: "d", base: DEVICE, size: 4, device: { read: () => 1, write: () => {} } });
    for (let exit = vcpu.run(1000); exit.kind !== "hypercall"; exit = vcpu.run(1000))
      vm.handleExit(vcpu, exit);
    return reg(vcpu, "s3") - reg(vcpu, "s2");
  };
  expect(count("")).toBe(1n);
  expect(count("lw a1, 0(a0)")).toBe(2n);
  // The handler's four instructions.
  expect(count("lw a1, 8(a0)")).toBe(5n);
  expect(count("csrr a1, hgatp")).toBe(5n);
  // An unknown call: it does not retire.
  expect(count("li a7, 0x999\necall")).toBe(3n);
});
