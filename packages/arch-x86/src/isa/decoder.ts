import type { X86Instruction } from "./declaration.js";
import { type Decoded, operandBytes, RIP } from "./decoded.js";
import { OPCODE_MAPS } from "./encoding.js";
import { RM_PLACES } from "./operand-type.js";

/** Where instruction bytes come from: at offsets from the first one; -1 where nothing can be fetched. */
export type ByteAt = (offset: number) => number;

/** Default size of operands and addresses, and what decides whether C4 and C5 can be VEX prefixes. */
export interface DecodeMode {
  readonly bits: 16 | 32 | 64;
  readonly protectedMode: boolean;
  readonly virtual8086: boolean;
}

/** What came out. `tooLong`: more than 15 bytes (#GP). `unfetched`: the next byte cannot be read. */
export type DecodeResult = "ok" | "undefined" | "tooLong" | "unfetched";

const MAX_LENGTH = 15;
const PREFIX_66 = 1;
const PREFIX_F3 = 2;
const PREFIX_F2 = 3;

type Row = X86Instruction<never>;

/** Control and debug registers are moved to and from registers whatever ModRM.mod says. */
const ignoresMod = ({ operands }: Row): boolean =>
  operands.some(({ place }) => place === "control" || place === "debug");

/** A row as the decoder looks at it: one shape for all, whatever the declaration's options are. */
class Candidate {
  readonly row: Row;
  readonly modrm: boolean;
  /** What the encoding asks for; -1 for anything. */
  readonly prefix: number;
  readonly w: number;
  readonly vectorLength: number;
  readonly modrmByte: number;
  readonly extension: number;
  readonly withoutRepeat: boolean;
  readonly withoutB: boolean;
  readonly only64: boolean;
  readonly not64: boolean;
  readonly protectedOnly: boolean;
  /** ModRM.rm has to be a register, or memory. */
  readonly register: boolean;
  readonly memory: boolean;
  readonly ignoresMod: boolean;
  readonly size64: "d64" | "f64" | undefined;

  constructor(row: Row) {
    const { encoding, options, rm } = row;
    this.row = row;
    this.modrm = encoding.modrm;
    this.prefix = encoding.prefix;
    this.w = encoding.w;
    this.vectorLength = encoding.vectorLength;
    this.modrmByte = encoding.modrmByte;
    this.extension = encoding.extension;
    this.withoutRepeat = encoding.withoutRepeat;
    this.withoutB = encoding.withoutB;
    this.only64 = options.in64 === "only";
    this.not64 = options.in64 === "not";
    this.protectedOnly = options.protectedOnly === true;
    this.ignoresMod = ignoresMod(row);
    this.register = rm === "register" && !this.ignoresMod;
    this.memory = rm === "memory" && !this.ignoresMod;
    this.size64 = options.size64;
  }

  /** How much of the encoding it fixes: those that fix more are tried first. */
  get specificity(): number {
    return (
      (this.modrmByte >= 0 ? 32 : 0) +
      (this.extension >= 0 ? 8 : 0) +
      (this.prefix > 0 ? 4 : 0) +
      (this.w >= 0 ? 2 : 0) +
      (this.row.rm !== "both" ? 1 : 0) +
      (this.withoutB ? 1 : 0) +
      (this.only64 ? 16 : 0)
    );
  }
}

/** The instructions of one opcode. */
class Candidates {
  /** Most specific first. */
  readonly list: Candidate[] = [];
  /** ModRM follows, for one of them at least. */
  modrm = false;

  add(row: Row): void {
    this.list.push(new Candidate(row));
    this.list.sort((a, b) => b.specificity - a.specificity);
    this.modrm ||= row.encoding.modrm;
  }
}

class Unfetched extends Error {}
class TooLong extends Error {}

/** Takes instructions apart by the opcode maps of a table. */
export class X86Decoder {
  private readonly maps: readonly (readonly Candidates[])[];
  private at: ByteAt = () => -1;
  private next = 0;

  constructor(instructions: readonly Row[]) {
    this.maps = OPCODE_MAPS.map(() => Array.from({ length: 256 }, () => new Candidates()));
    for (const row of instructions) {
      const { map, opcode, plusRegister } = row.encoding;
      for (let i = 0; i < (plusRegister ? 8 : 1); i++) this.maps[map]![opcode + i]!.add(row);
    }
  }

  /** Decode the instruction whose bytes `at` gives. On anything but `ok` and `undefined` the record means nothing. */
  decode(d: Decoded, at: ByteAt, mode: DecodeMode): DecodeResult {
    this.at = at;
    this.next = 0;
    try {
      d.instruction = this.instruction(d, mode);
      d.length = this.next;
      return d.instruction === undefined ? "undefined" : "ok";
    } catch (error) {
      if (error instanceof Unfetched) return "unfetched";
      if (error instanceof TooLong) return "tooLong";
      throw error;
    }
  }

