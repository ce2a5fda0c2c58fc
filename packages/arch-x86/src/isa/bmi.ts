import type { Value } from "@hypercraft/engine";
import { Helper } from "../cpu/helper-ids.js";
import { GPR, Gpr } from "../cpu/state.js";
import type { X86Declaration } from "./declaration.js";
import { Flag } from "./flags.js";
import { type X86Builder, x86 } from "./lifter.js";

// BMI1, BMI2 and ADX: SDM volume 2, ANDN, BEXTR, BLSI, BLSMSK, BLSR, BZHI, MULX, PDEP, PEXT, RORX, SARX, SHLX, SHRX,
// ADCX, ADOX. The first ones set flags, those of BMI2 mostly do not.

const bmi1 = x86("BMI1");
const bmi2 = x86("BMI2");
const adx = x86("ADX");

const AUXILIARY = { undefinedFlags: Flag.AF | Flag.PF };

const andNot = (b: X86Builder): void => {
  const { i64 } = b;
  const result = i64.and(i64.xor(b.signed(1), i64.const(-1)), b.signed(2));
  b.write(0, result);
  b.flags.logic(b.bytes(0), result);
};

/** `length` bits from a start: both in one operand, a byte each. */
const extractBits = (b: X86Builder): void => {
  const { i64, ir } = b;
  const bytes = b.bytes(0);
  const control = b.unsigned(2);
  const start = i64.and(control, i64.const(0xff));
  const length = i64.and(i64.shr_u(control, i64.const(8)), i64.const(0xff));
  const source = b.unsigned(1);
  const moved = ir.select(i64.lt_u(start, i64.const(64)), i64.shr_u(source, start), i64.const(0));
  const mask = i64.sub(i64.shl(i64.const(1), length), i64.const(1));
  const result = ir.select(i64.lt_u(length, i64.const(64)), i64.and(moved, mask), moved);
  b.write(0, result);
  // Only ZF is defined of those that show the result.
  b.flags.logic(bytes, result);
};

type LowestBit = (b: X86Builder, source: Value, below: Value) => { result: Value; carry: Value };

/** BLSI, BLSMSK and BLSR: what subtracting 1 shows of the lowest bit. */
const lowestBit =
  (operation: LowestBit) =>
  (b: X86Builder): void => {
    const { i64 } = b;
    const source = b.signed(1);
    const { result, carry } = operation(b, source, i64.sub(source, i64.const(1)));
    b.write(0, result);
    b.flags.partial(b.signExtended(b.bytes(0), result), carry);
  };

const isZero = (b: X86Builder, value: Value): Value => b.i64.extend_i32_u(b.i64.eqz(value));

const isolate: LowestBit = (b, source) => {
  const { i64, i32 } = b;
  const result = i64.and(source, i64.sub(i64.const(0), source));
  return { result, carry: i64.extend_i32_u(i32.eqz(i64.eqz(source))) };
};
const maskUpTo: LowestBit = (b, source, below) => ({
  result: b.i64.xor(source, below),
  carry: isZero(b, source),
});
const reset: LowestBit = (b, source, below) => ({
  result: b.i64.and(source, below),
  carry: isZero(b, source),
});

const zeroHigh = (b: X86Builder): void => {
  const { i64, ir } = b;
  const bytes = b.bytes(0);
  const bits = i64.const(8 * bytes);
  const source = b.unsigned(1);
  const index = i64.and(b.raw(2), i64.const(0xff));
  const beyond = i64.ge_u(index, bits);
  const mask = i64.sub(i64.shl(i64.const(1), index), i64.const(1));
  const result = ir.select(beyond, source, i64.and(source, mask));
  b.write(0, result);
  b.flags.partial(b.signExtended(bytes, result), i64.extend_i32_u(beyond));
};

/** rDX times an operand, into two registers; if they are the same, it has the upper half. */
const multiply = (b: X86Builder): void => {
  const { i64, ir } = b;
  const bytes = b.bytes(0);
  const x = b.zeroExtended(bytes, ir.get(GPR[Gpr.rdx]!));
  const y = b.unsigned(2);
  const low = i64.mul(x, y);
  b.write(1, low);
  b.write(0, bytes === 8 ? i64.mulh_u(x, y) : i64.shr_u(low, i64.const(32)));
};

