import { type Decoded, operandBytes, RIP } from "./decoded.js";
import { CONDITIONS } from "./flags.js";
import type { OperandType } from "./operand-type.js";

// Assembly text in Intel's syntax.

const WORDS = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"];
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs", "?", "?"];
const POINTERS: Readonly<Record<number, string>> = {
  ...{ 1: "byte", 2: "word", 4: "dword", 6: "fword", 8: "qword", 10: "tbyte", 16: "xmmword" },
};

/** Name of a general-purpose register of some bytes. */
function gprName(number: number, bytes: number, rex: boolean): string {
  if (number >= 8) return `r${number}${{ 1: "b", 2: "w", 4: "d", 8: "" }[bytes]}`;
  const word = WORDS[number] as string;
  if (bytes === 8) return word;
  if (bytes === 4) return `e${word.slice(1)}`;
  if (bytes === 2) return word.slice(1);
  if (number < 4) return `${word[1]}l`;
  return rex ? `${word.slice(1)}l` : `${WORDS[number - 4]?.[1]}h`;
}

const hex = (value: bigint): string =>
  value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;

function wide(low: number, high: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}

/** What is between the brackets of a memory operand. */
function addressText(d: Decoded): string {
  const parts: string[] = [];
  if (d.base === RIP) parts.push(d.addressSize === 8 ? "rip" : "eip");
  else if (d.base >= 0) parts.push(gprName(d.base, d.addressSize, true));
  if (d.index >= 0) {
    const name = gprName(d.index, d.addressSize, true);
    parts.push(
      d.scale === 0 && d.addressSize === 2 ? name : d.scale === 0 ? name : `${1 << d.scale}*${name}`,
    );
  }
  const displacement = wide(d.displacement, d.displacementHigh);
  if (parts.length === 0) return hex(BigInt.asUintN(8 * d.addressSize, displacement));
  const sum = parts.join(" + ");
  if (displacement === 0n) return sum;
  return displacement < 0n ? `${sum} - ${hex(-displacement)}` : `${sum} + ${hex(displacement)}`;
}

function memoryText(d: Decoded, bytes: number): string {
  const pointer = POINTERS[bytes];
  const segment = d.segment >= 0 ? `${SEGMENTS[d.segment]}:` : "";
  return `${pointer === undefined ? "" : `${pointer} ptr `}${segment}[${addressText(d)}]`;
}

function operandText(d: Decoded, type: OperandType, position: number, ip: bigint): string {
  const bytes = operandBytes(d, type);
  const inRegister = d.mod === 3;
  switch (type.place) {
    case "rm":
      return inRegister ? gprName(d.rm, bytes, d.rex) : memoryText(d, bytes);
    case "memory":
    case "offset":
      return memoryText(d, bytes);
    case "register":
      return gprName(d.rm, bytes, d.rex);
    case "reg":
      return gprName(d.reg, bytes, d.rex);
    case "vvvv":
      return gprName(d.vvvv, bytes, true);
    case "opcode":
      return gprName(d.opcodeRegister, bytes, d.rex);
    case "segment":
      return SEGMENTS[d.reg & 7] as string;
    case "control":
      return `cr${d.reg}`;
    case "debug":
      return `dr${d.reg}`;
    case "xmmRm":
      return inRegister ? `xmm${d.rm}` : memoryText(d, bytes);
    case "xmmRegister":
      return `xmm${d.rm}`;
    case "xmmReg":
      return `xmm${type.index >= 0 ? type.index : d.reg}`;
    case "mmxRm":
      return inRegister ? `mm${d.rm & 7}` : memoryText(d, bytes);
    case "mmxRegister":
      return `mm${d.rm & 7}`;
    case "mmxReg":
      return `mm${d.reg & 7}`;
    case "stack":
      return type.index === 0 ? "st" : `st(${d.rm & 7})`;
    case "immediate":
    case "signedImmediate": {
      const later = position > 0 && d.instruction?.operands[position - 1]?.place === "immediate";
      const value = later ? BigInt(d.second) : wide(d.immediate, d.immediateHigh);
      // Bytes on their own are numbers without a sign.
      return hex(
        type.place === "immediate" && bytes < d.operandSize ? BigInt.asUintN(8 * bytes, value) : value,
      );
    }
    case "relative": {
      const size = d.operandSize;
      return hex(BigInt.asUintN(8 * size, ip + BigInt(d.length + d.immediate)));
    }
    case "farPointer":
      return `${hex(BigInt(d.second & 0xffff))}:${hex(BigInt(d.immediate >>> 0))}`;
    case "source":
      return `${POINTERS[bytes]} ptr ${d.segment >= 0 ? `${SEGMENTS[d.segment]}:` : ""}[${gprName(6, d.addressSize, true)}]`;
    case "destination":
      return `${POINTERS[bytes]} ptr es:[${gprName(7, d.addressSize, true)}]`;
    case "fixed":
      return gprName(type.index, bytes, d.rex);
    case "fixedSegment":
      return SEGMENTS[type.index] as string;
    case "one":
      return "1";
  }
}

/** Text of a decoded instruction whose offset in CS is `ip`. */
export function textOf(d: Decoded, ip: bigint): string {
  const { instruction } = d;
  if (instruction === undefined) return "(bad)";
  const prefix = `${d.lock ? "lock " : ""}${repeatText(d)}`;
  const { text, textByAddress } = instruction.options;
  const named =
    text?.split("/")[Math.log2(d.operandSize) - 1] ??
    textByAddress?.split("/")[Math.log2(d.addressSize) - 1] ??
    instruction.mnemonic;
  const mnemonic = named.replace("{cc}", CONDITIONS[d.opcode & 15] as string);
  const operands = instruction.operands.map((type, i) => operandText(d, type, i, ip));
  return `${prefix}${mnemonic}${operands.length === 0 ? "" : ` ${operands.join(", ")}`}`;
}

function repeatText({ repeat, instruction }: Decoded): string {
  const meaning = instruction?.options.rep;
  if (repeat === 0 || meaning === undefined) return "";
  if (repeat === 0xf2) return "repne ";
  return meaning === "rep" ? "rep " : "repe ";
}