  private byte(): number {
    if (this.next === MAX_LENGTH) throw TOO_LONG;
    const value = this.at(this.next);
    if (value < 0) throw UNFETCHED;
    this.next++;
    return value;
  }

  /** A byte that is looked at before it is known to belong to the instruction. */
  private peek(): number {
    const value = this.byte();
    this.next--;
    return value;
  }

  private signed(bytes: number): number {
    let value = 0;
    for (let i = 0; i < bytes; i++) value |= this.byte() << (8 * i);
    return bytes >= 4 ? value : (value << (32 - 8 * bytes)) >> (32 - 8 * bytes);
  }

  private instruction(d: Decoded, mode: DecodeMode): Row | undefined {
    const long = mode.bits === 64;
    let rex = 0;
    let operandOverride = false;
    let addressOverride = false;
    d.repeat = 0;
    d.lock = false;
    d.segment = -1;
    let opcode = this.byte();
    for (; isPrefix(opcode, long); opcode = this.byte()) {
      if (long && (opcode & 0xf0) === 0x40) {
        rex = opcode;
        continue;
      }
      // A REX prefix counts only directly before the opcode.
      rex = 0;
      if (opcode === 0x66) operandOverride = true;
      else if (opcode === 0x67) addressOverride = true;
      else if (opcode === 0xf2 || opcode === 0xf3) d.repeat = opcode;
      else if (opcode === 0xf0) d.lock = true;
      else if (opcode >= 0x64) d.segment = opcode - 0x60;
      else if (!long) d.segment = (opcode >> 3) & 3;
    }
    if (long) d.addressSize = addressOverride ? 4 : 8;
    else d.addressSize = (mode.bits === 32) === addressOverride ? 2 : 4;
    let map = 0;
    let prefix = operandOverride ? PREFIX_66 : 0;
    if (d.repeat !== 0) prefix = d.repeat === 0xf3 ? PREFIX_F3 : PREFIX_F2;
    let vectorLength = 0;
    d.vvvv = 0;
    if (opcode === 0x0f) {
      opcode = this.byte();
      map = 1;
      if (opcode === 0x38 || opcode === 0x3a) {
        map = opcode === 0x38 ? 2 : 3;
        opcode = this.byte();
      }
    } else if ((opcode === 0xc4 || opcode === 0xc5) && this.isVex(mode)) {
      const first = this.byte();
      if (rex !== 0 || prefix !== 0 || d.lock) return undefined;
      const three = opcode === 0xc4;
      const last = three ? this.byte() : first & 0x7f;
      map = three ? 3 + (first & 0x1f) : 4;
      // R, X and B are inverted.
      rex = 0x40 | (first & 0x80 ? 0 : 4);
      if (three) rex |= (first & 0x40 ? 0 : 2) | (first & 0x20 ? 0 : 1) | (last & 0x80 ? 8 : 0);
      // Elsewhere there are eight registers, and W means nothing.
      if (!long) rex = 0;
      d.vvvv = ~(last >> 3) & (long ? 15 : 7);
      vectorLength = (last >> 2) & 1;
      // 0 none, 1 66, 2 F3, 3 F2: as the numbers of the prefixes.
      prefix = last & 3;
      if (map < 4 || map > 6) return undefined;
      opcode = this.byte();
    }
    d.opcode = opcode;
    d.opcodeRegister = (opcode & 7) | ((rex & 1) << 3);
    d.rex = rex !== 0;
    d.wide = (rex & 8) !== 0;
    const { list, modrm: hasModrm } = this.maps[map]![opcode]!;
    if (list.length === 0) return undefined;
    const modrm = hasModrm ? this.peek() : 0;
    const found = this.choose(list, mode, prefix, modrm, d, vectorLength);
    const unused = d.vvvv !== 0 && !found?.row.operands.some(({ place }) => place === "vvvv");
    if (found === undefined || unused) {
      // What has been looked at to find that out belongs to it: its page has to be there.
      if (hasModrm) this.next++;
      return undefined;
    }
    this.sizes(d, found, mode, operandOverride && found.prefix !== PREFIX_66);
    d.mod = 3;
    d.base = -1;
    d.index = -1;
    d.displacement = 0;
    d.displacementHigh = 0;
    d.stackBased = false;
    if (found.modrm) {
      this.next++;
      this.modrm(d, found, modrm, rex, long);
    }
    const { row } = found;
    this.immediates(d, row);
    return this.lockAllowed(d, row) ? row : undefined;
  }

  /** In 64-bit mode always; else LES and LDS have memory operands, and real mode has no VEX. */
  private isVex({ bits, protectedMode, virtual8086 }: DecodeMode): boolean {
    if (bits === 64) return true;
    return protectedMode && !virtual8086 && this.peek() >= 0xc0;
  }

