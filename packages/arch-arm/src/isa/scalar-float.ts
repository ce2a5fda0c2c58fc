import type { SoftName, Value } from "@hypercraft/engine";
import type { A64Builder } from "./lifter.js";
import { low64, setLow64, type VectorFields, type VectorLift, vectorInstructions } from "./vector-lifter.js";

// Scalar floating point in single and double precision: arithmetic, comparison, conversion. FPCR.FZ is not done: with
// it set these are UNDEFINED here.

const insn = vectorInstructions("FP");

type Letter = "s" | "d";
type Float = "f32" | "f64";
const FORMATS: readonly (readonly [Letter, Float, type: string])[] = [
  ["s", "f32", "00"],
  ["d", "f64", "01"],
];

/** The IR's rounding for FPCR.RMode: nearest, up, down, zero. */
const ROUNDINGS = [0, 3, 2, 1] as const;
const rounding = (b: A64Builder): number => ROUNDINGS[b.mode.rmode] as number;

function read(b: A64Builder, f: Float, index: number): Value {
  const bits = low64(b, index);
  return f === "f64" ? bits : b.i32.wrap_i64(bits);
}

const write = (b: A64Builder, f: Float, index: number, value: Value): void =>
  setLow64(b, index, f === "f64" ? value : b.i64.extend_i32_u(value));

const signOf = (b: A64Builder, f: Float): Value =>
  f === "f64" ? b.i64.pair(0, 1 << 31) : b.i32.const(1 << 31);
const negated = (b: A64Builder, f: Float, x: Value): Value => b.ops(f === "f64").xor(x, signOf(b, f));

/** i32: it is a NaN. */
function isNan(b: A64Builder, f: Float, x: Value): Value {
  const o = b.ops(f === "f64");
  const infinity = f === "f64" ? b.i64.pair(0, 0xffe00000 | 0) : b.i32.const(0xff000000 | 0);
  return o.gt_u(o.add(x, x), infinity);
}

/** FPCR.DN: a NaN result is the default NaN. */
function result(b: A64Builder, f: Float, value: Value): Value {
  if (!b.mode.defaultNan) return value;
  const nan = f === "f64" ? b.i64.pair(0, 0x7ff80000) : b.i32.const(0x7fc00000);
  return b.ir.select(isNan(b, f, value), nan, value);
}

const compute = (b: A64Builder, f: Float, name: string, ...args: readonly Value[]): Value =>
  result(b, f, b.ir.fp(`${f}.${name}` as SoftName, rounding(b), ...args));

const flushing =
  (lift: VectorLift): VectorLift =>
  (b, o) => {
    if (b.mode.flushToZero) b.undefined();
    else lift(b, o);
  };

type Names = { readonly [K in "t" | "n" | "m" | "a"]: keyof VectorFields };
const NAMES: Readonly<Record<Letter, Names>> = {
  s: { t: "vst", n: "vsn", m: "vsm", a: "vsa" },
  d: { t: "vdt", n: "vdn", m: "vdm", a: "vda" },
};

const TWO = [
  ["fmul", "0000", "mul"],
  ["fdiv", "0001", "div"],
  ["fadd", "0010", "add"],
  ["fsub", "0011", "sub"],
  ["fnmul", "1000", "mul"],
] as const;

const THREE = [
  ["fmadd", "0", "0"],
  ["fmsub", "0", "1"],
  ["fnmadd", "1", "0"],
  ["fnmsub", "1", "1"],
] as const;

const arithmetic = FORMATS.flatMap(([letter, f, type]) => {
  const { t, n, m, a } = NAMES[letter];
  const two = TWO.map(([name, opcode, operation]) =>
    insn(
      `00011110 ${type} 1 ${m}:5 ${opcode} 10 ${n}:5 ${t}:5`,
      `${name} ${t}, ${n}, ${m}`,
      flushing((b, o) => {
        const value = compute(b, f, operation, read(b, f, o[n]), read(b, f, o[m]));
        write(b, f, o[t], name === "fnmul" ? negated(b, f, value) : value);
      }),
      { name: `${name}.${letter}.v` },
    ),
  );
  const root = insn(
    `00011110 ${type} 1 0000 11 10000 ${n}:5 ${t}:5`,
    `fsqrt ${t}, ${n}`,
    flushing((b, o) => write(b, f, o[t], compute(b, f, "sqrt", read(b, f, o[n])))),
    { name: `fsqrt.${letter}.v` },
  );
  // The product is negated when exactly one of both bits is set, the addend when the first is.
  const three = THREE.map(([name, addend, minus]) =>
    insn(
      `00011111 ${type} ${addend} ${m}:5 ${minus} ${a}:5 ${n}:5 ${t}:5`,
      `${name} ${t}, ${n}, ${m}, ${a}`,
      flushing((b, o) => {
        const [x, z] = [read(b, f, o[n]), read(b, f, o[a])];
        const factor = addend === minus ? x : negated(b, f, x);
        const summand = addend === "1" ? negated(b, f, z) : z;
        write(b, f, o[t], compute(b, f, "fma", factor, read(b, f, o[m]), summand));
      }),
      { name: `${name}.${letter}.v` },
    ),
  );
  return [...two, root, ...three];
});

