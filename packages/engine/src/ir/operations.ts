import type { Node } from "./node.js";
import {
  COMPARE_NAMES,
  I32_BINARY_NAMES,
  I32_UNARY_NAMES,
  I64_BINARY_NAMES,
  I64_UNARY_NAMES,
  type IrType,
  Op,
  opCode,
} from "./ops.js";

type Binary = (a: Node, b: Node) => Node;
type Unary = (a: Node) => Node;
type Table<N extends readonly string[], F> = { readonly [K in N[number]]: F };

/** Who makes the nodes. */
export interface OperationSink {
  binary(op: number, a: Node, b: Node): Node;
  unary(op: number, a: Node): Node;
  constant(type: IrType, lo: number, hi: number): Node;
}

class Operations {
  readonly sink: OperationSink;

  constructor(sink: OperationSink) {
    this.sink = sink;
  }
}

class Conversions64 extends Operations {
  const(value: number | bigint): Node {
    if (typeof value === "number" && (value | 0) === value)
      return this.sink.constant("i64", value, value < 0 ? -1 : 0);
    const v = BigInt(value);
    return this.pair(Number(BigInt.asIntN(32, v)), Number(BigInt.asIntN(32, v >> 32n)));
  }

  /** Constant from two's complement halves. */
  pair(lo: number, hi: number): Node {
    return this.sink.constant("i64", lo, hi);
  }

  eqz(a: Node): Node {
    return this.sink.unary(Op.eqz64, a);
  }
  extend_i32_s(a: Node): Node {
    return this.sink.unary(Op.extendS, a);
  }
  extend_i32_u(a: Node): Node {
    return this.sink.unary(Op.extendU, a);
  }
}

class Conversions32 extends Operations {
  const(value: number): Node {
    return this.sink.constant("i32", value, value < 0 ? -1 : 0);
  }

  eqz(a: Node): Node {
    return this.sink.unary(Op.eqz32, a);
  }
  wrap_i64(a: Node): Node {
    return this.sink.unary(Op.wrap, a);
  }
}

/** What can be computed with i64 values. Comparisons give an i32. */
export type Operations64 = Conversions64 &
  Table<typeof I64_BINARY_NAMES, Binary> &
  Table<typeof COMPARE_NAMES, Binary> &
  Table<typeof I64_UNARY_NAMES, Unary>;
/** What can be computed with i32 values. */
export type Operations32 = Conversions32 &
  Table<typeof I32_BINARY_NAMES, Binary> &
  Table<typeof COMPARE_NAMES, Binary> &
  Table<typeof I32_UNARY_NAMES, Unary>;

// Methods on prototypes, not closures in an object: all builders share them, and V8 finds them without hashing.

function defineBinary(prototype: object, prefix: string, names: readonly string[]): void {
  for (const name of names) {
    const op = opCode(`${prefix}.${name}`);
    const value = function (this: Operations, a: Node, b: Node): Node {
      return this.sink.binary(op, a, b);
    };
    Object.defineProperty(prototype, name, { value });
  }
}

function defineUnary(prototype: object, prefix: string, names: readonly string[]): void {
  for (const name of names) {
    const op = opCode(`${prefix}.${name}`);
    const value = function (this: Operations, a: Node): Node {
      return this.sink.unary(op, a);
    };
    Object.defineProperty(prototype, name, { value });
  }
}

defineBinary(Conversions64.prototype, "i64", I64_BINARY_NAMES);
defineBinary(Conversions64.prototype, "i64", COMPARE_NAMES);
defineUnary(Conversions64.prototype, "i64", I64_UNARY_NAMES);
defineBinary(Conversions32.prototype, "i32", I32_BINARY_NAMES);
defineBinary(Conversions32.prototype, "i32", COMPARE_NAMES);
defineUnary(Conversions32.prototype, "i32", I32_UNARY_NAMES);

export function operations64(sink: OperationSink): Operations64 {
  return new Conversions64(sink) as Operations64;
}

export function operations32(sink: OperationSink): Operations32 {
  return new Conversions32(sink) as Operations32;
}