  private choose(
    list: readonly Candidate[],
    mode: DecodeMode,
    prefix: number,
    modrm: number,
    d: Decoded,
    vectorLength: number,
  ): Candidate | undefined {
    const long = mode.bits === 64;
    for (const candidate of list) {
      if (long ? candidate.not64 : candidate.only64) continue;
      if (candidate.protectedOnly && (!mode.protectedMode || mode.virtual8086)) continue;
      if (candidate.prefix >= 0 && candidate.prefix !== prefix) continue;
      if (candidate.w >= 0 && (candidate.w === 1) !== d.wide) continue;
      if (candidate.withoutRepeat && prefix >= PREFIX_F3) continue;
      if (candidate.withoutB && d.opcodeRegister >= 8) continue;
      if (candidate.vectorLength >= 0 && candidate.vectorLength !== vectorLength) continue;
      if (candidate.modrmByte >= 0 && candidate.modrmByte !== modrm) continue;
      if (candidate.extension >= 0 && candidate.extension !== ((modrm >> 3) & 7)) continue;
      if (modrm >= 0xc0 ? candidate.memory : candidate.register) continue;
      return candidate;
    }
    return undefined;
  }

  private sizes(d: Decoded, { size64 }: Candidate, { bits }: DecodeMode, override: boolean): void {
    if (bits !== 64) d.operandSize = (bits === 32) === override ? 2 : 4;
    else if (size64 === "f64") d.operandSize = 8;
    else if (size64 === "d64") d.operandSize = override && !d.wide ? 2 : 8;
    else d.operandSize = d.wide ? 8 : override ? 2 : 4;
  }

  private modrm(d: Decoded, candidate: Candidate, modrm: number, rex: number, long: boolean): void {
    d.mod = modrm >> 6;
    d.reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
    d.rm = (modrm & 7) | ((rex & 1) << 3);
    if (candidate.ignoresMod) d.mod = 3;
    if (d.mod === 3) return;
    if (d.addressSize === 2) this.address16(d, modrm);
    else this.address32(d, modrm & 7, rex, long);
  }

  private address16(d: Decoded, modrm: number): void {
    const [base, index] = ADDRESS_16[modrm & 7]!;
    d.base = base;
    d.index = index;
    d.scale = 0;
    if (d.mod === 0 && (modrm & 7) === 6) {
      d.base = -1;
      d.displacement = this.signed(2);
    } else {
      d.stackBased = base === BP;
      if (d.mod !== 0) d.displacement = this.signed(d.mod);
    }
    d.displacementHigh = d.displacement >> 31;
  }

  private address32(d: Decoded, rm: number, rex: number, long: boolean): void {
    let base = rm;
    if (rm === 4) {
      const sib = this.byte();
      base = sib & 7;
      d.scale = sib >> 6;
      d.index = ((sib >> 3) & 7) | ((rex & 2) << 2);
      if (d.index === 4) d.index = -1;
    }
    if (d.mod === 0 && base === 5) {
      d.displacement = this.signed(4);
      if (long && rm === 5) d.base = RIP;
    } else {
      d.base = base | ((rex & 1) << 3);
      d.stackBased = d.base === SP || d.base === BP;
      if (d.mod !== 0) d.displacement = this.signed(d.mod === 1 ? 1 : 4);
    }
    d.displacementHigh = d.displacement >> 31;
  }

  private immediates(d: Decoded, row: Row): void {
    let count = 0;
    d.immediate = 0;
    d.immediateHigh = 0;
    d.second = 0;
    for (const type of row.operands) {
      switch (type.place) {
        case "immediate":
        case "signedImmediate":
        case "relative": {
          const bytes = operandBytes(d, type);
          const value = this.signed(Math.min(bytes, 4));
          if (count++ > 0) {
            d.second = value;
            break;
          }
          d.immediate = value;
          d.immediateHigh = bytes === 8 ? this.signed(4) : value >> 31;
          break;
        }
        case "farPointer":
          d.immediate = this.signed(d.operandSize === 2 ? 2 : 4);
          d.second = this.signed(2);
          break;
        case "offset":
          d.displacement = this.signed(Math.min(d.addressSize, 4));
          d.displacementHigh = d.addressSize === 8 ? this.signed(4) : 0;
          break;
      }
    }
  }

  private lockAllowed(d: Decoded, { options, operands }: Row): boolean {
    if (!d.lock) return true;
    const first = operands[0]?.place ?? "fixed";
    return options.lock === true && RM_PLACES.has(first) && d.mod !== 3;
  }
}

const SP = 4;
const BP = 5;

/** Base and index of 16-bit addresses by ModRM.rm. */
const ADDRESS_16: readonly (readonly [base: number, index: number])[] = [
  [3, 6],
  [3, 7],
  [5, 6],
  [5, 7],
  [6, -1],
  [7, -1],
  [5, -1],
  [3, -1],
];

const UNFETCHED = new Unfetched();
const TOO_LONG = new TooLong();

function isPrefix(byte: number, long: boolean): boolean {
  return (
    (byte & 0xe7) === 0x26 ||
    (byte >= 0x64 && byte <= 0x67) ||
    byte === 0xf0 ||
    byte === 0xf2 ||
    byte === 0xf3 ||
    (long && (byte & 0xf0) === 0x40)
  );
}
