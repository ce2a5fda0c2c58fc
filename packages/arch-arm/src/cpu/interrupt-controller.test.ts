import { Status } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { GicV3 } from "../interrupts/gicv3.js";
import { atLevel, fakeMachine } from "../testing/cpu/fake-machine.js";
import { CpuLines } from "../testing/interrupt-lines.js";
import { Helper } from "./helper-ids.js";
import { registerNumber } from "./system-register.js";

const HCR_FMO = 1n << 3n;
const HCR_IMO = 1n << 4n;
const HCR_RW = 1n << 31n;
const ICC_PMR_EL1 = registerNumber(3, 0, 4, 6, 0);

function machine(hcr: bigint) {
  const m = fakeMachine();
  const gic = new GicV3({ cpus: [new CpuLines()], accessor: () => 0, interrupts: 64 });
  m.pe.gic = gic.systemRegisters(0, () => m.pe.routing);
  m.pe.writeSystem("HCR_EL2", HCR_RW | hcr);
  const mask = (level: number): number => {
    atLevel(m, level);
    expect(m.pe.helper(Helper.readSystem, ICC_PMR_EL1, 0, 0)).toBe(Status.next);
    return Number(m.core.result);
  };
  return {
    mask,
    setMask(level: number, value: number) {
      atLevel(m, level);
      expect(m.pe.helper(Helper.writeSystem, ICC_PMR_EL1, value, 0)).toBe(Status.next);
    },
  };
}

describe("a GICv3's CPU interface in system registers", () => {
  test.each([HCR_IMO, HCR_FMO])(
    "is the virtual one for EL1 under HCR_EL2 %#x, the physical one for EL2",
    (hcr) => {
      const { mask, setMask } = machine(hcr);
      setMask(2, 0xf0);
      expect([mask(1), mask(2)]).toEqual([0, 0xf0]);
      setMask(1, 0x80);
      expect([mask(1), mask(2)]).toEqual([0x80, 0xf0]);
    },
  );

  test("is the physical one for all who keep their interrupts", () => {
    const { mask, setMask } = machine(0n);
    setMask(1, 0xf0);
    expect([mask(1), mask(2)]).toEqual([0xf0, 0xf0]);
  });
});
