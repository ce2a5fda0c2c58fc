import { type Field, type Shortcuts, wasm } from "@hypercraft/engine";
import { X87 } from "../../state.js";
import { X87Op, X87Source } from "../operations.js";
import { angleOfPoint } from "./arctangent.js";
import { type Arithmetic, product, quotient, squareRoot, sum } from "./arithmetic.js";
import { compareCodes, compareFlags, register, zero } from "./comparisons.js";
import { exponentialOfTwo } from "./exponential.js";
import { Frame, type Operand } from "./frame.js";
import { Library } from "./library.js";
import { logarithmOfMoreTimes, logarithmTimes } from "./logarithm.js";
import { double, int16, int32, int64, type Source, single } from "./memory-operands.js";
import {
  absolute,
  changeSign,
  clearExceptions,
  examine,
  exchange,
  load,
  loadConstant,
  loadControl,
  loadExtended,
  loadRegister,
  moveIf,
  negated,
  storeRegister,
} from "./moves.js";
import { arithmeticOn } from "./operands.js";
import { scale } from "./scale.js";
import { DOUBLE, roundToInteger, SINGLE, stored, storeExtended, storeFloat, storeInteger } from "./stores.js";
import { both, cosine, sine, tangent } from "./trigonometric.js";

// What programs do with the floating-point unit nearly always, in WebAssembly: normal numbers and zeros, results that
// are neither denormal nor infinite, by all rounding and precision controls, with all exceptions masked; no register
// empty or full at the wrong time. Whatever is not of this kind is left to unit.ts, which knows all of the manual.

/**
 * Writes a function's body: it gives up before it has changed anything, or ends it. `ofDouble` is what does the same
 * with a double.
 */
type Body = (frame: Frame, ofDouble: wasm.Callable) => wasm.Expr;

const MEMORY: readonly (readonly [source: number, read: Source])[] = [
  [X87Source.single, single],
  [X87Source.double, double],
];

/** Sources that are made doubles first. */
const WHOLE: readonly (readonly [source: number, body: Body])[] = (
  [
    [X87Source.int16, int16],
    [X87Source.int32, int32],
  ] as const
).map(([source, bits]) => [
  source,
  (frame, ofDouble) => wasm.ret(ofDouble.call(frame.constant, bits(frame), 0n)),
]);

const reversed =
  (arithmetic: Arithmetic): Arithmetic =>
  (frame, x: Operand, y: Operand, place) =>
    arithmetic(frame, y, x, place);

const ARITHMETIC: readonly (readonly [op: number, arithmetic: Arithmetic])[] = [
  [X87Op.add, sum(false, false)],
  [X87Op.multiply, product],
  [X87Op.subtract, sum(false, true)],
  [X87Op.subtractReversed, sum(true, false)],
  [X87Op.divide, quotient],
  [X87Op.divideReversed, reversed(quotient)],
];

const { register: REGISTER } = X87Source;
const COMPARISONS: readonly (readonly [source: number, read: Source])[] = [[REGISTER, register], ...MEMORY];

