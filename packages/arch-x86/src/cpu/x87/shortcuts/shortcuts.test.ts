import { type Field, Prng, wasm } from "@hypercraft/engine";
import { expect, test } from "vitest";
import { number64, number80 } from "../../../testing/x87-sequences.js";
import { X87, x86Layout } from "../../state.js";
import { loadable } from "../constants.js";
import { toExtended } from "../formats.js";
import { packRequest, unpackRequest, X87Op, X87Source } from "../operations.js";
import type { X87Core } from "../stack.js";
import { X87Unit } from "../unit.js";
import { shortcutNumber, X87_SHORTCUTS } from "./index.js";

// Each shortcut does what the unit does, or nothing: on random operands with all controls, tags and tops.

const ROUNDS = Number(process.env.X87_ROUNDS ?? 500);
const SEED = Number(process.env.USER_SEED ?? 1);
const FIELDS = [
  ...X87.significand,
  ...X87.exponent,
  ...[X87.control, X87.status, X87.used, X87.result, X87.resultHigh],
];
const ALL_MASKED = 0x3f;

type Run = (constant: number, a: bigint, b: bigint) => number;

const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
const words = new Int32Array(memory.buffer);

/** A state in memory. */
const core: X87Core = {
  lo: ({ offset }) => words[offset >> 2] as number,
  hi: ({ offset }) => words[(offset >> 2) + 1] as number,
  set({ offset }, lo, hi) {
    words[offset >> 2] = lo;
    words[(offset >> 2) + 1] = hi;
  },
  big: ({ offset }) => new BigUint64Array(memory.buffer)[offset >> 3] as bigint,
  setBig({ offset }, value) {
    new BigUint64Array(memory.buffer)[offset >> 3] = value;
  },
};

function instantiate(): Run[] {
  expect(x86Layout.size).toBeLessThan(65_536);
  const module = new wasm.ModuleBuilder();
  module.importMemory("env", "memory", 1, 1);
  const ask = module.importFunction("env", "ask", ["i32"], "f64");
  X87_SHORTCUTS.emit(module, 0, ask).forEach((f, i) => {
    module.export(`${i}`, f);
  });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), {
    env: { memory, ask: () => -1 },
  });
  return X87_SHORTCUTS.list.map((_, i) => exports[`${i}`] as Run);
}

const shortcuts = instantiate();
const unit = new X87Unit(core);

interface Case {
  readonly constant: number;
  readonly a: bigint;
  readonly b: bigint;
  readonly fields: ReadonlyMap<Field, bigint>;
}

/** Besides arithmetic on ST(i). */
const POPPING: ReadonlySet<number> = new Set([
  ...[X87Op.compare, X87Op.compareQuiet, X87Op.compareFlags, X87Op.compareFlagsQuiet],
  ...[X87Op.storeRegister, X87Op.store, X87Op.storeTruncated],
]);

const POPPING_ONE: ReadonlySet<number> = new Set([X87Op.logarithm, X87Op.logarithmOfMore, X87Op.arctangent]);

const PUSHING: ReadonlySet<number> = new Set([
  ...[X87Op.load, X87Op.loadConstant, X87Op.loadRegister],
  ...[X87Op.tangent, X87Op.sineAndCosine],
]);

/** A number that is close to another: sums of the two lose many bits. */
function near(prng: Prng, x: bigint): bigint {
  const significand = (x ^ (1n << BigInt(prng.below(63)))) | (1n << 63n);
  const word = ((x >> 64n) + BigInt(prng.below(5) - 2)) ^ (prng.oneIn(2) ? 0x8000n : 0n);
  return (BigInt.asUintN(16, word) << 64n) | BigInt.asUintN(64, significand);
}

const TRANSCENDENTAL: ReadonlySet<number> = new Set([
  ...[X87Op.powerLessOne, X87Op.logarithm, X87Op.logarithmOfMore, X87Op.arctangent],
  ...[X87Op.sine, X87Op.cosine, X87Op.sineAndCosine, X87Op.tangent],
]);

/** At or near where series begin: multiples of 1/64, and of pi/4, with and without the last bits. */
function boundary(prng: Prng): bigint {
  const step = prng.oneIn(2) ? 1 / 64 : Math.PI / 4;
  const [value] = new BigUint64Array(
    Float64Array.of(step * (1 + prng.below(prng.oneIn(2) ? 20 : 150))).buffer,
  ) as unknown as [bigint];
  const significand = (1n << 63n) | ((value & ((1n << 52n) - 1n)) << 11n);
  const moved = significand + BigInt(prng.pick([0, 0, 1, -1, 700, -700]));
  const sign = prng.oneIn(3) ? 0x8000n : 0n;
  return ((((value >> 52n) - 1023n + 16383n) | sign) << 64n) | BigInt.asUintN(64, moved | (1n << 63n));
}