// --- Comparison ------------------------------------------------------------------------------------

/** Flags of a comparison: unordered is C and V. `le` raises invalid for every NaN, `eq` for signaling ones. */
function compare(b: A64Builder, f: Float, x: Value, y: Value, signals: boolean): void {
  const { i32, i64, ir } = b;
  const o = b.ops(f === "f64");
  if (signals) ir.fp(`${f}.le`, 0, x, y);
  const equal = ir.fp(`${f}.eq`, 0, x, y);
  const unordered = i32.or(isNan(b, f, x), isNan(b, f, y));
  const zero = b.constant(f === "f64", 0);
  // Bit patterns compare like numbers once the magnitudes of negative ones are inverted.
  const key = (v: Value) =>
    ir.select(o.lt_s(v, zero), o.xor(o.xor(v, signOf(b, f)), b.constant(f === "f64", -1)), v);
  const less = i32.and(o.lt_s(key(x), key(y)), i32.eqz(i32.or(equal, unordered)));
  const top = (v: Value) => i64.shl(i64.extend_i32_u(v), i64.const(63));
  b.setFlags(top(less), i64.extend_i32_u(i32.eqz(equal)), i32.eqz(less), top(unordered));
}

const comparisons = FORMATS.flatMap(([letter, f, type]) =>
  [false, true].flatMap((signals) => {
    const { n, m } = NAMES[letter];
    const name = signals ? "fcmpe" : "fcmp";
    return [
      insn(
        `00011110 ${type} 1 ${m}:5 00 1000 ${n}:5 ${signals ? 1 : 0}0000`,
        `${name} ${n}, ${m}`,
        flushing((b, o) => compare(b, f, read(b, f, o[n]), read(b, f, o[m]), signals)),
        { name: `${name}.${letter}.v` },
      ),
      insn(
        `00011110 ${type} 1 00000 00 1000 ${n}:5 ${signals ? 1 : 0}1000`,
        `${name} ${n}, #0.0`,
        flushing((b, o) => compare(b, f, read(b, f, o[n]), b.constant(f === "f64", 0), signals)),
        { name: `${name}.zero.${letter}.v` },
      ),
    ];
  }),
);

// --- Conversion ------------------------------------------------------------------------------------

/** Mnemonic, rmode and opcode less its last bit, the IR's rounding. */
const TO_INTEGER = [
  ["fcvtn", "00", "00", 0],
  ["fcvtp", "01", "00", 3],
  ["fcvtm", "10", "00", 2],
  ["fcvtz", "11", "00", 1],
  ["fcvta", "00", "10", 4],
] as const;

const conversions = FORMATS.flatMap(([letter, f, type]) =>
  [false, true].flatMap((wide) =>
    (["s", "u"] as const).flatMap((sign, u) => {
      const { t, n } = NAMES[letter];
      const [size, x] = wide ? (["64", "x"] as const) : (["32", "w"] as const);
      const integer = `${sign === "s" ? "I" : "U"}${size}`;
      const head = `${wide ? 1 : 0} 0011110 ${type} 1`;
      const to = TO_INTEGER.map(([name, rmode, opcode, round]) =>
        insn(
          `${head} ${rmode} ${opcode}${u} 000000 ${n}:5 ${x}d:5`,
          `${name}${sign} ${x}d, ${n}`,
          flushing((b, o) =>
            b.setR(wide, o[`${x}d`], b.ir.fp(`${f}.to${integer}` as SoftName, round, read(b, f, o[n]))),
          ),
          { name: `${name}${sign}.${x}${letter}.v` },
        ),
      );
      const from = insn(
        `${head} 00 01${u} 000000 ${x}n:5 ${t}:5`,
        `${sign}cvtf ${t}, ${x}n`,
        flushing((b, o) => {
          const value = b.r(wide, o[`${x}n`]);
          write(b, f, o[t], b.ir.fp(`${f}.from${integer}` as SoftName, rounding(b), value));
        }),
        { name: `${sign}cvtf.${letter}${x}.v` },
      );
      return [...to, from];
    }),
  ),
);

const resizing = [
  insn(
    "00011110 00 1 0001 01 10000 vsn:5 vdt:5",
    "fcvt vdt, vsn",
    flushing((b, o) =>
      write(b, "f64", o.vdt, result(b, "f64", b.ir.fp("f64.fromF32", 0, read(b, "f32", o.vsn)))),
    ),
    { name: "fcvt.ds.v" },
  ),
  insn(
    "00011110 01 1 0001 00 10000 vdn:5 vst:5",
    "fcvt vst, vdn",
    flushing((b, o) =>
      write(b, "f32", o.vst, result(b, "f32", b.ir.fp("f32.fromF64", rounding(b), read(b, "f64", o.vdn)))),
    ),
    { name: "fcvt.sd.v" },
  ),
];

export const scalarFloat = [...arithmetic, ...comparisons, ...conversions, ...resizing];
