import {
  CONVERSIONS,
  FLOAT_BASE,
  FLOAT_BINARY,
  FLOAT_COMPARE,
  FLOAT_UNARY,
  I32_BINARY,
  I32_COMPARE,
  I32_UNARY,
  I64_BINARY,
  I64_COMPARE,
  I64_UNARY,
  LOADS,
  STORES,
  VALTYPE_BYTE,
  VECTOR,
  VECTOR_PREFIX,
} from "./opcodes.js";
import {
  I8X16_SHUFFLE,
  LANE_OPERATIONS,
  V128_CONST,
  V128_LOAD,
  V128_LOAD32_ZERO,
  V128_LOAD64_ZERO,
  V128_STORE,
  V128_STORE32_LANE,
  V128_STORE64_LANE,
  VECTOR_OPERATION_LIST,
} from "./vectors.js";

// The text of function bodies, for people who read generated code. It knows the instructions that this package
// writes, from the tables it writes them with; anything else is shown as a byte, and ends the text.

/** What follows an opcode. */
type Immediate =
  | "none"
  | "block"
  | "label"
  | "labels"
  | "local"
  | "global"
  | "function"
  | "indirect"
  | "memory"
  | "memory lane"
  | "i32"
  | "i64"
  | "f32"
  | "f64"
  | "lane"
  | "bytes";

interface Instruction {
  readonly name: string;
  readonly immediate: Immediate;
  /** Values taken from the stack and left there; what a call does depends on its type, so here it is none. */
  readonly pops: number;
  readonly pushes: number;
  /** log2 of the natural alignment of a memory access. */
  readonly align: number;
}

const TABLE: (Instruction | undefined)[] = [];

function define(
  code: number,
  name: string,
  pops: number,
  pushes: number,
  immediate: Immediate = "none",
  align = 0,
): void {
  TABLE[code] = { name, immediate, pops, pushes, align };
}

define(0x00, "unreachable", 0, 0);
define(0x01, "nop", 0, 0);
define(0x02, "block", 0, 0, "block");
define(0x03, "loop", 0, 0, "block");
define(0x04, "if", 1, 0, "block");
define(0x05, "else", 0, 0);
define(0x0b, "end", 0, 0);
define(0x0c, "br", 0, 0, "label");
define(0x0d, "br_if", 1, 0, "label");
define(0x0e, "br_table", 1, 0, "labels");
define(0x0f, "return", 0, 0);
define(0x10, "call", 0, 0, "function");
define(0x11, "call_indirect", 0, 0, "indirect");
define(0x12, "return_call", 0, 0, "function");
define(0x13, "return_call_indirect", 0, 0, "indirect");
define(0x1a, "drop", 1, 0);
define(0x1b, "select", 3, 1);
define(0x20, "local.get", 0, 1, "local");
define(0x21, "local.set", 1, 0, "local");
define(0x22, "local.tee", 1, 1, "local");
define(0x23, "global.get", 0, 1, "global");
define(0x24, "global.set", 1, 0, "global");
define(0x41, "i32.const", 0, 1, "i32");
define(0x42, "i64.const", 0, 1, "i64");
define(0x43, "f32.const", 0, 1, "f32");
define(0x44, "f64.const", 0, 1, "f64");
define(0x50, "i64.eqz", 1, 1);

function defineAll(type: string, group: Readonly<Record<string, number>>, pops: number, base = 0): void {
  for (const [name, code] of Object.entries(group)) define(base + code, `${type}.${name}`, pops, 1);
}
defineAll("i32", I32_BINARY, 2);
defineAll("i32", I32_COMPARE, 2);
defineAll("i32", I32_UNARY, 1);
defineAll("i64", I64_BINARY, 2);
defineAll("i64", I64_COMPARE, 2);
defineAll("i64", I64_UNARY, 1);
for (const type of ["f32", "f64"] as const) {
  defineAll(type, FLOAT_BINARY, 2, FLOAT_BASE[type].binary);
  defineAll(type, FLOAT_COMPARE, 2, FLOAT_BASE[type].compare);
  defineAll(type, FLOAT_UNARY, 1, FLOAT_BASE[type].unary);
}
for (const [type, group] of Object.entries(CONVERSIONS))
  for (const [name, [code]] of Object.entries(group)) define(code as number, `${type}.${name}`, 1, 1);