/** By operation and source. */
const BODIES: readonly (readonly [op: number, source: number, body: Body])[] = [
  ...ARITHMETIC.flatMap(([op, arithmetic]) =>
    [[REGISTER, undefined] as const, ...MEMORY].map(
      ([source, read]) => [op, source, arithmeticOn(arithmetic, read)] as const,
    ),
  ),
  ...[...ARITHMETIC.map(([op]) => op), X87Op.compare, X87Op.load].flatMap((op) =>
    WHOLE.map(([source, body]) => [op, source, body] as const),
  ),
  ...COMPARISONS.map(([source, read]) => [X87Op.compare, source, compareCodes(read)] as const),
  [X87Op.compareQuiet, REGISTER, compareCodes(register)],
  [X87Op.compareFlags, REGISTER, compareFlags],
  [X87Op.compareFlagsQuiet, REGISTER, compareFlags],
  [X87Op.test, REGISTER, compareCodes(zero)],
  [X87Op.examine, REGISTER, examine],
  ...[...MEMORY, [X87Source.int64, int64] as const].map(
    ([source, read]) => [X87Op.load, source, load(read)] as const,
  ),
  [X87Op.load, X87Source.extended, loadExtended],
  [X87Op.loadConstant, REGISTER, loadConstant],
  [X87Op.loadRegister, REGISTER, loadRegister],
  [X87Op.storeRegister, REGISTER, storeRegister],
  [X87Op.exchange, REGISTER, exchange],
  [X87Op.moveIf, REGISTER, moveIf],
  [X87Op.changeSign, REGISTER, changeSign(negated)],
  [X87Op.absolute, REGISTER, changeSign(absolute)],
  [X87Op.squareRoot, REGISTER, squareRoot],
  [X87Op.roundToInteger, REGISTER, roundToInteger],
  [X87Op.powerLessOne, REGISTER, exponentialOfTwo],
  [X87Op.logarithm, REGISTER, logarithmTimes],
  [X87Op.arctangent, REGISTER, angleOfPoint],
  [X87Op.sine, REGISTER, sine],
  [X87Op.cosine, REGISTER, cosine],
  [X87Op.sineAndCosine, REGISTER, both],
  [X87Op.tangent, REGISTER, tangent],
  [X87Op.scale, REGISTER, scale],
  [X87Op.logarithmOfMore, REGISTER, logarithmOfMoreTimes],
  [X87Op.store, X87Source.single, storeFloat(SINGLE)],
  [X87Op.store, X87Source.double, storeFloat(DOUBLE)],
  [X87Op.store, X87Source.extended, storeExtended],
  [X87Op.store, X87Source.int16, storeInteger(16, false)],
  [X87Op.store, X87Source.int32, storeInteger(32, false)],
  [X87Op.store, X87Source.int64, storeInteger(64, false)],
  [X87Op.storeTruncated, X87Source.int16, storeInteger(16, true)],
  [X87Op.storeTruncated, X87Source.int32, storeInteger(32, true)],
  [X87Op.storeTruncated, X87Source.int64, storeInteger(64, true)],
  [X87Op.stored, REGISTER, stored],
  [X87Op.loadControl, REGISTER, loadControl],
  [X87Op.clearExceptions, REGISTER, clearExceptions],
];

const nameIn = (names: Readonly<Record<string, number>>, value: number): string =>
  Object.keys(names).find((name) => names[name] === value) as string;

const key = (op: number, source: number): number => (op << 3) | source;
const NUMBERS = new Map(BODIES.map(([op, source], number) => [key(op, source), number]));

/** Number of the shortcut of an operation; undefined if it has none. */
export const shortcutNumber = (op: number, source: number): number | undefined =>
  NUMBERS.get(key(op, source));

const FIELDS: readonly Field[] = [
  ...X87.significand,
  ...X87.exponent,
  ...[X87.control, X87.status, X87.used, X87.result, X87.resultHigh, X87.storing],
];

export const X87_SHORTCUTS: Shortcuts = {
  list: BODIES.map(([op, source]) => ({
    name: `${nameIn(X87Op, op)}.${nameIn(X87Source, source)}`,
    fields: FIELDS,
  })),
  emit(module, state) {
    const library = new Library(module);
    const functions = BODIES.map(([op, source]) =>
      module.func(`x87.${op}.${source}`, ["i32", "i64", "i64"], "i32"),
    );
    BODIES.forEach(([op, , body], number) => {
      const f = functions[number] as wasm.FunctionBuilder;
      const frame = new Frame(f, state, library);
      const ofDouble = functions[NUMBERS.get(key(op, X87Source.double)) ?? number] as wasm.FunctionBuilder;
      const written = body(frame, ofDouble);
      f.body(frame.begin(), written, wasm.unreachable());
    });
    return functions;
  },
};
