import type { Node } from "../../ir/node.js";
import { Op, opInfo } from "../../ir/ops.js";
import type { LocalType } from "../float.js";
import { type FunctionWriter, W } from "../function-writer.js";
import {
  DIRECT,
  DIVISION,
  type Division,
  LANES,
  MULH_S,
  MULH_SU,
  MULH_U,
  OVERFLOW,
  type Overflow,
  ROTATION,
  type Rotation,
  VECTORS,
} from "../opcodes.js";

/** What operations are written with. */
export interface OperationWriter {
  readonly w: FunctionWriter;
  /** Function index of the unsigned high product. */
  readonly mulHigh: number;
  /** Push an operand. */
  push(n: Node): void;
  /** A local free for the rest of the block. */
  temporary(type: LocalType): number;
}

/** Compute a value from its operands onto the stack. */
export function writeOperation(to: OperationWriter, n: Node): void {
  const { w } = to;
  if (n.op === Op.select) {
    to.push(n.b as Node);
    to.push(n.c as Node);
    to.push(n.a as Node);
    w.op(W.select);
    return;
  }
  if (n.op === MULH_U || n.op === MULH_S || n.op === MULH_SU) return writeMulHigh(to, n);
  const division = DIVISION[n.op];
  if (division !== undefined) return writeDivision(to, n, division);
  const overflow = OVERFLOW[n.op];
  if (overflow !== undefined) return writeOverflow(to, n, overflow);
  const rotation = ROTATION[n.op];
  if (rotation !== undefined) return writeRotation(to, n, rotation);
  const code = DIRECT[n.op];
  if (code === undefined) return writeVector(to, n);
  to.push(n.a as Node);
  if (n.b !== null) to.push(n.b);
  w.op(code);
}

/** Counts of shifts are taken modulo the width, so that nothing is special about 0. */
function writeRotation(
  to: OperationWriter,
  n: Node,
  { type, bits, along, against, or, sub }: Rotation,
): void {
  const { w } = to;
  const count = n.b as Node;
  const value = to.temporary(type);
  to.push(n.a as Node);
  w.tee(value);
  if (count.op === Op.const) {
    w.constant(type, count.lo & (bits - 1));
    w.op(along);
    w.get(value);
    w.constant(type, -count.lo & (bits - 1));
  } else {
    const by = to.temporary(type);
    to.push(count);
    w.tee(by);
    w.op(along);
    w.get(value);
    w.constant(type, bits);
    w.get(by);
    w.op(sub);
  }
  w.op(against);
  w.op(or);
}

function writeVector(to: OperationWriter, n: Node): void {
  const lane = LANES[n.op];
  const code = lane ?? VECTORS[n.op];
  if (code === undefined) throw new Error(`the hot tier cannot emit ${opInfo(n.op).name}`);
  for (const operand of [n.a, n.b, n.c]) if (operand !== null) to.push(operand);
  if (lane !== undefined) to.w.vector(code, [n.lo]);
  else to.w.vector(code, n.bytes === null ? [] : new Uint8Array(n.bytes.buffer));
}

function writeMulHigh(to: OperationWriter, n: Node): void {
  const { w } = to;
  const [a, b] = [to.temporary("i64"), to.temporary("i64")];
  to.push(n.a as Node);
  w.tee(a);
  to.push(n.b as Node);
  w.tee(b);
  w.op(W.call);
  w.out.u32(to.mulHigh);
  // A signed product is the unsigned one less each operand where the other is negative.
  const correct = (sign: number, other: number): void => {
    w.get(sign);
    w.i64(63, 0);
    w.op(W.i64ShrS);
    w.get(other);
    w.op(W.i64And);
    w.op(W.i64Sub);
  };
  if (n.op !== MULH_U) correct(a, b);
  if (n.op === MULH_S) correct(b, a);
}

/** (a ^ sum) & (b ^ sum), or (a ^ difference) & (a ^ b). */
function writeOverflow(to: OperationWriter, n: Node, { wide, subtract }: Overflow): void {
  const { w } = to;
  const type = wide ? "i64" : "i32";
  const [and, xor] = wide ? [W.i64And, W.i64Xor] : [W.i32And, W.i32Xor];
  const [a, b, result] = [to.temporary(type), to.temporary(type), to.temporary(type)];
  to.push(n.a as Node);
  w.tee(a);
  to.push(n.b as Node);
  w.tee(b);
  if (subtract) w.op(wide ? W.i64Sub : W.i32Sub);
  else w.op(wide ? W.i64Add : W.i32Add);
  w.tee(result);
  w.get(a);
  w.op(xor);
  w.get(subtract ? a : result);
  w.get(b);
  w.op(xor);
  w.op(and);
}

/** Total division: by zero the quotient is 0 and the remainder the dividend; MIN / -1 is MIN. */
function writeDivision(to: OperationWriter, n: Node, { opcode, wide, signed, quotient }: Division): void {
  const { w } = to;
  const type = wide ? "i64" : "i32";
  const [a, b] = [to.temporary(type), to.temporary(type)];
  const constant = (value: number): void => (wide ? w.i64(value, value >> 31) : w.i32(value));
  to.push(n.a as Node);
  w.set(a);
  to.push(n.b as Node);
  w.tee(b);
  w.op(wide ? W.i64Eqz : W.i32Eqz);
  w.open(W.if, type);
  if (quotient) constant(0);
  else w.get(a);
  w.else();
  const guarded = signed && quotient;
  if (guarded) {
    w.get(b);
    constant(-1);
    w.op(wide ? W.i64Eq : W.i32Eq);
    w.open(W.if, type);
    constant(0);
    w.get(a);
    w.op(wide ? W.i64Sub : W.i32Sub);
    w.else();
  }
  w.get(a);
  w.get(b);
  w.op(opcode);
  if (guarded) w.close();
  w.close();
}
