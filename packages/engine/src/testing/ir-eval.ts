import type { IrBlock, Node } from "../ir/node.js";
import { Op, opInfo, RMW_NAMES, type RmwName } from "../ir/ops.js";
import { SOFT_FUNCTIONS, type SoftName } from "../ir/soft.js";
import { modesOf, roundingOf, type SoftFloatOptions } from "../softfloat/index.js";
import { type Outcome, Reference, SHAPES } from "../softfloat/testing/reference.js";
import type { Field } from "../state/layout.js";
import {
  evaluateExtract,
  evaluateReplace,
  evaluateShuffle,
  evaluateVector,
  fromLanes,
} from "./vector-eval.js";

// A second, obvious implementation of the IR's meaning: one node after the other on bigints. Tests hold
// lifters against it, and the execution tiers too. All values are unsigned.

const WIDTHS = { i32: 32, i64: 64, v128: 128, void: 0 } as const;
const s32 = (v: bigint): bigint => BigInt.asIntN(32, v);
const bool = (v: boolean): bigint => (v ? 1n : 0n);

/** State by field; what was never written is zero. */
export class EvalState {
  private readonly values = new Map<Field, bigint>();

  get(field: Field): bigint {
    return this.values.get(field) ?? 0n;
  }

  set(field: Field, value: bigint): void {
    this.values.set(field, BigInt.asUintN(WIDTHS[field.type], value));
  }
}

/** Little-endian bytes by address; what was never written is zero. */
export class EvalMemory {
  readonly bytes = new Map<bigint, number>();

  read(address: bigint, size: number): bigint {
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.bytes.get(at(address, i)) ?? 0);
    return value;
  }

  write(address: bigint, size: number, value: bigint): void {
    for (let i = 0; i < size; i++) this.bytes.set(at(address, i), Number((value >> BigInt(8 * i)) & 0xffn));
  }

  load(address: bigint, data: Uint8Array): void {
    for (const [i, byte] of data.entries()) this.bytes.set(at(address, i), byte);
  }

  slice(address: bigint, length: number): Uint8Array {
    return Uint8Array.from({ length }, (_, i) => this.bytes.get(at(address, i)) ?? 0);
  }
}

const at = (address: bigint, offset: number): bigint => BigInt.asUintN(64, address + BigInt(offset));

/** An access that the architecture refuses: misaligned where alignment is demanded. */
export class EvalFault extends Error {
  readonly address: bigint;

  constructor(address: bigint) {
    super(`misaligned access to 0x${address.toString(16)}`);
    this.address = address;
  }
}

/** What a block runs on. */
export interface EvalMachine {
  readonly state: EvalState;
  readonly memory: EvalMemory;
  /** Virtual address of the block's page. */
  pcBase: bigint;
  /** Where the accumulated floating-point flags are. */
  readonly fpFlags: Field;
  /** Rules of the architecture's floating point. */
  readonly softFloat: SoftFloatOptions;
  reservation: { readonly address: bigint; readonly value: bigint } | null;
  /** A helper's result. May throw to leave the block as a trap would. */
  call(helper: number, constant: number, a: bigint, b: bigint): bigint;
}

/** How a block ended. `address` is absent if it has no end: the next instruction follows. */
export interface EvalEnd {
  readonly kind: "jump" | "dispatch" | "none";
  readonly address: bigint;
}

type Binary = (a: bigint, b: bigint) => bigint;

const divide = (a: bigint, b: bigint): bigint => (b === 0n ? 0n : a / b);
const remainder = (a: bigint, b: bigint): bigint => (b === 0n ? a : a % b);

