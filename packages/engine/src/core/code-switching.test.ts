import { describe, expect, test } from "vitest";
import { IrBuilder } from "../ir/builder.js";
import { verify } from "../ir/verify.js";
import { toy, toyRegisters } from "../testing/toy-cpu.js";
import { createToy, putWords, setRegisters, type ToyMachine } from "../testing/toy-machine.js";
import type { Tier } from "./engine.js";

// Guest code that goes on in the other of two code contexts, as system calls do: other modes of the same bytes.

const CALLER = 0x1000;
const CALLEE = 0x5000;
const ROUNDS = 4000;

/** r1 counts rounds up to r8; the callee's address is in r2, the way back in r3; both call one function at r4. */
const caller = [
  toy("addi", 1, 1, 1),
  toy("mode", 5),
  toy("enter", 0, 2, 1),
  // Here the callee comes back to.
  toy("add", 6, 6, 5),
  toy("mode", 5),
  toy("add", 7, 7, 5),
  toy("bltu", 1, 8, -6),
  toy("halt"),
];
const callee = [toy("mode", 5), toy("add", 9, 9, 5), toy("enter", 0, 3, 0)];

const MODES = [
  [3, 8],
  [5, 2],
] as const;

function create(tier: Tier): ToyMachine {
  const machine = createToy({ tier });
  putWords(machine, CALLER, caller);
  putWords(machine, CALLEE, callee);
  setRegisters(machine, { 2: BigInt(CALLEE), 3: BigInt(CALLER + 12), 8: BigInt(ROUNDS) });
  machine.core.setPc(CALLER, 0);
  return machine;
}

/** Modes of the caller and of the callee. */
function choose({ core, cpu }: ToyMachine, [own, other]: readonly [number, number]): void {
  cpu.modes[0] = own;
  cpu.modes[1] = other;
  const keys = [
    { key: 20, globalKey: 22, mode: own },
    { key: 21, globalKey: 23, mode: other },
  ] as const;
  core.setCodeContexts(keys, core.selectedCode);
}

const register = ({ core }: ToyMachine, i: number): number => Number(core.big(toyRegisters[i] as never));

describe.each<Tier>(["cold", "hot"])("code contexts that guest code selects, in the %s tier", (tier) => {
  test("code is that of the selected context's mode, however long it ran in the other", () => {
    const machine = create(tier);
    choose(machine, MODES[0]);
    while (machine.core.run(1777) !== "exit");
    const [own, other] = MODES[0];
    // The mode that r5 has when the callee is back is the callee's.
    expect([6, 7, 9].map((i) => register(machine, i))).toEqual([
      other * ROUNDS,
      own * ROUNDS,
      other * ROUNDS,
    ]);
    expect(machine.core.instructions()).toBe(ROUNDS * 10 + 1);
    if (tier === "hot") expect(machine.engine.compiledInstructions).toBeGreaterThan(ROUNDS * 5);
  });

  test.each(["dropped", "chosen anew"])("contexts are %s between slices", (what) => {
    const machine = create(tier);
    choose(machine, MODES[0]);
    const selected = new Set<number>();
    const expected = { own: 0, other: 0 };
    let modes: readonly [number, number] = MODES[0];
    let rounds = 0;
    for (let i = 0; machine.core.run(777) !== "exit"; i++) {
      selected.add(machine.core.selectedCode);
      // What was executed since the modes were chosen last: whole rounds, up to those in the middle of one.
      const now = register(machine, 1);
      expected.own += modes[0] * (now - rounds);
      expected.other += modes[1] * (now - rounds);
      rounds = now;
      if (what === "dropped") machine.core.dropContexts();
      else {
        modes = MODES[i & 1] as readonly [number, number];
        choose(machine, modes);
      }
    }
    expect(selected).toEqual(new Set([0, 1]));
    const slack = what === "dropped" ? 0 : 10 * Math.ceil((ROUNDS * 10) / 777);
    expected.own += modes[0] * (ROUNDS - rounds);
    expected.other += modes[1] * (ROUNDS - rounds);
    expect(Math.abs(register(machine, 7) - expected.own)).toBeLessThanOrEqual(slack);
    expect(Math.abs(register(machine, 9) - expected.other)).toBeLessThanOrEqual(slack);
  });

  test("an address space of one of them can be dropped alone", () => {
    const machine = create(tier);
    choose(machine, MODES[0]);
    machine.core.run(5000);
    const before = machine.core.dispatches;
    machine.core.dropContextRange(21, 1);
    machine.core.dropPage(CALLEE, 0);
    while (machine.core.run(100_000) !== "exit");
    expect(machine.core.dispatches).toBeGreaterThan(before);
    expect(register(machine, 9)).toBe(MODES[0][1] * ROUNDS);
  });
});

test("both tiers are in the same place after each slice", () => {
  const [cold, hot] = [create("cold"), create("hot")];
  for (const machine of [cold, hot]) choose(machine, MODES[0]);
  for (;;) {
    const end = cold.core.run(61);
    expect(hot.core.run(61)).toBe(end);
    expect(hot.core.state()).toEqual(cold.core.state());
    expect(hot.core.selectedCode).toBe(cold.core.selectedCode);
    if (end === "exit") break;
  }
});

test("an indirect jump has to follow", () => {
  const b = new IrBuilder();
  b.instruction(0);
  b.selectCode(b.i32.const(1));
  b.jump(4);
  expect(() => verify(b.finish(4))).toThrow("no indirect jump follows");
});
