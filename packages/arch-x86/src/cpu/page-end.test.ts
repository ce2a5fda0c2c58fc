import { expect, test } from "vitest";
import { x86Instructions } from "../isa/table.js";
import { createBareMachine, enterProgram } from "../testing/cpu/bare-machine.js";

const END = 0x20_0000;

/** Every opcode of every map, its last byte the last of a page or the first of the next one. */
test("instructions at the end of a page are fetched or fault", () => {
  expect(x86Instructions.length).toBeGreaterThan(300);
  const m = createBareMachine("cold");
  const prefixes = [[], [0x66], [0xf3], [0xf2]];
  const maps = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];
  // Nothing but INT3 on the second page; exceptions shut the processor down, as there is no table of handlers.
  m.ram.fill(0xcc, END, END + 4096);
  for (const prefix of prefixes)
    for (const map of maps)
      for (let opcode = 0; opcode < 256; opcode++)
        for (const modrm of [[], [0x00], [0xff]]) {
          const code = [...prefix, ...map, opcode, ...modrm];
          enterProgram(m);
          m.ram.set(code, END - code.length);
          m.core.setPc(END - code.length, 0);
          expect(() => m.core.run(1)).not.toThrow();
        }
});
