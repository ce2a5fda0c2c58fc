import type { Tier } from "@hypercraft/engine";
import { expect, test } from "vitest";
import { BareMachine, RAM } from "../testing/cpu/bare-machine.js";
import { assemble } from "../testing/vm/assembler.js";
import { X } from "./state.js";

// Branches do not look at their targets' alignment: what is executed there raises the exception, however it was reached.

const ROUNDS = 4000;
/** The last instruction of a page: of what is behind it nothing may be asked. */
const TARGET = RAM + 0x1ffc;
const VECTORS = RAM + 0x2000;
const PC_ALIGNMENT = (0x22 << 26) | (1 << 25);

const PROGRAM = `
  li x0, ${VECTORS}
  msr VBAR_EL2, x0
  li x1, ${TARGET}
  li x20, ${ROUNDS}
  li x21, 3
  loop: and x2, x20, x21
  add x2, x1, x2
  blr x2
  add x10, x10, #1
  sub x20, x20, #1
  cbnz x20, loop
  smc #0`;
/** Counts exceptions in x11, adds up what they are told by, and goes back to where the branch came from. */
const HANDLER = `
  mrs x3, ELR_EL2
  sub x3, x3, x1
  add x12, x12, x3
  mrs x3, FAR_EL2
  sub x3, x3, x1
  add x13, x13, x3
  mrs x3, ESR_EL2
  orr x14, x14, x3
  add x11, x11, #1
  msr ELR_EL2, x30
  eret`;

const words = (source: string, base: number): Uint32Array =>
  new Uint32Array(assemble(source, base).bytes.buffer);

function run(tier: Tier): readonly bigint[] {
  const machine = new BareMachine(
    {
      0: words(PROGRAM, RAM),
      [TARGET - RAM]: words("ret x30", TARGET),
      [VECTORS - RAM + 0x200]: words(HANDLER, VECTORS + 0x200),
    },
    { tier },
  );
  const [{ core, pe }] = machine.pes as [BareMachine["pes"][number]];
  pe.firmware = () => {
    core.exit = "end";
    return 3;
  };
  for (let slice = 0; slice < 10_000; slice++) if (core.run(777) === "exit") break;
  expect(core.exit).toBe("end");
  if (tier === "hot") expect(machine.engine.hot?.statistics.regions).toBeGreaterThan(0);
  return [...[10, 11, 12, 13, 14].map((i) => core.big(X[i] as never)), BigInt(core.instructions())];
}

test("a target that is no multiple of 4 faults with its own address, the link written", () => {
  const cold = run("cold");
  const odd = BigInt((ROUNDS / 4) * 3);
  const sum = BigInt((ROUNDS / 4) * 6);
  expect(cold.slice(0, 5)).toEqual([BigInt(ROUNDS), odd, sum, sum, BigInt(PC_ALIGNMENT >>> 0)]);
  for (const tier of ["hot", "auto"] as const) expect(run(tier)).toEqual(cold);
});
