import { type Field, Status, type Tier } from "@hypercraft/engine";
import { expect, test } from "vitest";
import { BareMachine, RAM } from "../testing/cpu/bare-machine.js";
import { assemble } from "../testing/vm/assembler.js";
import { X } from "./state.js";

// Exceptions for the alignment of the pc and of the stack pointer, in every tier. Branches do not look at their targets:
// what is executed there raises the exception, however it was reached. A stack pointer is looked at once in a block.

const ROUNDS = 4000;
/** The last instruction of a page: of what is behind it nothing may be asked. */
const TARGET = RAM + 0x1ffc;
const VECTORS = RAM + 0x2000;
const PC_ALIGNMENT = (0x22 << 26) | (1 << 25);
const SP_ALIGNMENT = (0x26 << 26) | (1 << 25);

const BRANCHES = `
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
const BRANCH_HANDLER = `
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

/** Every other eight rounds the stack pointer is between two multiples of 16. */
const ACCESSES = `
  li x0, ${VECTORS}
  msr VBAR_EL2, x0
  li x0, 8 // SA
  msr SCTLR_EL2, x0
  li x1, ${TARGET - 0xffc}
  li x20, ${ROUNDS}
  li x21, 8
  loop: and x2, x20, x21
  add x2, x1, x2
  add sp, x2, #0
  ldr x3, [sp]
  add sp, sp, #16
  ldr x4, [sp, #8]
  add x10, x10, #1
  sub x20, x20, #1
  cbnz x20, loop
  smc #0`;
/** Counts in x11, and steps over. */
const ACCESS_HANDLER = `
  mrs x3, ESR_EL2
  orr x14, x14, x3
  add x11, x11, #1
  mrs x3, ELR_EL2
  add x3, x3, #4
  msr ELR_EL2, x3
  eret`;

const words = (source: string, base: number): Uint32Array =>
  new Uint32Array(assemble(source, base).bytes.buffer);

/** What the program leaves in X10 to X14, and how many instructions it took. */
function run(tier: Tier, program: string, handler: string): readonly bigint[] {
  const machine = new BareMachine(
    {
      0: words(program, RAM),
      [TARGET - RAM]: words("ret x30", TARGET),
      [VECTORS - RAM + 0x200]: words(handler, VECTORS + 0x200),
    },
    { tier },
  );
  const [{ core, pe }] = machine.pes as [BareMachine["pes"][number]];
  pe.firmware = () => {
    core.exit = "end";
    return Status.exit;
  };
  for (let slice = 0; slice < 10_000; slice++) if (core.run(777) === "exit") break;
  expect(core.exit).toBe("end");
  if (tier === "hot") expect(machine.engine.hot?.statistics.regions).toBeGreaterThan(0);
  return [...[10, 11, 12, 13, 14].map((i) => core.big(X[i] as Field)), BigInt(core.instructions())];
}

function inAllTiers(program: string, handler: string): readonly bigint[] {
  const cold = run("cold", program, handler);
  for (const tier of ["hot", "auto"] as const) expect(run(tier, program, handler)).toEqual(cold);
  return cold.slice(0, 5);
}

test("a target that is no multiple of 4 faults with its own address, the link written", () => {
  const odd = BigInt((ROUNDS / 4) * 3);
  const sum = BigInt((ROUNDS / 4) * 6);
  const expected = [BigInt(ROUNDS), odd, sum, sum, BigInt(PC_ALIGNMENT >>> 0)];
  expect(inAllTiers(BRANCHES, BRANCH_HANDLER)).toEqual(expected);
});

test("a base that is the stack pointer, and no multiple of 16, faults at each access", () => {
  const expected = [BigInt(ROUNDS), BigInt(ROUNDS), 0n, 0n, BigInt(SP_ALIGNMENT >>> 0)];
  expect(inAllTiers(ACCESSES, ACCESS_HANDLER)).toEqual(expected);
});
