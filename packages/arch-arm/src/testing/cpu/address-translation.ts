import { TRANSLATION_REGISTERS, type TranslationRegisters } from "./plain-walker.js";
import { BLOB, type QemuCpu, runOnQemu } from "./qemu-system.js";

// AT instructions in many translation regimes, as one program for QEMU.

/** AT instructions that EL2 has for EL1 and EL0, in the order of their numbers. */
export const TRANSLATIONS = [
  "s1e1r",
  "s1e1w",
  "s1e0r",
  "s1e0w",
  "s12e1r",
  "s12e1w",
  "s12e0r",
  "s12e0w",
] as const;
export type TranslationName = (typeof TRANSLATIONS)[number];

/** One regime and what is translated in it. */
export interface Question {
  readonly registers: TranslationRegisters;
  readonly asked: readonly { readonly name: TranslationName; readonly address: bigint }[];
}

/** For each question: registers, then how many, then number and address of each; at the end, no registers but ones. */
function encode(questions: readonly Question[]): bigint[] {
  const words = questions.flatMap(({ registers, asked }) => [
    ...TRANSLATION_REGISTERS.map((name) => registers[name]),
    BigInt(asked.length),
    ...asked.flatMap(({ name, address }) => [BigInt(TRANSLATIONS.indexOf(name)), address]),
  ]);
  return [...words, -1n];
}

const program = (questions: number): string => `
_start:
  adr x0, vectors
  msr vbar_el2, x0
  constant x20, ${questions}
next:
  ldr x0, [x20]
  cmn x0, #1
  b.eq end
${TRANSLATION_REGISTERS.map((name, i) => `  ldr x0, [x20, #${8 * i}]\n  msr ${name}, x0`).join("\n")}
  ldr x21, [x20, #${8 * TRANSLATION_REGISTERS.length}]
  add x20, x20, #${8 * TRANSLATION_REGISTERS.length + 8}
  isb
  tlbi alle1
  dsb sy
  isb
asked:
  cbz x21, next
  sub x21, x21, #1
  ldp x1, x0, [x20], #16
  adr x2, instructions
  add x2, x2, x1, lsl #3
  br x2
instructions:
${TRANSLATIONS.map((name) => `  at ${name}, x0\n  b done`).join("\n")}
done:
  isb
  mrs x3, par_el1
answered:
  dump x3
  b asked
end:
  stop
  .balign 2048
vectors:
  .rept 16
  mrs x3, esr_el2
  b answered
  .balign 128
  .endr
`;

/** PAR_EL1 after each of the translations, or ESR_EL2 where it trapped. `tables` lie at `BLOB`; the questions come behind them. */
export function translateOnQemu(
  tables: Uint8Array,
  questions: readonly Question[],
  cpu: QemuCpu = "cortex-a57",
): readonly bigint[] {
  const words = BigUint64Array.from(encode(questions), (word) => BigInt.asUintN(64, word));
  const start = Math.ceil(tables.length / 4096) * 4096;
  const blob = new Uint8Array(start + words.byteLength);
  blob.set(tables);
  blob.set(new Uint8Array(words.buffer), start);
  const written = runOnQemu(program(BLOB + start), blob, cpu);
  const view = new DataView(written.buffer, written.byteOffset, written.length);
  const count = questions.reduce((sum, { asked }) => sum + asked.length, 0);
  if (written.length !== 8 * count) throw new Error(`${written.length} bytes for ${count} translations`);
  return Array.from({ length: count }, (_, i) => view.getBigUint64(8 * i, true));
}
