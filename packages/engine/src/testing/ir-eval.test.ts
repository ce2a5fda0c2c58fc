import { describe, expect, test } from "vitest";
import { IrBuilder, type Value } from "../ir/builder.js";
import { OPS, Op, opInfo } from "../ir/ops.js";
import { SOFT_FUNCTIONS } from "../ir/soft.js";
import { StateLayout } from "../state/layout.js";
import { EvalFault, type EvalMachine, EvalMemory, EvalState, evaluate, evaluateFloat } from "./ir-eval.js";

const layout = new StateLayout();
const result = layout.i64("result");

function machine(): EvalMachine {
  return {
    state: new EvalState(),
    memory: new EvalMemory(),
    pcBase: 0x1000n,
    fpFlags: layout.fpFlags,
    softFloat: { nan: "canonical", tininess: "after" },
    reservation: null,
    call: (helper, constant, a, b) => BigInt(helper) * 1000n + BigInt(constant) + a + b,
  };
}

function value(build: (b: IrBuilder) => Value, on = machine()): bigint {
  const b = new IrBuilder({ simplify: false });
  b.instruction(0);
  const v = build(b);
  b.set(result, v.type === "i32" ? b.i64.extend_i32_u(v) : v);
  evaluate(b.finish(4), on);
  return on.state.get(result);
}

const MIN = 1n << 63n;
const ONES = (1n << 64n) - 1n;

describe("numbers", () => {
  const cases: [string, (b: IrBuilder) => Value, bigint][] = [
    ["division by zero gives zero", (b) => b.i64.div_s(b.i64.const(5), b.i64.const(0)), 0n],
    ["the remainder by zero is the dividend", (b) => b.i64.rem_u(b.i64.const(5), b.i64.const(0)), 5n],
    ["the overflowing division", (b) => b.i64.div_s(b.i64.const(MIN), b.i64.const(-1)), MIN],
    ["its remainder", (b) => b.i64.rem_s(b.i64.const(MIN), b.i64.const(-1)), 0n],
    ["signed division truncates", (b) => b.i64.div_s(b.i64.const(-7), b.i64.const(2)), ONES - 2n],
    [
      "a sum that overflows",
      (b) => b.i64.shr_u(b.i64.add_overflow(b.i64.pair(-1, 0x7fffffff), b.i64.const(1)), b.i64.const(63)),
      1n,
    ],
    [
      "a sum that does not",
      (b) => b.i64.shr_u(b.i64.add_overflow(b.i64.const(-1), b.i64.const(1)), b.i64.const(63)),
      0n,
    ],
    [
      "a difference that overflows",
      (b) => b.i64.shr_u(b.i64.sub_overflow(b.i64.pair(0, 1 << 31), b.i64.const(1)), b.i64.const(63)),
      1n,
    ],
    [
      "a difference that does not",
      (b) => b.i64.shr_u(b.i64.sub_overflow(b.i64.const(0), b.i64.const(1)), b.i64.const(63)),
      0n,
    ],
    ["high product, signed", (b) => b.i64.mulh_s(b.i64.const(-1), b.i64.const(-1)), 0n],
    ["high product, unsigned", (b) => b.i64.mulh_u(b.i64.const(-1), b.i64.const(-1)), ONES - 1n],
    ["high product, mixed", (b) => b.i64.mulh_su(b.i64.const(-1), b.i64.const(-1)), ONES],
    ["shift counts wrap", (b) => b.i64.shl(b.i64.const(1), b.i64.const(65)), 2n],
    ["rotation", (b) => b.i32.rotr(b.i32.const(1), b.i32.const(33)), 0x80000000n],
    ["leading zeros of zero", (b) => b.i32.clz(b.i32.const(0)), 32n],
    ["trailing zeros", (b) => b.i64.ctz(b.i64.const(0x50)), 4n],
    ["sign extension", (b) => b.i64.extend_i32_s(b.i32.const(-2)), ONES - 1n],
    ["comparison", (b) => b.i64.lt_s(b.i64.const(-1), b.i64.const(0)), 1n],
    ["unsigned comparison", (b) => b.i64.lt_u(b.i64.const(-1), b.i64.const(0)), 0n],
    ["select", (b) => b.select(b.i32.const(0), b.i64.const(1), b.i64.const(2)), 2n],
    ["program counter", (b) => b.pc(-16), 0xff0n],
    ["helper", (b) => b.call(3, 4, b.i64.const(5), b.i64.const(6)), 3015n],
  ];
  test.each(cases)("%s", (_, build, expected) => {
    expect(value(build)).toBe(expected);
  });
});