for (const [accesses, pops] of [
  [LOADS, 1],
  [STORES, 2],
] as const) {
  for (const [type, group] of Object.entries(accesses))
    for (const [name, [code, align]] of Object.entries(group as Record<string, readonly [number, number]>))
      define(code, `${type}.${name}`, pops, 2 - pops, "memory", align);
}

/** By the number behind the prefix. */
const VECTOR_TABLE: (Instruction | undefined)[] = [];
for (const [name, [code, pops]] of Object.entries(VECTOR)) {
  const immediate = name.endsWith("_lane") ? "lane" : "none";
  VECTOR_TABLE[code] = { name, immediate, pops, pushes: 1, align: 0 };
}

for (const [name, { code, operands }] of VECTOR_OPERATION_LIST)
  VECTOR_TABLE[code] = { name, immediate: "none", pops: operands.length, pushes: 1, align: 0 };
for (const [name, { code, operands }] of Object.entries(LANE_OPERATIONS))
  VECTOR_TABLE[code] = { name, immediate: "lane", pops: operands.length, pushes: 1, align: 0 };
VECTOR_TABLE[V128_LOAD] = { name: "v128.load", immediate: "memory", pops: 1, pushes: 1, align: 4 };
VECTOR_TABLE[V128_STORE] = { name: "v128.store", immediate: "memory", pops: 2, pushes: 0, align: 4 };
for (const [code, name, align] of [
  [V128_LOAD32_ZERO, "load32_zero", 2],
  [V128_LOAD64_ZERO, "load64_zero", 3],
] as const)
  VECTOR_TABLE[code] = { name: `v128.${name}`, immediate: "memory", pops: 1, pushes: 1, align };
for (const [code, name, align] of [
  [V128_STORE32_LANE, "store32_lane", 2],
  [V128_STORE64_LANE, "store64_lane", 3],
] as const)
  VECTOR_TABLE[code] = { name: `v128.${name}`, immediate: "memory lane", pops: 2, pushes: 0, align };
VECTOR_TABLE[V128_CONST] = { name: "v128.const i8x16", immediate: "bytes", pops: 0, pushes: 1, align: 0 };
VECTOR_TABLE[I8X16_SHUFFLE] = { name: "i8x16.shuffle", immediate: "bytes", pops: 2, pushes: 1, align: 0 };

const TYPE_NAMES = new Map(Object.entries(VALTYPE_BYTE).map(([name, byte]) => [byte, name]));
const EMPTY_BLOCK = 0x40;

/** One instruction of a body. */
export interface WasmLine {
  /** Byte offset of its opcode. */
  readonly offset: number;
  /** Constructs around it. */
  readonly depth: number;
  readonly text: string;
}

/** Names that make the text easier to read; what has none is shown as a number. */
export interface WasmNames {
  readonly local?: (index: number) => string | undefined;
  readonly global?: (index: number) => string | undefined;
  readonly function?: (index: number) => string | undefined;
  /** What an i32 constant stands for. */
  readonly constant?: (value: number) => string | undefined;
  /** What lies at an address that is accessed; if it is not known, only the constant that is added to it is given. */
  readonly address?: (address: number | undefined, offset: number) => string | undefined;
  /** Number constructs as they are opened, instead of counting from the inside, and leave alignments out. */
  readonly labels?: boolean;
}

/** Reads the LEB128 encodings that `ByteWriter` writes. */
class ByteReader {
  at = 0;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get done(): boolean {
    return this.at >= this.bytes.length;
  }

  u8(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw new RangeError("the body ends within an instruction");
    return byte;
  }

  u32(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  signed(bits: number): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(Math.min(bits, Number(shift) + 7), value);
    }
  }

  float(size: 4 | 8): number {
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset + this.at, size);
    this.at += size;
    return size === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true);
  }
}

/** Text of the instructions of a function body, without the declarations of its locals before them. */
export function disassembleBody(body: Uint8Array, names: WasmNames = {}): WasmLine[] {
  return new Disassembler(body, names).run();
}

