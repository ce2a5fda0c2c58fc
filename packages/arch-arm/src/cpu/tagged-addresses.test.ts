import type { Tier } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { RAM } from "../testing/cpu/bare-machine.js";
import { LEAF, PagedMachine } from "../testing/cpu/paged-machine.js";

const CODE = 0x8000;
/** Offset in RAM of a page of code: ADR X2, itself; WFI. */
const CODE_PAGE = 0x9_0000;
const ADR_X2_WFI = 0xd503_207f_1000_0002n;
const TAG = 0xa5n << 56n;
const TBI0 = 1n << 37n;
const TBI1 = 1n << 38n;

const programs = {
  br: "br x0",
  blr: "blr x0",
  ret: "mov x30, x0\nret",
  eret: "msr ELR_EL1, x0\nli x3, 0x3c5\nmsr SPSR_EL1, x3\neret",
  loop: `
    li x4, 1000
    again: adr x5, called
    eor x5, x5, x0
    blr x5
    sub x4, x4, #1
    cbnz x4, again`,
  called: "ret",
};

function machine(tcr: bigint, tier: Tier = "cold"): PagedMachine {
  const m = new PagedMachine(programs, { tier });
  m.machine.write(CODE_PAGE, ADR_X2_WFI);
  m.map(0, CODE, CODE_PAGE);
  const { pe } = m.pe();
  pe.writeSystem("TCR_EL1", pe.readSystem("TCR_EL1") | tcr);
  return m;
}

describe.each(["br", "blr", "ret", "eret"])("%s", (name) => {
  test("leaves tags out of the PC where the top byte is ignored", () => {
    const m = machine(TBI0);
    for (const address of [BigInt(CODE), BigInt(CODE) | TAG]) {
      expect(m.run(name, address)).toBe("wfi");
      expect(m.x(2)).toBe(BigInt(CODE));
    }
  });

  test("of the upper half are ones", () => {
    const m = machine(TBI1);
    const target = m.address("called") & ((1n << 56n) - 1n);
    const before = m.pe().core.instructions();
    // RET to itself would be for ever: a WFI follows in "called".
    expect(m.run(name, (target + 4n) | TAG)).toBe("wfi");
    expect(m.pe().core.big(m.pe().pe.layout.pc)).toBe(m.address("called") + 8n);
    expect(m.pe().core.instructions() - before).toBeLessThan(6);
  });

  test("leaves them where it is not, and faults", () => {
    const m = machine(0n);
    const address = BigInt(CODE) | TAG;
    const ended = m.run(name, address);
    expect(ended).toEqual({ syndrome: 0x8600_0004n, address, from: address });
  });

  test("a fault of the target has the address without them", () => {
    const m = machine(TBI0);
    const address = BigInt(CODE + 0x1000);
    expect(m.run(name, address | TAG)).toEqual({ syndrome: 0x8600_0007n, address, from: address });
  });

  test("so has one of a target that is no multiple of 4", () => {
    const m = machine(TBI0);
    const address = BigInt(CODE + 2);
    expect(m.run(name, address | TAG)).toEqual({ syndrome: 0x8a00_0000n, address, from: address });
  });
});

test.each<Tier>(["cold", "hot"])("tagged calls in a loop count as others do (%s tier)", (tier) => {
  const counts = [0n, TAG].map((tag) => {
    const m = machine(TBI1, tier);
    const { core } = m.pe();
    const before = core.instructions();
    expect(m.run("loop", tag)).toBe("wfi");
    return core.instructions() - before;
  });
  expect(counts[0]).toBe(counts[1]);
});

test("FAR has the tag of a load that faults", () => {
  const m = new PagedMachine({ load: "ldr x1, [x0]" });
  const { pe } = m.pe();
  pe.writeSystem("TCR_EL1", pe.readSystem("TCR_EL1") | TBI0);
  expect(m.run("load", BigInt(CODE) | TAG)).toMatchObject({
    syndrome: 0x9600_0005n,
    address: BigInt(CODE) | TAG,
  });
});

describe.each([true, false])("Device memory (walks in WebAssembly: %s)", (walks) => {
  const [DEVICE, NORMAL] = [0x4000, 0x6000];
  const accesses = {
    ldr: "ldr x1, [x0]",
    ldrh: "ldrh w1, [x0]",
    str: "str x1, [x0]",
    ldp: "ldp x1, x2, [x0]",
    zva: "dc zva, x0",
  };
  function machine(): PagedMachine {
    const m = new PagedMachine(accesses, { walks });
    for (const [i, at] of [DEVICE, DEVICE + 0x1000].entries())
      m.map(0, at, 0x8_0000 + i * 0x1000, LEAF.device);
    m.map(0, NORMAL, 0x8_2000);
    m.machine.write(0x8_0008, 0x1122_3344_5566_7788n);
    return m;
  }
  const fault = (address: number, write: boolean) =>
    expect.objectContaining({ syndrome: write ? 0x9600_0061n : 0x9600_0021n, address: BigInt(address) });

  test("is accessed where that is aligned", () => {
    const m = machine();
    expect(m.run("ldr", BigInt(DEVICE + 8))).toBe("wfi");
    expect(m.x(1)).toBe(0x1122_3344_5566_7788n);
    expect(m.run("ldrh", BigInt(DEVICE + 10))).toBe("wfi");
    expect(m.x(1)).toBe(0x5566n);
    expect(m.run("str", BigInt(DEVICE + 16), 5n)).toBe("wfi");
    expect(m.machine.read(0x8_0010)).toBe(5n);
    // Each of a pair by itself.
    expect(m.run("ldp", BigInt(DEVICE + 8))).toBe("wfi");
    expect([m.x(1), m.x(2)]).toEqual([0x1122_3344_5566_7788n, 5n]);
  });

  test("faults where it is not, and on its boundary of pages", () => {
    const m = machine();
    expect(m.run("ldr", BigInt(DEVICE + 4))).toEqual(fault(DEVICE + 4, false));
    expect(m.run("ldrh", BigInt(DEVICE + 1))).toEqual(fault(DEVICE + 1, false));
    expect(m.run("str", BigInt(DEVICE + 0xffc), 0n)).toEqual(fault(DEVICE + 0xffc, true));
    expect(m.run("ldr", BigInt(NORMAL + 4))).toBe("wfi");
  });

  test("takes no DC ZVA", () => {
    const m = machine();
    expect(m.run("zva", BigInt(DEVICE + 8))).toEqual(fault(DEVICE + 8, true));
    expect(m.machine.read(0x8_0008)).toBe(0x1122_3344_5566_7788n);
    m.machine.write(0x8_2008, 1n);
    expect(m.run("zva", BigInt(NORMAL + 8))).toBe("wfi");
    expect(m.machine.read(0x8_2008)).toBe(0n);
  });

  test("is all data without a first stage", () => {
    const m = machine();
    m.pe().pe.setLevel(2, 1);
    const at = BigInt(RAM + 0x8_0008);
    expect(m.run("ldr", at)).toBe("wfi");
    expect(m.x(1)).toBe(0x1122_3344_5566_7788n);
    for (const [name, write] of [
      ["ldr", false],
      ["str", true],
      ["zva", true],
    ] as const) {
      const { pe } = m.pe();
      pe.setLevel(2, 1);
      pe.writeSystem("VBAR_EL2", BigInt(RAM + 0x2000));
      m.run(name, at + 4n);
      expect(pe.readSystem("ESR_EL2")).toBe(write ? 0x9600_0061n : 0x9600_0021n);
      expect(pe.readSystem("FAR_EL2")).toBe(at + 4n);
    }
  });
});
