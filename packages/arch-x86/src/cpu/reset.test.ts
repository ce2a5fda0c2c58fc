import { expect, test } from "vitest";
import { createBareMachine, enterProgram } from "../testing/cpu/bare-machine.js";
import { PROGRAM } from "../testing/cpu/qemu-system.js";
import { readFlags } from "./rflags.js";

test("the first instruction after a reset finds all flags clear", () => {
  const machine = createBareMachine("cold");
  const { core, cpu } = machine;
  cpu.reset();
  expect(readFlags(core)).toBe(2);
  for (let condition = 0; condition < 16; condition++) {
    cpu.reset();
    // Jcc +16
    machine.load(Uint8Array.of(0x70 + condition, 16));
    core.ramWritten(machine.ram.byteOffset + PROGRAM, 2);
    enterProgram(machine);
    core.run(1);
    // Conditions with an odd number are the opposites.
    expect(core.pcLo() - PROGRAM, `condition ${condition}`).toBe(condition & 1 ? 18 : 2);
  }
});