class Disassembler {
  private readonly reader: ByteReader;
  private readonly names: WasmNames;
  private readonly lines: WasmLine[] = [];
  /** Numbers of the constructs that are open. */
  private readonly open: number[] = [];
  private opened = 0;
  /**
   * The stack since the last change of control flow, as far as its values are known to be constants. What lies
   * deeper is not known.
   */
  private stack: (number | undefined)[] = [];

  constructor(body: Uint8Array, names: WasmNames) {
    this.reader = new ByteReader(body);
    this.names = names;
  }

  run(): WasmLine[] {
    const { reader, lines, open } = this;
    while (!reader.done) {
      const offset = reader.at;
      const code = reader.u8();
      const instruction = code === VECTOR_PREFIX ? VECTOR_TABLE[reader.u32()] : TABLE[code];
      if (instruction === undefined) {
        lines.push({ offset, depth: open.length, text: `;; unknown opcode 0x${code.toString(16)}` });
        return lines;
      }
      const { name, immediate } = instruction;
      if (name === "end") open.pop();
      const depth = Math.max(0, open.length - (name === "else" ? 1 : 0));
      if (immediate === "block") open.push(++this.opened);
      const text = name + this.operands(instruction);
      lines.push({ offset, depth, text });
    }
    return lines;
  }

  private operands({ name, immediate, align, pops, pushes }: Instruction): string {
    const { reader, names, stack } = this;
    const operands = pops === 0 ? [] : stack.splice(-pops);
    let result: number | undefined;
    const text = ((): string => {
      switch (immediate) {
        case "none":
          return "";
        case "block":
          return this.blockType();
        case "label":
          return this.label();
        case "labels":
          return Array.from({ length: reader.u32() + 1 }, () => this.label()).join("");
        case "local":
          return this.index(names.local);
        case "global":
          return this.index(names.global);
        case "function":
          return this.index(names.function);
        case "indirect": {
          const type = reader.u32();
          reader.u32();
          return ` (type ${type})`;
        }
        case "memory":
          return this.access(align, operands.length === pops ? operands[0] : undefined);
        case "memory lane":
          return `${this.access(align, operands.length === pops ? operands[0] : undefined)} ${reader.u8()}`;
        case "i32":
          result = Number(reader.signed(32));
          return ` ${symbol(result, names.constant?.(result))}`;
        case "i64":
          return ` ${reader.signed(64)}`;
        case "lane":
          return ` ${reader.u8()}`;
        case "bytes":
          return ` ${Array.from({ length: 16 }, () => reader.u8()).join(" ")}`;
        case "f32":
          return ` ${floatText(reader.float(4))}`;
        default:
          return ` ${floatText(reader.float(8))}`;
      }
    })();
    if (CHANGES_FLOW.test(name)) this.stack = [];
    else if (pushes > 0) stack.push(result);
    return text;
  }

  private blockType(): string {
    const type = this.reader.u8();
    const result = type === EMPTY_BLOCK ? "" : ` (result ${TYPE_NAMES.get(type) ?? type})`;
    return `${this.names.labels ? ` $${this.open.at(-1)}` : ""}${result}`;
  }

  private label(): string {
    const depth = this.reader.u32();
    const number = this.open.at(-1 - depth);
    return this.names.labels && number !== undefined ? ` $${number}` : ` ${depth}`;
  }

  private index(of: ((index: number) => string | undefined) | undefined): string {
    const index = this.reader.u32();
    const name = of?.(index);
    return name === undefined ? ` ${index}` : ` $${name}`;
  }

  private access(align: number, base: number | undefined): string {
    const { reader, names } = this;
    const hint = reader.u32();
    const offset = reader.u32();
    const aligned = names.labels || hint === align ? "" : ` align=${2 ** hint}`;
    const name = names.address?.(base === undefined ? undefined : base + offset, offset);
    return (offset === 0 && name === undefined ? "" : ` offset=${symbol(offset, name)}`) + aligned;
  }
}

/** After these, what is on the stack is not followed. */
const CHANGES_FLOW = /^(block|loop|if|else|end|br.*|return.*|call.*|unreachable)$/;

function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  return Object.is(value, -0) ? "-0" : String(value).replace("Infinity", "inf");
}

function symbol(value: number, name: string | undefined): string {
  return name === undefined ? String(value) : `<${name}>`;
}