function makeCase(prng: Prng, op: number, source: number): Case {
  const register = op === X87Op.loadConstant ? prng.below(7) : prng.below(8);
  const arithmetic = op <= X87Op.divideReversed && op !== X87Op.compare;
  const toRegister = arithmetic && source === X87Source.register && prng.oneIn(2);
  const pops = toRegister ? prng.below(2) : POPPING.has(op) ? prng.below(3) : POPPING_ONE.has(op) ? 1 : 0;
  const constant = packRequest({ op, source, register, toRegister, pops, length: 3 });
  const usual = !prng.oneIn(4);
  const fields = new Map<Field, bigint>();
  const first = TRANSCENDENTAL.has(op) && prng.oneIn(2) ? boundary(prng) : number80(prng);
  const top = prng.below(8);
  for (let i = 0; i < 8; i++) {
    const x = i === top ? first : prng.oneIn(3) ? near(prng, first) : number80(prng);
    fields.set(X87.significand[i]!, BigInt.asUintN(64, x));
    fields.set(X87.exponent[i]!, x >> 64n);
  }
  const precision = prng.pick(usual ? [3, 3, 2] : [0, 1, 2, 3]);
  const rounding = prng.oneIn(2) ? 0 : prng.below(4);
  const masks = usual ? ALL_MASKED : prng.below(64);
  fields.set(X87.control, BigInt((rounding << 10) | (precision << 8) | 0x40 | masks));
  fields.set(
    X87.status,
    BigInt((prng.below(0x80) & masks) | (prng.below(2) << 9) | (top << 11) | (prng.below(2) << 14)),
  );
  const pushes = PUSHING.has(op);
  const used = pushes && usual ? 0xff & ~(1 << ((top - 1) & 7)) : usual ? 0xff : prng.below(256);
  fields.set(X87.used, BigInt(used));
  fields.set(X87.result, 0n);
  fields.set(X87.resultHigh, 0n);
  const a =
    op === X87Op.loadConstant
      ? toExtended(loadable(register, 0))
      : source === X87Source.extended
        ? number80(prng)
        : number64(prng);
  return { constant, a: BigInt.asUintN(64, a), b: a >> 64n, fields };
}

function setUp({ fields }: Case): void {
  for (const [field, value] of fields) core.setBig(field, value);
  core.set(X87.storing, 0, 0);
}

const state = () => FIELDS.map((field) => `${field.name} ${core.big(field).toString(16)}`);

const isStore = (op: number) => op === X87Op.store || op === X87Op.storeTruncated;

/** A store's second half. */
const stored = (constant: number) => packRequest({ op: X87Op.stored, pops: unpackRequest(constant).pops });

function runUnit(one: Case): readonly string[] {
  setUp(one);
  const request = unpackRequest(one.constant);
  const ended = unit.run(request, one.a, one.b) === "ended";
  const given = state();
  if (isStore(request.op) && !ended) unit.run(unpackRequest(stored(one.constant)), 0n, 0n);
  return [...given, ...state(), `ended ${ended}`];
}

/** Undefined if the shortcut gave up. */
function runShortcut(number: number, one: Case): readonly string[] | undefined {
  setUp(one);
  const before = state();
  if ((shortcuts[number] as Run)(one.constant, one.a, one.b) === 0) {
    expect(state()).toEqual(before);
    return undefined;
  }
  const given = state();
  const { op } = unpackRequest(one.constant);
  if (isStore(op)) {
    const finish = shortcuts[shortcutNumber(X87Op.stored, X87Source.register) as number] as Run;
    expect(finish(stored(one.constant), 0n, 0n)).toBe(1);
    // Once.
    expect(finish(stored(one.constant), 0n, 0n)).toBe(0);
  }
  return [...given, ...state(), "ended false"];
}

const describeCase = ({ constant, a, b, fields }: Case): string =>
  [
    JSON.stringify(unpackRequest(constant)),
    `${a.toString(16)} ${b.toString(16)}`,
    ...[...fields].map(([field, value]) => `${field.name} ${value.toString(16)}`),
  ].join("\n");

const KINDS = Object.entries(X87Op).flatMap(([name, op]) =>
  Object.entries(X87Source).flatMap(([sourceName, source]) => {
    const number = shortcutNumber(op, source);
    return number === undefined || op === X87Op.stored
      ? []
      : [{ name: `${name}.${sourceName}`, op, source, number }];
  }),
);

test("there is one for each but the second half of stores", () => {
  expect(KINDS.map(({ number }) => X87_SHORTCUTS.list[number]?.name)).toEqual(KINDS.map(({ name }) => name));
  expect(KINDS.length).toBe(X87_SHORTCUTS.list.length - 1);
});

test.each(KINDS)("$name", ({ op, source, number }) => {
  const prng = new Prng(SEED + number);
  let done = 0;
  for (let i = 0; i < ROUNDS; i++) {
    const one = makeCase(prng, op, source);
    const ours = runShortcut(number, one);
    if (ours === undefined) continue;
    done++;
    expect(ours, describeCase(one)).toEqual(runUnit(one));
  }
  // A shortcut that hardly ever does anything is none.
  expect(done / ROUNDS).toBeGreaterThan(0.15);
});
