// Encodings in the notation of the SDM (volume 2, 3.1.1.1), without immediates, which the operands say:
//
//   00 /r           opcode and ModRM
//   80 /0           ModRM.reg extends the opcode
//   0F 01 C1        the ModRM byte is part of the opcode
//   50+r            a register in the low three bits of the opcode
//   66 0F 6E /r     a mandatory prefix; NP forbids 66, F2 and F3, NFx F2 and F3
//   REX.W 0F AE /0  an operand size of 8 is part of the opcode; REX.W0 forbids it
//   F3 REX.B0 90    REX.B makes it another instruction
//   VEX.L0.NP.0F38.W0 F2 /r

/** Opcode maps: one byte, 0F, 0F 38, 0F 3A; and the same behind a VEX prefix. */
export const OPCODE_MAPS = ["", "0F", "0F38", "0F3A", "VEX.0F", "VEX.0F38", "VEX.0F3A"] as const;
export type OpcodeMap = number;

/** Mandatory prefixes by number; `NP` is none of the others. */
const PREFIXES = ["NP", "66", "F3", "F2"] as const;

export interface Encoding {
  /** Index in `OPCODE_MAPS`. */
  readonly map: OpcodeMap;
  /** The opcode's last byte; with `plusRegister` the first of eight. */
  readonly opcode: number;
  readonly plusRegister: boolean;
  /** Index in `PREFIXES`, -1 if prefixes do not belong to the opcode. */
  readonly prefix: number;
  /** ModRM follows. */
  readonly modrm: boolean;
  /** What ModRM.reg must be, -1 for anything. */
  readonly extension: number;
  /** What the whole ModRM byte must be, -1 for anything. */
  readonly modrmByte: number;
  /** REX.W or VEX.W as part of the opcode: -1 for anything. */
  readonly w: -1 | 0 | 1;
  /** F2 and F3 are forbidden. */
  readonly withoutRepeat: boolean;
  /** REX.B must not be set. */
  readonly withoutB: boolean;
  /** VEX.L, -1 for anything. */
  readonly vectorLength: -1 | 0 | 1;
}

const BYTE = /^[0-9A-F]{2}$/;

/** `VEX.L0.66.0F38.W0` and so on: the fields of a VEX prefix. */
function parseVex(word: string): Pick<Encoding, "map" | "prefix" | "w" | "vectorLength"> {
  const fields = word.split(".");
  const map = OPCODE_MAPS.findIndex((name) => name.startsWith("VEX.") && fields.includes(name.slice(4)));
  const prefix = PREFIXES.findIndex((name) => fields.includes(name));
  const bit = (name: string) => (fields.includes(`${name}0`) ? 0 : fields.includes(`${name}1`) ? 1 : -1);
  return { map, prefix, w: bit("W"), vectorLength: bit("L") };
}

/** Parse an encoding. Throws an `Error` that names what it does not know. */
export function parseEncoding(text: string): Encoding {
  const words = text.split(" ");
  const wrong = () => new Error(`bad encoding: ${text}`);
  let head: Pick<Encoding, "map" | "prefix" | "w" | "vectorLength"> = {
    ...{ map: 0, prefix: -1, w: -1, vectorLength: -1 },
  };
  let withoutB = false;
  let withoutRepeat = false;
  if (words[0]?.startsWith("VEX.")) head = parseVex(words.shift() as string);
  else {
    if (words[0] === "NFx") {
      words.shift();
      withoutRepeat = true;
    }
    const prefix = PREFIXES.indexOf(words[0] as "NP");
    if (prefix >= 0 && words.length > 1) {
      words.shift();
      head = { ...head, prefix };
    }
    if (words[0] === "REX.W" || words[0] === "REX.W0")
      head = { ...head, w: words.shift() === "REX.W" ? 1 : 0 };
    if (words[0] === "REX.B0") {
      words.shift();
      withoutB = true;
    }
    if (words[0] === "0F" && words.length > 1) {
      words.shift();
      const next: string = words[0] ?? "";
      const deeper = next === "38" || next === "3A" ? `0F${words.shift()}` : "0F";
      head = { ...head, map: OPCODE_MAPS.indexOf(deeper as "0F") };
    }
  }
  const opcodeWord = words.shift() ?? "";
  const plusRegister = opcodeWord.endsWith("+r");
  const opcode = plusRegister ? opcodeWord.slice(0, -2) : opcodeWord;
  if (head.map < 0 || !BYTE.test(opcode)) throw wrong();
  const modrm = words.shift();
  if (words.length > 0) throw wrong();
  const fixed = modrm !== undefined && BYTE.test(modrm) ? Number.parseInt(modrm, 16) : -1;
  if (modrm !== undefined && fixed < 0 && !/^\/[r0-7]$/.test(modrm)) throw wrong();
  return {
    ...head,
    withoutB,
    withoutRepeat,
    opcode: Number.parseInt(opcode, 16),
    plusRegister,
    modrm: modrm !== undefined,
    extension: modrm === undefined || fixed >= 0 || modrm === "/r" ? -1 : Number(modrm[1]),
    modrmByte: fixed,
  };
}
