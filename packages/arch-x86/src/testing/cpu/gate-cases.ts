import type { SystemCase } from "./programs/case.js";
import { one, user } from "./system-programs.js";

/** Gates of the IDT that are no good, by what is wrong. */
export const brokenGates: readonly SystemCase[] = [
  ["absent", 0x6e, "CODE32"],
  ["of no type", 0x88, "CODE32"],
  ["call gate", 0x8c, "CODE32"],
  ["trap gate", 0x8f, "CODE32"],
  ["to data", 0x8e, "DATA32"],
  ["to nothing", 0x8e, "0"],
  ["beyond", 0x8e, "BEYOND"],
  ["to absent code", 0x8e, "ABSENT_CODE"],
  ["to outer code", 0x8e, "USER_CODE32"],
  ["to conforming code", 0x8e, "CONFORMING"],
]
  .flatMap(([name, rights, selector]) => [
    one(
      `INT through a gate that is ${name}`,
      `movw $${selector}, idt + 0x20 * 8 + 2\nmovb $${rights}, idt + 0x20 * 8 + 5\nint $0x20`,
    ),
    user(`INT through a gate that is ${name}`, `int $0x20`),
    one(
      `a fault through a gate that is ${name}`,
      `movw $${selector}, idt + 6 * 8 + 2\nmovb $${rights}, idt + 6 * 8 + 5\nud2`,
    ),
    one(`(mend)`, `movw $CODE32, idt + 6 * 8 + 2\nmovb $0x8e, idt + 6 * 8 + 5`),
  ])
  .map((each, i) => ({ ...each, name: `${each.name} ${i}` }));
