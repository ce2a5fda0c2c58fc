import { instructionGenerator, Prng } from "@hypercraft/engine";
import { describe, expect, test } from "vitest";
import {
  type Encoded,
  findLlvmObjdump,
  gnuDisassemble,
  haveBinutils,
  llvmDisassemble,
} from "../testing/binutils.js";
import { disassemble } from "./lift.js";
import { riscvInstructions } from "./table.js";

// Our decoder and texts against the GNU and LLVM disassemblers: every 16-bit encoding, random legal
// instructions, and neighbours of legal ones, most of which are reserved.

const LEGAL = 4000;
const NEIGHBOURS = 6000;

/** Bits 4 to 0 all set begin formats longer than 32 bits, which the assembler refuses to write. */
const isLonger = (bits: number): boolean => (bits & 0x1f) === 0x1f;

function sample(): Encoded[] {
  const prng = new Prng(2026);
  const next = instructionGenerator(riscvInstructions, { accept: ({ width }) => width === 32 });
  const legal = Array.from({ length: LEGAL }, (): Encoded => next(prng));
  const neighbours = Array.from({ length: NEIGHBOURS }, (): Encoded => {
    let { bits } = next(prng);
    for (let flips = 1 + prng.below(3); flips > 0; flips--) bits ^= 1 << (2 + prng.below(30));
    return { bits: bits >>> 0, width: 32 };
  });
  const compressed = Array.from({ length: 0x10000 }, (_, bits): Encoded => ({ bits, width: 16 }));
  return [
    ...legal,
    ...neighbours.filter(({ bits }) => !isLonger(bits)),
    ...compressed.filter(({ bits }) => (bits & 3) !== 3),
  ];
}

const sampled = haveBinutils() ? sample() : [];

function addresses(encodings: readonly Encoded[]): bigint[] {
  let pc = 0n;
  return encodings.map(({ width }) => {
    const here = pc;
    pc += BigInt(width / 8);
    return here;
  });
}

/** One spelling: no spaces after commas, no comments, numbers in decimal. */
function normalise(text: string): string {
  const plain = text
    .replace(/\s*(#|<(?!unknown)).*$/, "")
    .replace(/\s+/g, " ")
    .replace(/, /g, ",")
    .trim();
  return plain.replace(/(?<![\w.])-?0x[0-9a-f]+/g, (hex) => {
    const value = hex.startsWith("-") ? -BigInt(hex.slice(1)) : BigInt(hex);
    return BigInt.asIntN(64, value).toString();
  });
}

const isData = (text: string): boolean => /^(\.[24]byte|c?\.?unimp$|<unknown>)/.test(text.trim());

interface Difference {
  readonly bits: string;
  readonly theirs: string;
  readonly ours: string;
}

function differences(
  theirs: readonly string[],
  ours: (bits: number, pc: bigint) => string,
  excused: (bits: number, theirs: string, ours: string) => boolean,
): Difference[] {
  const places = addresses(sampled);
  expect(theirs).toHaveLength(sampled.length);
  const found = sampled.flatMap(({ bits }, i): Difference[] => {
    const [their, our] = [normalise(theirs[i] as string), normalise(ours(bits, places[i] as bigint))];
    const same = their === our || (isData(their) && isData(our));
    if (same || excused(bits, their, our)) return [];
    return [{ bits: bits.toString(16), theirs: their, ours: our }];
  });
  return found.slice(0, 20);
}

const BRANCH_TARGET = /^((?:c\.)?(?:beq|bne|blt|bge|bltu|bgeu|beqz|bnez|j|jal)\s(?:.*,)?)([0-9a-f]+)$/;

/** GNU writes branch targets in hexadecimal without a prefix. */
function gnuTargets(text: string): string {
  const match = BRANCH_TARGET.exec(text.trim().replace(/\s*<.*$/, ""));
  return match ? `${match[1]}0x${match[2]}` : text;
}

/** Conversions that never round: older tools only know the rounding field that assemblers write. */
const isExactConversion = (text: string): boolean => /^fcvt\.d\.(s|w|wu) /.test(text);

/** Encodings on which GNU (2.40) and we differ on purpose. */
function excusedGnu(bits: number, theirs: string, ours: string): boolean {
  const [name = ""] = theirs.split(" ");
  return (
    // HINTs with nothing to shift, and C.NOP, have names of their own there.
    /^c\.s(l|r)[al]i64$/.test(name) ||
    theirs.replace("c.addi zero,", "c.nop ") === ours ||
    // The reserved encoding of C.ADDI16SP.
    (bits === 0x6101 && isData(ours)) ||
    // Instructions of old drafts.
    /^(uret|hret|sfence\.vm)$/.test(name) ||
    // Reserved rounding modes.
    (theirs.endsWith(",unknown") && isData(ours)) ||
    (isExactConversion(ours) && (isData(theirs) || `${theirs},rne` === ours)) ||
    // Reserved fields of fences, which the manual says to ignore.
    (/^fence/.test(ours) && isData(theirs)) ||
    // Registers of extensions that are not supported have names there.
    (name.startsWith("csr") && theirs.replace(/,[a-z]\w*,/, ",#,") === ours.replace(/,\d+,/, ",#,"))
  );
}

/** Encodings on which LLVM (14) and we differ on purpose. */
function excusedLlvm(bits: number, theirs: string, ours: string): boolean {
  const name = theirs.split(" ")[0] as string;
  const isHint = /^c\.(add|li|lui|mv|nop|slli|slli64|srai64|srli64)$/.test(name);
  return (
    (isHint && !isData(ours)) ||
    (isExactConversion(ours) && isData(theirs)) ||
    // It knows none of these extensions.
    /^(cbo|hlv|hlvx|hsv|hfence|hinval|sinval|pause|sfence\.(w\.inval|inval\.ir))/.test(ours) ||
    // Reserved encodings: C.LUI of zero, C.ADDI16SP of zero.
    ((bits & 0xf07f) === 0x6001 && bits < 0x10000 && isData(ours)) ||
    (/^fence/.test(ours) && isData(theirs)) ||
    name === "uret" ||
    // Registers of extensions that are not supported have names there.
    (name.startsWith("csr") && isData(theirs) === isData(ours))
  );
}

describe.skipIf(!haveBinutils())("against the GNU disassembler", () => {
  test("the same instructions are legal, and the bare texts are the same", () => {
    const theirs = gnuDisassemble(sampled).map(gnuTargets);
    const bare = (bits: number, pc: bigint) => disassemble(bits, pc, { aliases: false });
    expect(differences(theirs, bare, excusedGnu)).toEqual([]);
  });
});

const llvm = haveBinutils() ? findLlvmObjdump() : undefined;

describe.skipIf(llvm === undefined)("against the LLVM disassembler", () => {
  test("the texts with pseudo-instructions are the same", () => {
    const theirs = llvmDisassemble(llvm as string, sampled);
    expect(differences(theirs, disassemble, excusedLlvm)).toEqual([]);
  });
});
