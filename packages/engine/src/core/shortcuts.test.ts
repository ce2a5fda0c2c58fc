import { describe, expect, test } from "vitest";
import { IrBuilder } from "../ir/builder.js";
import { verify } from "../ir/verify.js";
import { TOY_SHORTCUTS, toy, toyRegisters } from "../testing/toy-cpu.js";
import { createToy, putWords, setRegisters, type ToyMachine } from "../testing/toy-machine.js";
import type { Tier } from "./engine.js";

// Helpers with a shortcut in WebAssembly, which takes even numbers only.

const START = 0x1000;
const ROUNDS = 2000n;

/**
 * r1 counts in steps of r2, and is added to r14, the shortcut's, which the program itself writes and reads as well: all
 * that its parts made of r14 is summed in r6.
 */
const PROGRAM = [
  toy("addi", 14, 14, 3),
  toy("accumulate", 5, 1, 7),
  toy("add", 6, 6, 5),
  toy("add", 6, 6, 14),
  toy("accumulate", 5, 1, -1),
  toy("add", 6, 6, 5),
  toy("add", 1, 1, 2),
  toy("addi", 3, 3, 1),
  toy("bltu", 3, 4, -8),
  toy("halt"),
];

function run(tier: Tier, step: bigint, shortcuts = true): ToyMachine {
  const machine = createToy({ tier, ...(shortcuts && { shortcuts: TOY_SHORTCUTS }) });
  putWords(machine, START, PROGRAM);
  setRegisters(machine, { 2: step, 4: ROUNDS });
  machine.core.setPc(START, 0);
  while (machine.core.run(1777) !== "exit");
  return machine;
}

const registers = ({ core }: ToyMachine) => toyRegisters.map((field) => core.big(field as never));

/** What the program does. */
function expected(step: bigint): bigint[] {
  let [counter, sum, total] = [0n, 0n, 0n];
  for (let i = 0n; i < ROUNDS; i++) {
    total += 3n + counter;
    sum += total + 7n + total;
    total += counter;
    sum += total - 1n;
    counter += step;
  }
  return [sum, total];
}

describe.each<[string, bigint, number]>([
  ["always", 2n, 0],
  ["every other time", 1n, Number(ROUNDS)],
])("a shortcut that does what its helper does, %s", (_name, step, calls) => {
  test.each<Tier>(["cold", "hot"])("%s", (tier) => {
    const machine = run(tier, step);
    expect([registers(machine)[6], registers(machine)[14]]).toEqual(expected(step));
    expect(machine.cpu.accumulated).toBe(calls);
    // All of the loop is compiled, or goes on so behind what a helper did.
    if (tier === "hot") expect(machine.engine.compiledInstructions).toBeGreaterThan(10_000);
  });

  test.each<Tier>(["cold", "hot"])("%s: nobody can tell that there is one", (tier) => {
    const [one, other] = [run(tier, step), run(tier, step, false)];
    expect(one.core.state()).toEqual(other.core.state());
    expect(other.cpu.accumulated).toBe(2 * Number(ROUNDS));
  });
});

test("where a shortcut gives up, its instruction must not have changed what cannot be written again", () => {
  const field = toyRegisters[1] as never;
  const block = (write: (b: IrBuilder) => void) => {
    const b = new IrBuilder();
    b.instruction(0);
    write(b);
    b.shortcut(0, 3, 0, b.get(field));
    b.jump(4);
    return b.finish(4);
  };
  expect(() => verify(block((b) => b.set(field, b.i64.const(1))))).not.toThrow();
  expect(() => verify(block((b) => b.store(8, b.i64.const(8), b.get(field))))).not.toThrow();
  expect(() => verify(block((b) => b.rmw("add", 8, b.get(field), b.get(field))))).toThrow(
    "its instruction has written something already",
  );
  expect(() => verify(block((b) => b.selectContext(b.i32.const(1))))).toThrow(
    "its instruction has written something already",
  );
});