/** Binary operations of a width; the result is cut to it afterwards. */
function binaries(width: number): Record<string, Binary> {
  const bits = BigInt(width);
  const signed = (v: bigint): bigint => BigInt.asIntN(width, v);
  const count = (v: bigint): bigint => v % bits;
  return {
    add: (a, b) => a + b,
    sub: (a, b) => a - b,
    mul: (a, b) => a * b,
    div_s: (a, b) => divide(signed(a), signed(b)),
    div_u: divide,
    rem_s: (a, b) => remainder(signed(a), signed(b)),
    rem_u: remainder,
    and: (a, b) => a & b,
    or: (a, b) => a | b,
    xor: (a, b) => a ^ b,
    shl: (a, b) => a << count(b),
    shr_s: (a, b) => signed(a) >> count(b),
    shr_u: (a, b) => a >> count(b),
    rotl: (a, b) => (a << count(b)) | (a >> (bits - count(b))),
    rotr: (a, b) => (a >> count(b)) | (a << (bits - count(b))),
    mulh_s: (a, b) => (signed(a) * signed(b)) >> bits,
    mulh_u: (a, b) => (a * b) >> bits,
    mulh_su: (a, b) => (signed(a) * b) >> bits,
    add_overflow: (a, b) => (a ^ (a + b)) & (b ^ (a + b)),
    sub_overflow: (a, b) => (a ^ b) & (a ^ (a - b)),
  };
}

function comparisons(width: number): Record<string, Binary> {
  const signed = (v: bigint): bigint => BigInt.asIntN(width, v);
  return {
    eq: (a, b) => bool(a === b),
    ne: (a, b) => bool(a !== b),
    lt_s: (a, b) => bool(signed(a) < signed(b)),
    lt_u: (a, b) => bool(a < b),
    gt_s: (a, b) => bool(signed(a) > signed(b)),
    gt_u: (a, b) => bool(a > b),
    le_s: (a, b) => bool(signed(a) <= signed(b)),
    le_u: (a, b) => bool(a <= b),
    ge_s: (a, b) => bool(signed(a) >= signed(b)),
    ge_u: (a, b) => bool(a >= b),
  };
}

function unaries(width: number): Record<string, (a: bigint) => bigint> {
  const digits = (v: bigint): string => v.toString(2).padStart(width, "0");
  return {
    clz: (a) => BigInt(digits(a).indexOf("1") < 0 ? width : digits(a).indexOf("1")),
    ctz: (a) => BigInt(a === 0n ? width : width - 1 - digits(a).lastIndexOf("1")),
    popcnt: (a) => BigInt(digits(a).replaceAll("0", "").length),
    extend8_s: (a) => BigInt.asIntN(8, a),
    extend16_s: (a) => BigInt.asIntN(16, a),
    extend32_s: s32,
    eqz: (a) => bool(a === 0n),
  };
}

const NUMERIC = new Map<string, (...args: bigint[]) => bigint>([
  ["i32.wrap_i64", (a) => a as bigint],
  ["i64.extend_i32_s", (a) => s32(a as bigint)],
  ["i64.extend_i32_u", (a) => a as bigint],
]);
for (const [prefix, width] of [
  ["i32", 32],
  ["i64", 64],
] as const) {
  for (const set of [binaries(width), comparisons(width), unaries(width)]) {
    for (const [name, f] of Object.entries(set)) NUMERIC.set(`${prefix}.${name}`, f as never);
  }
}

const pick = (a: bigint, b: bigint, first: boolean): bigint => (first ? a : b);

const RMW: Record<RmwName, (a: bigint, b: bigint, width: number) => bigint> = {
  xchg: (_, b) => b,
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  and: (a, b) => a & b,
  clear: (a, b) => a & ~b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  min_s: (a, b, w) => pick(a, b, BigInt.asIntN(w, a) < BigInt.asIntN(w, b)),
  max_s: (a, b, w) => pick(a, b, BigInt.asIntN(w, a) > BigInt.asIntN(w, b)),
  min_u: (a, b) => pick(a, b, a < b),
  max_u: (a, b) => pick(a, b, a > b),
};

const INTEGERS: Record<string, readonly [bits: bigint, signed: boolean]> = {
  I32: [32n, true],
  U32: [32n, false],
  I64: [64n, true],
  U64: [64n, false],
};

