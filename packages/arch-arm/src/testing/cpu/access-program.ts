import { TRANSLATION_REGISTERS, type TranslationRegisters } from "./plain-walker.js";
import { BLOB } from "./qemu-system.js";
import { PROGRAM_OFFSET } from "./translation-cases.js";

// Loads and stores at EL1 and EL0 in many translation regimes, as one program that an emulator and a PE of ours run.

/** Instructions with x0 as the address; they load to x3 or store it. */
export const INSTRUCTIONS = [
  "ldr x3, [x0]",
  "ldrb w3, [x0]",
  "ldrsh w3, [x0]",
  "ldrsw x3, [x0]",
  "str x3, [x0]",
  "strh w3, [x0]",
  "ldr w3, [x0], #4",
  "stp x3, x3, [x0]",
  "ldtr x3, [x0]",
  "sttr w3, [x0]",
  "ldtrsb x3, [x0]",
  "ldar w3, [x0]",
] as const;
export type AccessInstruction = (typeof INSTRUCTIONS)[number];

export interface Access {
  readonly instruction: AccessInstruction;
  readonly address: bigint;
  readonly el: 0 | 1;
  readonly pan: boolean;
}

/** One regime and the accesses in it, one after the other. */
export interface Regimen {
  readonly registers: TranslationRegisters;
  readonly accesses: readonly Access[];
}

const SPSR_EL1H = 0x3c5n;
const SPSR_EL0T = 0x3c0n;
const SPSR_PAN = 1n << 22n;

/** Registers, then how many, then number, address and SPSR of each; at the end, all ones. */
function encode(regimens: readonly Regimen[]): bigint[] {
  const words = regimens.flatMap(({ registers, accesses }) => [
    ...TRANSLATION_REGISTERS.map((name) => registers[name]),
    BigInt(accesses.length),
    ...accesses.flatMap(({ instruction, address, el, pan }) => [
      BigInt(INSTRUCTIONS.indexOf(instruction)),
      address,
      (el === 0 ? SPSR_EL0T : SPSR_EL1H) | (pan ? SPSR_PAN : 0n),
    ]),
  ]);
  return [...words, -1n];
}

/** What is recorded of each access. */
const RECORDED = ["ESR_EL2", "FAR_EL2", "HPFAR_EL2", "ESR_EL1", "FAR_EL1", "X0", "X3"] as const;
export type Outcome = Readonly<Record<(typeof RECORDED)[number], bigint>>;

const program = (from: number): string => `
_start:
  adr x0, vectors
  msr vbar_el2, x0
  constant x19, ${PROGRAM_OFFSET}
  adr x0, guest_vectors
  add x0, x0, x19
  msr vbar_el1, x0
  constant x20, ${from}
next:
  ldr x0, [x20]
  cmn x0, #1
  b.eq end
${TRANSLATION_REGISTERS.map((name, i) => `  ldr x0, [x20, #${8 * i}]\n  msr ${name}, x0`).join("\n")}
  ldr x21, [x20, #${8 * TRANSLATION_REGISTERS.length}]
  add x20, x20, #${8 * TRANSLATION_REGISTERS.length + 8}
one:
  cbz x21, next
  sub x21, x21, #1
  isb
  tlbi alle1
  dsb sy
  isb
  ldp x1, x0, [x20], #16
  ldr x2, [x20], #8
  msr spsr_el2, x2
  adr x2, instructions
  add x2, x2, x1, lsl #3
  add x2, x2, x19
  msr elr_el2, x2
  msr esr_el2, xzr
  msr far_el2, xzr
  msr hpfar_el2, xzr
  msr esr_el1, xzr
  msr far_el1, xzr
  constant x3, 0x8182838485868788
  eret
recorded:
  mov x1, x0
  mrs x2, esr_el2
  dump x2
  mrs x2, far_el2
  dump x2
  mrs x2, hpfar_el2
  dump x2
  mrs x2, esr_el1
  dump x2
  mrs x2, far_el1
  dump x2
  dump x1
  dump x3
  b one
end:
  stop
  .balign 8
instructions:
${INSTRUCTIONS.map((text) => `  ${text}\n  svc #1`).join("\n")}
  .balign 2048
vectors:
  .rept 16
  b recorded
  .balign 128
  .endr
guest_vectors:
  .rept 16
  hvc #2
  .balign 128
  .endr
`;

/** Addresses in the upper half that are fetched from: the instructions' and the vectors' pages lie there. */
export const FETCHED_BYTES = 0x2000;

/** The program, and its blob: tables at `BLOB`, and what to do behind them. */
export function accessProgram(
  tables: Uint8Array,
  regimens: readonly Regimen[],
): { readonly source: string; readonly blob: Uint8Array<ArrayBuffer> } {
  const words = BigUint64Array.from(encode(regimens), (word) => BigInt.asUintN(64, word));
  const start = Math.ceil(tables.length / 4096) * 4096;
  const blob = new Uint8Array(start + words.byteLength);
  blob.set(tables);
  blob.set(new Uint8Array(words.buffer), start);
  return { source: program(BLOB + start), blob };
}

/** What the program wrote. Throws an Error if it is not of `count` accesses. */
export function outcomes(written: Uint8Array, count: number): readonly Outcome[] {
  const size = 8 * RECORDED.length;
  if (written.length !== size * count) throw new Error(`${written.length} bytes of ${count} accesses`);
  const view = new DataView(written.buffer, written.byteOffset, written.length);
  const field = (i: number, at: number): bigint => view.getBigUint64(size * i + 8 * at, true);
  return Array.from(
    { length: count },
    (_, i) => Object.fromEntries(RECORDED.map((name, at) => [name, field(i, at)])) as Outcome,
  );
}
