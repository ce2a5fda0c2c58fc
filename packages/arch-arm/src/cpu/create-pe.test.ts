import { Engine, type Tier } from "@hypercraft/engine";
import { expect, test } from "vitest";
import { ARM_FLOATING_POINT, createPe } from "./create-pe.js";
import { X } from "./state.js";

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

test.each<Tier>(["cold", "hot"])("a program goes through the exception levels (%s tier)", (tier) => {
  const memory = new WebAssembly.Memory({
    initial: (ARENA + RAM_SIZE) / 65536,
    maximum: (ARENA + RAM_SIZE) / 65536,
  });
  const words = new Uint32Array(memory.buffer);
  words.set(PROGRAM, ARENA / 4);
  words.set(HANDLER, (ARENA + 0xc00) / 4);
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
  expect(core.exit).toEqual({ kind: "wait" });
  expect(pe.el).toBe(1);
  const values = [1, 2, 3, 4, 5].map((i) => core.big(X[i] as (typeof X)[number]));
  expect(values).toEqual([4n, 42n, 0x5600_0005n, 0n, BigInt(RAM) + 0x38n]);
});
