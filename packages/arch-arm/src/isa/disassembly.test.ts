import { instructionGenerator, Prng } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import { haveLlvm, llvmDisassemble } from "../testing/llvm.js";
import { disassemble } from "./lift.js";
import { armInstructions } from "./table.js";

// Our decoder and texts against the LLVM disassembler: random legal instructions, and neighbours of legal ones, many of
// which are unallocated.

const LEGAL = 6000;
const NEIGHBOURS = 12000;

function sample(): number[] {
  const prng = new Prng(2026);
  const next = instructionGenerator(armInstructions);
  const legal = Array.from({ length: LEGAL }, () => next(prng).bits);
  const neighbours = Array.from({ length: NEIGHBOURS }, () => {
    let { bits } = next(prng);
    for (let flips = 1 + prng.below(3); flips > 0; flips--) bits ^= 1 << prng.below(32);
    return bits >>> 0;
  });
  return [...legal, ...neighbours];
}

/** One spelling: lower case, one space, numbers in decimal, no comments. */
const normalise = (text: string): string =>
  text
    .replace(/\s*(\/\/|<(?!unknown)).*$/, "")
    .replace(/\s+/g, " ")
    .trim()
    .replace(/#0{16}$/, "#0")
    .replace(/-?0x[0-9a-f]+/g, (hex) => {
      const value = hex.startsWith("-") ? -BigInt(hex.slice(1)) : BigInt(hex);
      return BigInt.asIntN(64, value).toString();
    })
    .toLowerCase();

const isData = (text: string): boolean => /^(<unknown>|\.4byte)/.test(text);

/** Encodings on which LLVM 14 and we differ on purpose. */
function excused(bits: number, theirs: string, ours: string, pc: bigint): boolean {
  const name = theirs.split(" ")[0] as string;
  // It writes the distance, we write the target.
  const distance = /^(adr x\w+,) #(-?\d+)$/.exec(theirs);
  if (distance) return ours === `${distance[1]} ${BigInt.asIntN(64, pc + BigInt(distance[2] as string))}`;
  // The manual prefers the alias for a shift by nothing.
  const extended = /^([su])shll(2?) (.*), #0$/.exec(theirs);
  if (extended) return ours === `${extended[1]}xtl${extended[2]} ${extended[3]}`;
  return (
    // MRS and MSR with op0 0 or 1 are other instructions, and what they leave over is unallocated.
    (/^(mrs|msr) /.test(theirs) && isData(ours) && (bits >>> 20) % 2 === 0) ||
    // The registers it has no name for, and PAN's reserved immediates.
    (/^ms?rs? /.test(theirs) && /^ms?rs? /.test(ours)) ||
    // Names that newer versions of the architecture give to some barriers and hints.
    /^(ssbb|pssbb|dgh)$/.test(name) ||
    (name === "isb" && ours.startsWith("isb")) ||
    // Not here: FEAT_LOR, halting debug.
    (isData(ours) && (/^(ldlar|stllr)[bh]?$/.test(name) || /^(dcps[123]|drps)$/.test(name)))
  );
}

describe.skipIf(!haveLlvm())("against the LLVM disassembler", () => {
  test("the same instructions are legal, and the texts are the same", () => {
    const sampled = sample();
    const theirs = llvmDisassemble(sampled, "+v8.1a,-rdm,+crypto");
    expect(theirs).toHaveLength(sampled.length);
    const found = sampled.flatMap((bits, i) => {
      const pc = BigInt(4 * i);
      const [their, our] = [normalise(theirs[i] as string), normalise(disassemble(bits, pc))];
      const same = their === our || (isData(their) && isData(our));
      if (same || excused(bits, their, our, pc)) return [];
      return [{ bits: bits.toString(16), theirs: their, ours: our }];
    });
    expect(found.slice(0, 20)).toEqual([]);
  });
});
