import { IrBuilder, instructionGenerator, type ParcelSource, Prng } from "@hypercraft/engine";
import { verify } from "@hypercraft/engine/testing/ir-checks";
import { expect, test } from "vitest";
import { type CodeMode, packMode, unpackMode } from "../cpu/mode.js";
import { liftInstruction } from "./lift.js";
import { armInstructions } from "./table.js";

const OFFSET = 0x100;
const MODES: readonly Partial<CodeMode>[] = [
  {},
  { el: 1, spSel: true },
  { rmode: 3, flushToZero: true, defaultNan: true },
  { el: 1, stackChecked: true, alignmentChecked: true },
  { el: 2, spSel: true, stackChecked: true },
];

function lift(bits: number, mode: Partial<CodeMode>) {
  const builder = new IrBuilder();
  const source: ParcelSource = { u16: (at) => (at === OFFSET ? bits & 0xffff : (bits >>> 16) & 0xffff) };
  builder.instruction(OFFSET);
  const length = liftInstruction(builder, source, OFFSET, packMode({ ...unpackMode(0), ...mode }));
  expect(length).toBe(4);
  if (!builder.ended) builder.jump(OFFSET + length);
  return builder.finish(OFFSET + length);
}

test("every instruction is lifted to well-formed IR in every mode", () => {
  const prng = new Prng(5);
  for (const { name } of armInstructions.instructions) {
    const make = instructionGenerator(armInstructions, { accept: (i) => i.name === name });
    for (const mode of MODES) for (let i = 0; i < 4; i++) verify(lift(make(prng).bits, mode));
  }
});

test("so are encodings that are no instruction", () => {
  const prng = new Prng(6);
  for (let i = 0; i < 2000; i++) verify(lift(prng.bits(), MODES[i % MODES.length] as Partial<CodeMode>));
});

test("an instruction that cannot be fetched has no length", () => {
  const builder = new IrBuilder();
  builder.instruction(OFFSET);
  expect(liftInstruction(builder, { u16: () => -1 }, OFFSET, 0)).toBe(0);
  expect(builder.nodes).toEqual([]);
});
