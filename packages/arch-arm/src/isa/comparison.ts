import { type IrBuilder, isConstant, type Value } from "@hypercraft/engine";

/** A subtraction that set the flags, in the block `nodes` belongs to. */
interface Subtraction {
  readonly kind: "subtraction";
  readonly nodes: unknown;
  readonly wide: boolean;
  readonly x: Value;
  readonly y: Value;
}

/** One that set them on a condition, an i32 of 0 or 1, and else they were set to NZCV, 4 bits. */
interface ConditionalSubtraction extends Omit<Subtraction, "kind"> {
  readonly kind: "conditional";
  readonly condition: Value;
  readonly nzcv: number;
}

export type Comparison = Subtraction | ConditionalSubtraction;

/** A comparison of numbers that set the flags: 0 less, 1 equal, 2 greater, 3 unordered, as an i32. */
export interface Order {
  readonly kind: "order";
  readonly nodes: unknown;
  readonly order: Value;
}

/** The condition by the order; null for AL and NV. */
export function orderedBy(i32: IrBuilder["i32"], { order }: Order, code: number): Value | null {
  const is = (n: number) => i32.eq(order, i32.const(n));
  switch (code) {
    case 0:
      return is(1);
    case 1:
      return i32.ne(order, i32.const(1));
    case 2: // CS: not less
    case 5: // PL
      return i32.ne(order, i32.const(0));
    case 3:
    case 4:
      return i32.eqz(order);
    case 6: // VS: unordered
      return is(3);
    case 7:
      return i32.ne(order, i32.const(3));
    case 8: // HI: greater or unordered
      return i32.ge_u(order, i32.const(2));
    case 9:
      return i32.lt_u(order, i32.const(2));
    case 10: // GE: equal or greater
      return i32.lt_u(i32.sub(order, i32.const(1)), i32.const(2));
    case 11:
      return i32.ge_u(i32.sub(order, i32.const(1)), i32.const(2));
    case 12:
      return is(2);
    case 13:
      return i32.ne(order, i32.const(2));
    default:
      return null;
  }
}

/**
 * The condition by comparing the operands of the subtraction, which is shorter than by way of the flags; null for
 * the conditions on N or V alone.
 */
export function compareBy(
  o: IrBuilder["i32"],
  { x, y }: Pick<Subtraction, "x" | "y">,
  code: number,
): Value | null {
  switch (code) {
    case 0:
      return o.eq(x, y);
    case 1:
      return o.ne(x, y);
    case 2:
      return o.ge_u(x, y);
    case 3:
      return o.lt_u(x, y);
    case 8:
      return o.gt_u(x, y);
    case 9:
      return o.le_u(x, y);
    case 10:
      return o.ge_s(x, y);
    case 11:
      return o.lt_s(x, y);
    case 12:
      return o.gt_s(x, y);
    case 13:
      return o.le_s(x, y);
    default:
      return null;
  }
}

/** Does a condition hold under NZCV, 4 bits? */
export function holds(code: number, nzcv: number): boolean {
  const [n, z, c, v] = [8, 4, 2, 1].map((bit) => (nzcv & bit) !== 0);
  const positive = [z, c, n, v, c && !z, n === v, n === v && !z, true][code >> 1] as boolean;
  return code < 14 && (code & 1) !== 0 ? !positive : positive;
}

export const isZero = (n: Value): boolean => isConstant(n) && n.lo === 0 && (n.type === "i32" || n.hi === 0);