/** One floating-point operation by exact arithmetic. */
export function evaluateFloat(
  name: SoftName,
  environment: number,
  args: readonly bigint[],
  rules: SoftFloatOptions,
): Outcome {
  const [format, operation] = name.split(".") as ["f32" | "f64", string];
  const shape = SHAPES[format];
  const rounding = roundingOf(environment);
  const reference = new Reference(rules, modesOf(environment));
  const [a = 0n, b = 0n, c = 0n] = args;
  const integer = INTEGERS[operation.replace(/^(to|from)/, "")];
  if (integer !== undefined) {
    const [bits, signed] = integer;
    if (operation.startsWith("to")) return reference.toInteger(shape, a, bits, signed, rounding);
    return reference.fromInteger(shape, signed ? BigInt.asIntN(Number(bits), a) : a, rounding);
  }
  switch (operation) {
    case "add":
    case "sub":
    case "mul":
    case "div":
      return reference[operation](shape, a, b, rounding);
    case "sqrt":
      return reference.sqrt(shape, a, rounding);
    case "fma":
      return reference.fma(shape, a, b, c, rounding);
    case "eq":
    case "lt":
    case "le":
    case "unordered":
    case "order":
    case "orderSignaling":
      return reference.compare(shape, operation, a, b);
    case "fromF64":
      return reference.resize(SHAPES.f64, shape, a, rounding);
    case "fromF32":
      return reference.resize(SHAPES.f32, shape, a, rounding);
    case "roundToIntegral":
      return reference.roundToIntegral(shape, a, rounding, b !== 0n);
    case "fromHalf":
      return reference.fromHalf(shape, a, b !== 0n);
    case "toHalf":
      return reference.toHalf(shape, a, b !== 0n, rounding);
    case "reciprocalStep":
    case "reciprocalRootStep":
      return reference.step(shape, operation === "reciprocalRootStep", a, b, rounding);
    case "mulExtended":
      return reference.mulExtended(shape, a, b, rounding);
    case "reciprocalEstimate8":
      return reference.reciprocalEstimate8(shape, a, rounding);
    case "reciprocalRootEstimate8":
    case "reciprocalExponent":
      return reference[operation](shape, a);
    case "reciprocal":
    case "reciprocalRoot":
      return reference.approximation(shape, a, operation === "reciprocalRoot");
    case "class":
      return reference.classify(shape, a);
    default:
      return reference.extreme(shape, operation, a, b);
  }
}

function constant(n: Node): bigint {
  return n.type === "i32" ? BigInt(n.lo >>> 0) : (BigInt(n.hi >>> 0) << 32n) | BigInt(n.lo >>> 0);
}

class Evaluation {
  private readonly machine: EvalMachine;
  private readonly values = new Map<Node, bigint>();

  constructor(machine: EvalMachine) {
    this.machine = machine;
  }

  run(nodes: readonly Node[]): EvalEnd {
    for (const n of nodes) {
      const end = this.end(n);
      if (end !== null) return end;
      const value = this.compute(n);
      if (n.type !== "void") this.values.set(n, BigInt.asUintN(WIDTHS[n.type], value));
    }
    return { kind: "none", address: 0n };
  }

  private of(n: Node | null): bigint {
    if (n === null) return 0n;
    const value = this.values.get(n);
    if (value === undefined) throw new Error(`operand ${opInfo(n.op).name} is used before it is computed`);
    return value;
  }

  private here(offset: number): bigint {
    return BigInt.asUintN(64, this.machine.pcBase + BigInt(offset));
  }

  private end(n: Node): EvalEnd | null {
    switch (n.op) {
      case Op.jump:
      case Op.poll:
        return { kind: "jump", address: this.here(n.lo) };
      case Op.branch:
        return { kind: "jump", address: this.here(this.of(n.a) !== 0n ? n.lo : n.hi) };
      case Op.jumpIndirect:
        return { kind: "jump", address: this.of(n.a) };
      case Op.dispatch:
        return { kind: "dispatch", address: this.here(n.lo) };
      default:
        return null;
    }
  }

