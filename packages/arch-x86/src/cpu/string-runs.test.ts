import { Prng, type Tier } from "@hypercraft/engine";
import { describe, expect, it } from "vitest";
import { createBareMachine, enterProgram } from "../testing/cpu/bare-machine.js";
import { PROGRAM } from "../testing/cpu/qemu-system.js";
import { FLAGS, GPR, Gpr } from "./state.js";

// REP MOVS and REP STOS against their definition, element by element (SDM volume 2, REP), however they are carried out.

const AREA = 0x20_0000;
const AREA_BYTES = 5 * 4096;
const PREFIX: Readonly<Record<number, readonly number[]>> = { 1: [], 2: [0x66], 4: [] };

interface Case {
  readonly moves: boolean;
  readonly size: 1 | 2 | 4;
  readonly backwards: boolean;
  readonly count: number;
  readonly source: number;
  readonly target: number;
  readonly value: number;
}

const pick = (random: Prng, below: number): number => random.below(below);

function randomCase(random: Prng): Case {
  const size = ([1, 2, 4] as const)[pick(random, 3)]!;
  const count = pick(random, 2) === 0 ? pick(random, 80) : pick(random, 2200);
  const span = count * size;
  const backwards = pick(random, 3) === 0;
  const at = () => (backwards ? span : 0) + pick(random, AREA_BYTES - span - 16);
  const source = at();
  const near = source + pick(random, 200) - 100;
  const target =
    pick(random, 3) === 0 ? Math.min(Math.max(near, backwards ? span : 0), AREA_BYTES - span - 16) : at();
  const value = pick(random, 2) === 0 ? 0 : 0x8765_4321;
  return { moves: pick(random, 2) === 0, size, backwards, count, source, target, value };
}

/** What the manual says that memory holds afterwards. */
function byElement(area: Uint8Array, { moves, size, backwards, count, source, target, value }: Case): void {
  const step = backwards ? -size : size;
  for (let i = 0; i < count; i++) {
    const [from, to] = [source + i * step, target + i * step];
    const element = moves
      ? area.slice(from, from + size)
      : Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24).subarray(0, size);
    area.set(element, to);
  }
}

function prepare(tier: Tier, walks: boolean, one: Case, contents: Uint8Array) {
  const machine = createBareMachine(tier, walks);
  enterProgram(machine);
  const { core, ram } = machine;
  const opcode = (one.moves ? 0xa4 : 0xaa) | (one.size === 1 ? 0 : 1);
  ram.set([...PREFIX[one.size]!, ...[0xf3, opcode, 0xeb, 0xfe]], PROGRAM);
  ram.set(contents, AREA);
  core.set(GPR[Gpr.rcx]!, one.count, 0);
  core.set(GPR[Gpr.rsi]!, AREA + one.source, 0);
  core.set(GPR[Gpr.rdi]!, AREA + one.target, 0);
  core.set(GPR[Gpr.rax]!, one.value | 0, 0);
  core.set(FLAGS.direction, one.backwards ? 1 : 0, 0);
  return machine;
}

describe.each<Tier>(["cold", "hot"])("runs of strings (%s tier)", (tier) => {
  it.each([
    ["with page walks in WebAssembly", true],
    ["without", false],
  ])("%s", (_, walks) => {
    const random = new Prng(walks ? 5 : 6);
    for (let n = 0; n < 30; n++) {
      const one = randomCase(random);
      const contents = Uint8Array.from({ length: AREA_BYTES }, () => pick(random, 256));
      const { core, cpu, ram } = prepare(tier, walks, one, contents);
      const program = PROGRAM + PREFIX[one.size]!.length + 2;
      // Each element is an instruction, and one that finds the count 0 is one, too.
      const instructions = Math.max(1, one.count);
      const first = 1 + pick(random, instructions);
      core.run(first);
      expect(core.instructions()).toBe(first);
      const left = one.count === 0 ? 0 : one.count - first;
      expect(core.lo(GPR[Gpr.rcx]!)).toBe(left);
      if (first < instructions) core.run(instructions - first);
      expect([Number(cpu.ip), core.instructions()]).toEqual([program, instructions]);
      const distance = one.count * one.size * (one.backwards ? -1 : 1);
      expect(core.lo(GPR[Gpr.rdi]!)).toBe(AREA + one.target + distance);
      expect(core.lo(GPR[Gpr.rsi]!)).toBe(AREA + one.source + (one.moves ? distance : 0));
      byElement(contents, one);
      expect(Buffer.compare(ram.subarray(AREA, AREA + AREA_BYTES), contents), JSON.stringify(one)).toBe(0);
    }
  });
});
