import type { Prng } from "@hypercraft/engine";
import type { X86Instruction } from "../isa/declaration.js";
import { x86Instructions } from "../isa/table.js";

// Random encodings for comparing decoders: instructions of the table with random operands and prefixes, and their
// neighbours.

type Row = X86Instruction<never>;

const rows = x86Instructions as readonly Row[];
const LEGACY_MAPS = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]] as const;
const MANDATORY = [0, 0x66, 0xf3, 0xf2] as const;
const PREFIXES = [0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65] as const;

/** REX prefix that the instruction allows, or another one. */
function rex(prng: Prng, w: number): number {
  const bits = 0x40 | prng.below(16);
  if (w < 0 || prng.oneIn(16)) return bits;
  return w === 1 ? bits | 8 : bits & ~8;
}

function prefixes(prng: Prng, { encoding }: Row, bits: 16 | 32 | 64): number[] {
  const some: number[] = encoding.prefix > 0 ? [MANDATORY[encoding.prefix as 1]] : [];
  while (prng.oneIn(4)) some.splice(prng.below(some.length + 1), 0, prng.pick(PREFIXES));
  // Before another prefix it means nothing.
  if (bits === 64 && (encoding.w === 1 || prng.oneIn(2))) some.push(rex(prng, encoding.w));
  return some;
}

function vex(prng: Prng, { encoding, operands }: Row, bits: 16 | 32 | 64): number[] {
  const w = encoding.w >= 0 ? encoding.w : prng.below(2);
  const extended = bits === 64 ? prng.below(8) << 5 : 0xe0;
  const vvvv = operands.some(({ place }) => place === "vvvv") ? prng.below(16) : 15;
  const last =
    (w << 7) | (vvvv << 3) | (Math.max(0, encoding.vectorLength) << 2) | Math.max(0, encoding.prefix);
  return [0xc4, extended | (encoding.map - 3), last];
}

function modrm(prng: Prng, { encoding, rm }: Row): number {
  if (encoding.modrmByte >= 0 && !prng.oneIn(8)) return encoding.modrmByte;
  let byte = prng.below(256);
  if (rm === "register") byte |= 0xc0;
  if (rm === "memory" && byte >= 0xc0) byte &= 0x3f;
  if (encoding.extension >= 0 && !prng.oneIn(10)) byte = (byte & 0xc7) | (encoding.extension << 3);
  return prng.oneIn(20) ? byte ^ 0xc0 : byte;
}

/** 16 bytes that begin with an instruction, or what is almost one. */
export function randomEncoding(
  prng: Prng,
  bits: 16 | 32 | 64,
  allowed: (row: Row) => boolean = () => true,
): number[] {
  const row = prng.pick(rows.filter(allowed));
  const { encoding } = row;
  const legacy = LEGACY_MAPS[encoding.map];
  const bytes = legacy === undefined ? vex(prng, row, bits) : [...prefixes(prng, row, bits), ...legacy];
  const opcode = encoding.opcode + (encoding.plusRegister ? prng.below(8) : 0);
  bytes.push(prng.oneIn(16) ? opcode ^ (1 << prng.below(8)) : opcode);
  if (encoding.modrm) bytes.push(modrm(prng, row));
  while (bytes.length < 16) bytes.push(prng.oneIn(3) ? 0 : prng.below(256));
  return bytes.slice(0, 16);
}
