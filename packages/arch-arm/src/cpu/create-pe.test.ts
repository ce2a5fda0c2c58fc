import { Engine, type Tier } from "@hypercraft/engine";
import { expect, test } from "vitest";
import { BareMachine } from "../testing/cpu/bare-machine.js";
import { ARM_FLOATING_POINT, createPe } from "./create-pe.js";
import { armLayout, V, X } from "./state.js";

const RAM = 0x4000_0000;
const RAM_SIZE = 1 << 20;
const ARENA = 32 << 20;

/** From EL2 to EL1 and EL0, and back to EL1 by SVC. Assembled by LLVM. */
const PROGRAM = [
  0x10004000, // adr x0, vectors
  0xd518c000, // msr vbar_el1, x0
  0x100000a0, // adr x0, el1
  0xd51c4020, // msr elr_el2, x0
  0xd28078a0, // mov x0, #0x3c5
  0xd51c4000, // msr spsr_el2, x0
  0xd69f03e0, // eret
  0xd5384241, // el1: mrs x1, currentel
  0x10000080, // adr x0, el0
  0xd5184020, // msr elr_el1, x0
  0xd518401f, // msr spsr_el1, xzr
  0xd69f03e0, // eret
  0xd2800542, // el0: mov x2, #42
  0xd40000a1, // svc #5
];
/** The vector of exceptions from EL0, at 0xc00. */
const HANDLER = [
  0xd5385203, // mrs x3, esr_el1
  0xd5384004, // mrs x4, spsr_el1
  0xd5384025, // mrs x5, elr_el1
  0xd503207f, // wfi
];

/** Two subnormal numbers added at EL2, with FPCR.FZ and without. */
const FLUSHING = [
  0xd2867fe0, // mov x0, #0x33ff
  0xd51c1140, // msr cptr_el2, x0
  0xd5033fdf, // isb
  0xd2a02001, // mov x1, #0x1000000
  0xd51b4401, // msr fpcr, x1
  0xd2800022, // mov x2, #1
  0x9e670040, // fmov d0, x2
  0x1e602801, // fadd d1, d0, d0
  0x9e660023, // fmov x3, d1
  0xd53b4424, // mrs x4, fpsr
  0xd51b441f, // msr fpcr, xzr
  0x1e602801, // fadd d1, d0, d0
  0x9e660025, // fmov x5, d1
  0xd503207f, // wfi
];

/** Runs a program, with code at 0xc00 behind its start, until it waits. Gives the PE, its exit and X1 to X5. */
function run(tier: Tier, program: readonly number[], handler: readonly number[] = []) {
  const memory = new WebAssembly.Memory({
    initial: (ARENA + RAM_SIZE) / 65536,
    maximum: (ARENA + RAM_SIZE) / 65536,
  });
  const words = new Uint32Array(memory.buffer);
  words.set(program, ARENA / 4);
  words.set(handler, (ARENA + 0xc00) / 4);
  const engine = new Engine({
    memory,
    arena: { offset: 0, size: ARENA },
    ram: {
      ramOffset: (physical) => (physical >= RAM && physical < RAM + RAM_SIZE ? ARENA + physical - RAM : -1),
      ranges: () => [{ physical: RAM, size: RAM_SIZE, offset: ARENA }],
    },
    floatingPoint: ARM_FLOATING_POINT,
    tier,
  });
  const bus = { read: () => -1, write: () => false };
  const { core, pe } = createPe(engine, {
    index: 0,
    mode: "bare",
    clock: { now: () => 0 },
    bus,
    resetVector: BigInt(RAM),
  });
  core.run(1000);
  const values = [1, 2, 3, 4, 5].map((i) => core.big(X[i] as (typeof X)[number]));
  return { pe, exit: core.exit, values };
}

test.each<Tier>(["cold", "hot"])("a program goes through the exception levels (%s tier)", (tier) => {
  const { pe, exit, values } = run(tier, PROGRAM, HANDLER);
  expect(exit).toEqual({ kind: "wait" });
  expect(pe.el).toBe(1);
  expect(values).toEqual([4n, 42n, 0x5600_0005n, 0n, BigInt(RAM) + 0x38n]);
});

test.each<Tier>(["cold", "hot"])("FPCR decides how code is translated (%s tier)", (tier) => {
  const { exit, values } = run(tier, FLUSHING);
  expect(exit).toEqual({ kind: "wait" });
  // Flushed operands are noted in FPSR.IDC.
  expect(values).toEqual([0x100_0000n, 1n, 0n, 0x80n, 2n]);
});

test("a reset leaves nothing of what was there, upper halves of vectors included", () => {
  const [{ core, pe }] = new BareMachine({}).pes as [BareMachine["pes"][number]];
  const fields = [...armLayout.fields.values()];
  const fresh = fields.map((field) => core.big(field));
  for (const field of fields) core.setBig(field, -1n);
  expect(core.big(V[3]!)).toBe(2n ** 128n - 1n);
  pe.setIrq(false);
  pe.setFiq(false);
  pe.setVirtualIrq(false);
  pe.setVirtualFiq(false);
  pe.reset(fresh[fields.indexOf(armLayout.pc)]!);
  const changed = fields.filter((field, i) => core.big(field) !== fresh[i]);
  // Lines that nobody drives keep what the state says.
  expect(changed.map(({ name }) => name).filter((name) => name !== "inputLines")).toEqual([]);
});