  private compute(n: Node): bigint {
    const { machine } = this;
    switch (n.op) {
      case Op.const:
        return constant(n);
      case Op.pc:
        return this.here(n.lo);
      case Op.get:
        return machine.state.get(n.field as Field);
      case Op.set:
        machine.state.set(n.field as Field, this.of(n.a));
        return 0n;
      case Op.discard:
        return 0n;
      case Op.select:
        return this.of(n.a) !== 0n ? this.of(n.b) : this.of(n.c);
      case Op.fp:
        return this.float(n);
      case Op.call:
        return machine.call(n.sub, n.lo, this.of(n.a), this.of(n.b));
      case Op.callIf:
        if (this.of(n.a) !== 0n) machine.call(n.sub, n.lo, this.of(n.a), this.of(n.b));
        return 0n;
      case Op.shortcut:
        machine.call(n.sub, n.lo, this.of(n.a), this.of(n.b));
        return 0n;
      case Op.selectContext:
      case Op.selectCode:
        // Memory is flat here.
        return 0n;
      default:
        return opInfo(n.op).effect === "exit" ? this.access(n) : this.numeric(n);
    }
  }

  private numeric(n: Node): bigint {
    const { name } = opInfo(n.op);
    const f = NUMERIC.get(name);
    return f === undefined ? this.vector(name, n) : f(this.of(n.a), this.of(n.b));
  }

  private vector(name: string, n: Node): bigint {
    const [a, b, c] = [this.of(n.a), this.of(n.b), this.of(n.c)];
    if (n.op === Op.constVector) return fromLanes(Array.from(n.bytes as Int32Array, BigInt), 32);
    if (n.op === Op.shuffle) return evaluateShuffle(a, b, new Uint8Array((n.bytes as Int32Array).buffer));
    if (name.includes("extract_lane")) return evaluateExtract(name, a, n.lo);
    if (name.includes("replace_lane")) return evaluateReplace(name, a, b, n.lo);
    return evaluateVector(name, a, b, c);
  }

  private float(n: Node): bigint {
    const { machine } = this;
    const fn = SOFT_FUNCTIONS[n.sub] as (typeof SOFT_FUNCTIONS)[number];
    const args = [n.a, n.b, n.c].map((operand) => this.of(operand));
    const { bits, flags } = evaluateFloat(fn.name, n.lo, args, machine.softFloat);
    machine.state.set(machine.fpFlags, machine.state.get(machine.fpFlags) | BigInt(flags));
    return bits;
  }

  private access(n: Node): bigint {
    const { machine } = this;
    const { memory } = machine;
    const address = this.of(n.a);
    const width = n.size * 8;
    const cut = (v: bigint): bigint => BigInt.asUintN(width, v);
    if (n.aligned && address % BigInt(n.size) !== 0n) throw new EvalFault(address);
    if (n.op === Op.probe) return 0n;
    const old = memory.read(address, n.size);
    const result = n.signed ? BigInt.asIntN(width, old) : old;
    switch (n.op) {
      case Op.load:
        return result;
      case Op.store:
        memory.write(address, n.size, this.of(n.b));
        return 0n;
      case Op.rmw: {
        const operation = RMW[RMW_NAMES[n.sub] as RmwName];
        memory.write(address, n.size, operation(old, cut(this.of(n.b)), width));
        return result;
      }
      case Op.cas:
        if (old === cut(this.of(n.b))) memory.write(address, n.size, this.of(n.c));
        return result;
      case Op.loadReserved:
        machine.reservation = { address, value: old };
        return result;
      case Op.storeConditional: {
        const held = machine.reservation;
        machine.reservation = null;
        const succeeds = held !== null && held.address === address && cut(held.value) === old;
        if (succeeds) memory.write(address, n.size, this.of(n.b));
        return bool(!succeeds);
      }
      default:
        throw new Error(`no meaning for ${opInfo(n.op).name}`);
    }
  }
}

/** Run a block's nodes once. Throws `EvalFault`, or what `machine.call` throws; what was done before stays done. */
export function evaluate(block: Pick<IrBlock, "nodes">, machine: EvalMachine): EvalEnd {
  return new Evaluation(machine).run(block.nodes);
}