const shift =
  (name: "shl" | "shr_u" | "shr_s") =>
  (b: X86Builder): void => {
    const { i64 } = b;
    const bytes = b.bytes(0);
    const count = i64.and(b.raw(2), i64.const(bytes === 8 ? 63 : 31));
    const value = name === "shr_s" ? b.signed(1) : b.unsigned(1);
    b.write(0, i64[name](value, count));
  };

const rotate = (b: X86Builder): void => {
  const { i64, i32 } = b;
  const bytes = b.bytes(0);
  const count = b.immediate & (bytes === 8 ? 63 : 31);
  if (bytes === 8) b.write(0, i64.rotr(b.raw(1), i64.const(count)));
  else b.write(0, i64.extend_i32_u(i32.rotr(i32.wrap_i64(b.raw(1)), i32.const(count))));
};

/** PDEP and PEXT: a helper goes through the bits. */
const gather =
  (helper: number) =>
  (b: X86Builder): void => {
    const [source, mask] = [b.unsigned(1), b.unsigned(2)];
    b.write(0, b.ir.call(helper, 0, source, mask));
  };

/** x + y + one flag, which is the only one that changes. */
const addWithFlag =
  (flag: number) =>
  (b: X86Builder): void => {
    const { i64, i32 } = b;
    const bytes = b.bytes(0);
    const carries = flag === Flag.CF;
    const carry = i64.extend_i32_u(carries ? b.flags.carry() : b.flags.overflow());
    const [x, y] = [b.unsigned(0), b.unsigned(1)];
    const partial = i64.add(x, y);
    const sum = i64.add(partial, carry);
    const out =
      bytes === 8
        ? i64.extend_i32_u(i32.or(i64.lt_u(partial, x), i64.lt_u(sum, partial)))
        : i64.shr_u(sum, i64.const(32));
    b.write(0, sum);
    b.flags.replace(flag, carries ? out : i64.shl(out, i64.const(11)));
  };

export const bitManipulation: readonly X86Declaration<X86Builder>[] = [
  bmi1("andn Gy, By, Ey", "VEX.L0.NP.0F38 F2 /r", andNot, AUXILIARY),
  bmi1("bextr Gy, Ey, By", "VEX.L0.NP.0F38 F7 /r", extractBits, {
    undefinedFlags: Flag.AF | Flag.PF | Flag.SF,
  }),
  bmi1("blsr By, Ey", "VEX.L0.NP.0F38 F3 /1", lowestBit(reset), AUXILIARY),
  bmi1("blsmsk By, Ey", "VEX.L0.NP.0F38 F3 /2", lowestBit(maskUpTo), AUXILIARY),
  bmi1("blsi By, Ey", "VEX.L0.NP.0F38 F3 /3", lowestBit(isolate), AUXILIARY),
  bmi2("bzhi Gy, Ey, By", "VEX.L0.NP.0F38 F5 /r", zeroHigh, AUXILIARY),
  bmi2("mulx Gy, By, Ey", "VEX.L0.F2.0F38 F6 /r", multiply),
  bmi2("pdep Gy, By, Ey", "VEX.L0.F2.0F38 F5 /r", gather(Helper.depositBits)),
  bmi2("pext Gy, By, Ey", "VEX.L0.F3.0F38 F5 /r", gather(Helper.extractBits)),
  bmi2("rorx Gy, Ey, Ib", "VEX.L0.F2.0F3A F0 /r", rotate),
  bmi2("sarx Gy, Ey, By", "VEX.L0.F3.0F38 F7 /r", shift("shr_s")),
  bmi2("shlx Gy, Ey, By", "VEX.L0.66.0F38 F7 /r", shift("shl")),
  bmi2("shrx Gy, Ey, By", "VEX.L0.F2.0F38 F7 /r", shift("shr_u")),
  adx("adcx Gy, Ey", "66 0F 38 F6 /r", addWithFlag(Flag.CF)),
  adx("adox Gy, Ey", "F3 0F 38 F6 /r", addWithFlag(Flag.OF)),
];
