import { lowBits } from "./pattern.js";
import type { Prng } from "./prng.js";
import type { Instruction, InstructionTable } from "./table.js";

/** Which instructions to make, and with which operands. */
export interface RandomFilter {
  /** Only instructions all of whose extensions are among these. */
  readonly extensions?: readonly string[];
  /** Only instructions for which this gives true. */
  readonly accept?: (instruction: Instruction<never>) => boolean;
  /** Values to choose from for operands of these names; instructions that can hold none are left out. Other operands are uniform. */
  readonly operands?: Readonly<Record<string, readonly number[]>>;
}

export interface RandomInstruction {
  /** The encoding, unsigned. */
  readonly bits: number;
  readonly width: 16 | 32;
  readonly name: string;
}

/** Attempts at operands that satisfy an encoding's conditions. Conditions exclude single values, so a few do. */
const ATTEMPTS = 1000;

/** Does every restricted operand have a value that this encoding can hold? */
function canHold(instruction: Instruction<never>, filter: RandomFilter): boolean {
  return Object.entries(filter.operands ?? {}).every(([name, values]) => {
    const operand = instruction.operands.get(name);
    return operand === undefined || values.some(operand.holds);
  });
}

function fill(instruction: Instruction<never>, prng: Prng, filter: RandomFilter): number {
  let bits = instruction.value | (prng.bits() & ~instruction.mask & lowBits(instruction.width));
  for (const [name, values] of Object.entries(filter.operands ?? {})) {
    const operand = instruction.operands.get(name);
    if (operand === undefined) continue;
    bits = operand.insert(bits, prng.pick(values.filter(operand.holds)));
  }
  return bits;
}

/**
 * Makes random instructions of a table. Every mnemonic that passes the filter is equally likely,
 * whatever part of the encoding space it has. Throws a `RangeError` if nothing passes the filter.
 */
export function instructionGenerator<B>(
  table: InstructionTable<B>,
  filter: RandomFilter = {},
): (prng: Prng) => RandomInstruction {
  const allowed = filter.extensions === undefined ? null : new Set(filter.extensions);
  const candidates = (table.instructions as readonly Instruction<never>[]).filter(
    (i) =>
      (allowed === null || i.extensions.every((e) => allowed.has(e))) &&
      (filter.accept?.(i) ?? true) &&
      canHold(i, filter),
  );
  if (candidates.length === 0) throw new RangeError("no instruction passes the filter");
  return (prng) => {
    const instruction = prng.pick(candidates);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const bits = fill(instruction, prng, filter);
      if (table.decode(bits, instruction.width) !== instruction.index) continue;
      const unsigned = instruction.width === 32 ? bits >>> 0 : bits & 0xffff;
      return { bits: unsigned, width: instruction.width, name: instruction.name };
    }
    throw new RangeError(`no operands that pass the filter are allowed for ${instruction.name}`);
  };
}