test("memory, atomics and reservations", () => {
  const on = machine();
  const at = (b: IrBuilder) => b.i64.const(0x2000);
  on.memory.write(0x2000n, 8, 0x1122334455667788n);
  expect(value((b) => b.load(2, true, b.i64.const(0x2001)), on)).toBe(0x6677n);
  expect(value((b) => b.load(1, true, at(b)), on)).toBe(ONES - 0x77n);
  expect(value((b) => b.rmw("max_s", 4, at(b), b.i64.const(-1)), on)).toBe(0x55667788n);
  expect(value((b) => b.rmw("max_u", 4, at(b), b.i64.const(-1)), on)).toBe(0x55667788n);
  expect(on.memory.read(0x2000n, 8)).toBe(0x11223344ffffffffn);
  expect(value((b) => b.cas(8, at(b), b.i64.const(0x11223344ffffffffn), b.i64.const(1)), on)).toBe(
    0x11223344ffffffffn,
  );
  expect(value((b) => b.loadReserved(8, at(b)), on)).toBe(1n);
  expect(value((b) => b.storeConditional(8, at(b), b.i64.const(2)), on)).toBe(0n);
  expect(value((b) => b.storeConditional(8, at(b), b.i64.const(3)), on)).toBe(1n);
  expect(on.memory.read(0x2000n, 8)).toBe(2n);
  expect(() => value((b) => b.loadReserved(8, b.i64.const(0x2004)), on)).toThrow(EvalFault);
});

test("ends", () => {
  const ending = (emit: (b: IrBuilder) => void) => {
    const b = new IrBuilder({ simplify: false });
    b.instruction(0);
    emit(b);
    return evaluate(b.finish(4), machine());
  };
  expect(ending((b) => b.jump(0x20))).toEqual({ kind: "jump", address: 0x1020n });
  expect(ending((b) => b.branch(b.i32.const(1), 8, 4))).toEqual({ kind: "jump", address: 0x1008n });
  expect(ending((b) => b.branch(b.i32.const(0), 8, 4))).toEqual({ kind: "jump", address: 0x1004n });
  expect(ending((b) => b.jumpIndirect(b.i64.const(-2)))).toEqual({ kind: "jump", address: ONES - 1n });
  expect(ending((b) => b.dispatch(-4))).toEqual({ kind: "dispatch", address: 0xffcn });
  expect(ending(() => {})).toEqual({ kind: "none", address: 0n });
});

test("floating point accumulates its flags", () => {
  const on = machine();
  const one = 0x3f800000;
  expect(value((b) => b.fp("f32.div", 0, b.i32.const(one), b.i32.const(0)), on)).toBe(0x7f800000n);
  expect(on.state.get(layout.fpFlags)).toBe(8n);
  value((b) => b.fp("f32.div", 0, b.i32.const(one), b.i32.const(0x40400000)), on);
  expect(on.state.get(layout.fpFlags)).toBe(9n);
});

test("every operation of the IR has a meaning", () => {
  for (const [op, info] of OPS.entries()) {
    if (info.effect !== "pure" || info.args === 0 || op === Op.shuffle) continue;
    const b = new IrBuilder({ simplify: false });
    b.instruction(0);
    const type = /^i32\.(?!wrap)|extend_i32/.test(info.name) ? b.i32 : b.i64;
    const operands = {
      a: info.args === 3 ? b.i32.const(1) : type.const(1),
      b: type.const(2),
      c: type.const(3),
    };
    const v = b.i64.add(operands.a, operands.b);
    Object.assign(v, { op, type: info.result, ...operands });
    expect(() => evaluate(b.finish(4), machine()), opInfo(op).name).not.toThrow();
  }
  for (const { name } of SOFT_FUNCTIONS) {
    const { bits } = evaluateFloat(name, 0, [1n, 1n, 1n], { nan: "canonical", tininess: "after" });
    expect(typeof bits, name).toBe("bigint");
  }
});
