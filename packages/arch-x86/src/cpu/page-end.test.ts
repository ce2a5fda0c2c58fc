import { expect, test } from "vitest";
import { createBareMachine, enterProgram } from "../testing/cpu/bare-machine.js";

const END = 0x20_0000;
const PREFIXES = [[], [0x66], [0xf3], [0xf2]];
const MAPS = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];

/** Every opcode of every map, its last byte or that of its ModRM the last of a page. */
test("instructions at the end of a page are fetched or fault", () => {
  for (const prefix of PREFIXES) {
    // Exceptions shut the processor down, as there is no table of handlers: then it is a new one's turn.
    const m = createBareMachine("cold");
    enterProgram(m);
    m.ram.fill(0xcc, END, END + 4096);
    for (const map of MAPS)
      for (let opcode = 0; opcode < 256; opcode++)
        for (const modrm of [[], [0x00], [0xff]]) {
          const code = [...prefix, ...map, opcode, ...modrm];
          m.ram.set(code, END - code.length);
          m.core.ramWritten(m.ram.byteOffset + END - 16, 16);
          m.cpu.reset();
          enterProgram(m);
          m.core.setPc(END - code.length, 0);
          expect(() => m.core.run(1), code.map((byte) => byte.toString(16)).join(" ")).not.toThrow();
        }
  }
});
