import { instructionGenerator, Prng } from "@hypercraft/engine";
import { EvalFault } from "@hypercraft/engine/testing/ir-eval";
import { describe, expect, test } from "vitest";
import { Helper } from "../cpu/helper-ids.js";
import { V } from "../cpu/state.js";
import { OneInstruction } from "../testing/one-instruction.js";
import { structureLane } from "./structure-operands.js";
import { armInstructions } from "./table.js";

// What programs under an emulator in user mode do not show: alignment checks, traps, and what a fault leaves.

const ADDRESS = 0x4000n;
const BASE = 3;
const CHECKED = { alignmentChecked: true };

const structures = armInstructions.instructions
  .filter(({ operands }) => operands.has("vt"))
  .map(({ name }) => name);

/** Random vectors and memory, the same for the same seed. */
function start(seed: number, address: bigint): OneInstruction {
  const prng = new Prng(seed);
  const machine = new OneInstruction().setX(BASE, address).setX(4, 0x30n);
  for (const field of V) machine.state.set(field, (prng.bits64() << 64n) | prng.bits64());
  machine.memory.load(
    ADDRESS,
    Uint8Array.from({ length: 256 }, () => prng.below(256)),
  );
  return machine;
}

const encodings = (name: string, count: number): readonly number[] => {
  const make = instructionGenerator(armInstructions, {
    accept: (instruction) => instruction.name === name,
    operands: { xnSp: [BASE], postRm: [4, 31] },
  });
  const prng = new Prng(7);
  return Array.from({ length: count }, () => make(prng).bits);
};

const seen = (machine: OneInstruction) => ({
  vectors: V.map((field) => machine.state.get(field)),
  base: machine.x(BASE),
  memory: machine.memory.slice(ADDRESS, 256),
});

/** Bytes of an element. */
const elementOf = (bits: number): number =>
  1 << ((bits >>> 24) & 1 ? structureLane(bits).size : (bits >>> 10) & 3);

describe.each(structures)("%s", (name) => {
  test("does the same where alignment is checked, if elements are aligned", () => {
    for (const [seed, bits] of encodings(name, 12).entries()) {
      const address = ADDRESS + BigInt(elementOf(bits));
      expect(seen(start(seed, address).run(bits, CHECKED))).toEqual(seen(start(seed, address).run(bits)));
    }
  });

  test("faults where they are not, and changes nothing", () => {
    for (const bits of encodings(name, 12)) {
      const machine = start(1, ADDRESS + 1n);
      const before = seen(machine);
      if (elementOf(bits) === 1) {
        machine.run(bits, CHECKED);
        continue;
      }
      expect(() => machine.run(bits, CHECKED)).toThrow(EvalFault);
      expect(seen(machine)).toEqual(before);
    }
  });

  test("traps with the registers it accesses", () => {
    const machine = start(1, ADDRESS);
    const before = seen(machine);
    machine.run(encodings(name, 1)[0] as number, { fpTrapped: true });
    expect(machine.calls).toMatchObject([{ helper: Helper.fpTrap }]);
    expect(seen(machine)).toEqual(before);
  });
});

test("LD3 takes threes apart, and moves its base by what it has read", () => {
  const machine = new OneInstruction().setX(BASE, ADDRESS);
  machine.memory.load(
    ADDRESS,
    Uint8Array.from({ length: 24 }, (_, i) => i),
  );
  // Registers are counted modulo 32.
  machine.execute("ld3.post", { q: 0, structureSize: 0, xnSp: BASE, vt: 31, postRm: 31 });
  expect(machine.state.get(V[31]!)).toBe(0x15120f0c09060300n);
  expect(machine.state.get(V[0]!)).toBe(0x1613100d0a070401n);
  expect(machine.state.get(V[1]!)).toBe(0x1714110e0b080502n);
  expect(machine.x(BASE)).toBe(ADDRESS + 24n);
});
