import { describe, expect, test } from "vitest";
import { buildInterpreter } from "../cold/interpreter.js";
import { IrBuilder } from "../ir/builder.js";
import type { Node } from "../ir/node.js";
import { SOFT_FUNCTIONS, type SoftFunction, type SoftName, softFunction } from "../ir/soft.js";
import {
  FLOAT_MODES,
  floatEnvironment,
  modesOf,
  roundingOf,
  type SoftFloatOptions,
} from "../softfloat/index.js";
import { HotModules } from "./compiler.js";
import type { LocalType } from "./float.js";
import type { HostFloats } from "./float-calls.js";
import { FunctionWriter, W } from "./function-writer.js";
import { hostFuses } from "./host-fuses.js";

// Operations as regions compute them, by the host's arithmetic wherever that is trusted, against the exact
// functions: results and flags, on operands chosen to lie where trust ends.

const RUNS = Number(process.env.FLOAT_RUNS ?? 3000);

const memory = new WebAssembly.Memory({ initial: 4, maximum: 4 });
const words = new BigInt64Array(memory.buffer);
const regions = new WebAssembly.Table({ element: "anyfunc", initial: 1 });
const plan = { state: 4096, lookup: 65536, hostPages: 0, memoryPages: 4, sharedMemory: false };
const interpreter = (rules: SoftFloatOptions): WebAssembly.Exports =>
  new WebAssembly.Instance(new WebAssembly.Module(buildInterpreter(plan, { floatingPoint: rules })), {
    env: { memory, regions, access: () => 0, helper: () => 0 },
  }).exports;
/** One NaN, no modes; and with all that can be switched. */
const fixed = interpreter({ nan: "canonical", tininess: "after" });
const switched = interpreter({ nan: "propagate-arm", tininess: "before" });
/** With a flag for denormal operands, too. */
const flagged = interpreter({ nan: "propagate-x86", tininess: "after" });
const RESULT = 8;

/** An operation as a function: operands at addresses 0, 8 and 16, the result goes to RESULT words. */
function compile(
  fn: SoftFunction,
  environment: number,
  hostFloats: HostFloats,
  imports: WebAssembly.Exports,
): () => void {
  const modules = new HotModules({
    memory,
    memoryPages: 4,
    shared: false,
    regions,
    interpreter: imports,
    hostFloats,
    denormalFlag: imports === flagged,
  });
  const b = new IrBuilder();
  b.instruction(0);
  const operands = fn.args.map((type) => b[type].const(0));
  b.fp(fn.name, environment, ...(operands as [Node]));
  const node = b.finish(4).nodes.find((n) => n.sub === fn.index && n.a === operands[0]) as Node;
  const w = new FunctionWriter();
  const result = modules.float.enter(w).emit(
    {
      w,
      operand(n: Node, type: LocalType) {
        const bits = n.type as "i32" | "i64";
        const local = w.local(type);
        w.i32(operands.indexOf(n) * 8);
        w.memory(bits === "i32" ? W.i32Load : W.i64Load, 0);
        w.convert(bits, type);
        w.set(local);
        return local;
      },
      temporary: (type) => w.local(type),
    },
    node,
  );
  w.i32(RESULT * 8);
  w.get(result);
  w.convert(w.typeOf(result), fn.result);
  w.memory(fn.result === "i32" ? W.i32Store : W.i64Store, 0);
  w.i32(0);
  modules.install([{ code: w, index: 0 }]);
  return regions.get(0) as () => void;
}

// --- Operands --------------------------------------------------------------------------------

let seed = 0x2545f491;
function random(): number {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return seed >>> 0;
}
const below = (n: number): number => random() % n;
const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;

interface Layout {
  readonly fraction: number;
  readonly bias: number;
  readonly special: readonly number[];
}
const LAYOUTS: Record<"f32" | "f64", Layout> = {
  f32: { fraction: 23, bias: 127, special: [0, 1, 2, 3, 0xfd, 0xfe, 0xff, 0x7f, 0x7e, 0x80] },
  f64: {
    fraction: 52,
    bias: 1023,
    special: [0, 1, 2, 3, 62, 63, 64, 65, 66, 544, 1533, 1023, 1022, 1024, 2019, 2020, 2045, 2046, 2047],
  },
};

function randomFraction(bits: number): bigint {
  const all = ((BigInt(random()) << 32n) | BigInt(random())) & ((1n << BigInt(bits)) - 1n);
  const at = BigInt(below(bits));
  switch (below(6)) {
    case 0:
      return 0n;
    case 1:
      return (1n << BigInt(bits)) - 1n - BigInt(below(3));
    case 2:
      return (all >> at) << at;
    case 3:
      return 1n << at;
    default:
      return all;
  }
}

function randomFloat(format: "f32" | "f64", near?: number): bigint {
  const { fraction, bias, special } = LAYOUTS[format];
  const top = 2 * bias + 1;
  const exponent =
    near !== undefined && below(4) > 0
      ? near + below(9) - 4
      : [() => below(top + 1), () => bias + below(80) - 40, () => pick(special)][below(3)]?.();
  const e = Math.min(top, Math.max(0, exponent as number));
  const sign = BigInt(below(2)) << BigInt(format === "f64" ? 63 : 31);
  return sign | (BigInt(e) << BigInt(fraction)) | randomFraction(fraction);
}

const view = new DataView(new ArrayBuffer(8));
function toNumber(format: "f32" | "f64", bits: bigint): number {
  view.setBigUint64(0, format === "f64" ? bits : bits << 32n);
  return format === "f64" ? view.getFloat64(0) : view.getFloat32(0);
}
function fromNumber(format: "f32" | "f64", value: number): bigint {
  if (format === "f64") view.setFloat64(0, value);
  else view.setFloat32(0, value);
  return format === "f64" ? view.getBigUint64(0) : BigInt(view.getUint32(0));
}

/** Three operands: unrelated, or the last one such that a * b + c cancels, ties, or is far away. */
function randomOperands(format: "f32" | "f64"): bigint[] {
  const { fraction, bias } = LAYOUTS[format];
  const a = randomFloat(format);
  const b = below(8) === 0 ? a : randomFloat(format, below(2) ? bias : undefined);
  const product = toNumber(format, a) * toNumber(format, b);
  const mask = format === "f64" ? (1n << 64n) - 1n : (1n << 32n) - 1n;
  switch (below(5)) {
    case 0:
      return [a, b, randomFloat(format)];
    case 1:
      return [a, b, (fromNumber(format, -product) + BigInt(below(9) - 4)) & mask];
    case 2: {
      const distance = pick([-1, 1]) * (fraction + below(5) - 2);
      return [a, b, fromNumber(format, pick([-1, 1]) * product * 2 ** distance)];
    }
    case 3: {
      // Few bits each: exact products, sums half way between two numbers.
      const small = (): bigint => fromNumber(format, (below(64) - 32) * 2 ** (below(20) - 10));
      const c = fromNumber(format, pick([-1, 1]) * 2 ** (fraction + below(8) - 6) + below(4));
      return [small(), small(), c];
    }
    default:
      return [a, b, randomFloat(format, Number((fromNumber(format, product) >> BigInt(fraction)) & 0x7ffn))];
  }
}

function randomInteger(type: "i32" | "i64"): bigint {
  const bits = type === "i64" ? 64 : 32;
  const all = ((BigInt(random()) << 32n) | BigInt(random())) >> BigInt(64 - bits);
  return pick([all, all >> BigInt(below(bits)), (1n << BigInt(below(bits))) + BigInt(below(5) - 2)]);
}

/** A float near an integer, a half, or the end of an integer type's range. */
function nearInteger(format: "f32" | "f64"): bigint {
  const integer = pick([below(100), 2 ** 31, 2 ** 32, 2 ** 63, 2 ** 64, 2 ** 52, 2 ** 53, 0]);
  const value = pick([-1, 1]) * (integer + pick([0, 0.5, 0.25, 1, -1, -0.5, 1.5, 2 ** -30]));
  return fromNumber(format, value) + BigInt(integer === 0 ? below(2) : below(5) - 2);
}

function operandsFor(fn: SoftFunction): bigint[] {
  const [format, operation] = fn.name.split(".") as ["f32" | "f64", string];
  if (operation === "fromHalf") return [BigInt(below(65536)), BigInt(below(2))];
  if (operation === "toHalf" || operation === "roundToIntegral")
    return [below(2) ? nearInteger(format) : randomFloat(format, pick([15, 127, 1023])), BigInt(below(2))];
  if (/^from[IU]/.test(operation)) return [randomInteger(fn.args[0] as "i32" | "i64")];
  if (operation.startsWith("from")) return [randomFloat(format === "f64" ? "f32" : "f64", pick([896, 1150]))];
  if (operation.startsWith("to") && below(2)) return [nearInteger(format)];
  return randomOperands(format).slice(0, fn.args.length);
}

// --- Comparison ------------------------------------------------------------------------------

const globalOf = (exact: WebAssembly.Exports, name: "flags" | "modes") =>
  exact[name] as WebAssembly.Global<"i32">;

function run(
  exact: WebAssembly.Exports,
  fn: SoftFunction,
  args: readonly bigint[],
  before: number,
  call: () => void,
) {
  const flags = globalOf(exact, "flags");
  // What another operation left; the region has to set its own.
  if (exact !== fixed) globalOf(exact, "modes").value = 63;
  args.forEach((arg, i) => {
    words[i] = BigInt.asIntN(64, arg);
  });
  flags.value = before;
  call();
  const bits = BigInt.asUintN(fn.result === "i64" ? 64 : 32, words[RESULT] as bigint);
  return { bits, flags: flags.value };
}

function runExact(
  exact: WebAssembly.Exports,
  fn: SoftFunction,
  args: readonly bigint[],
  environment: number,
  before: number,
) {
  const flags = globalOf(exact, "flags");
  if (exact !== fixed) globalOf(exact, "modes").value = modesOf(environment);
  const call = exact[`fp.${fn.name}`] as (...args: (bigint | number)[]) => bigint | number;
  const values = fn.args.map((type, i) => {
    const value = args[i] as bigint;
    return type === "i64" ? BigInt.asIntN(64, value) : Number(BigInt.asIntN(32, value));
  });
  flags.value = before;
  const out = call(...values, ...(call.length > values.length ? [roundingOf(environment)] : []));
  return { bits: BigInt.asUintN(fn.result === "i64" ? 64 : 32, BigInt(out)), flags: flags.value };
}

const hex = (list: readonly bigint[]): string => list.map((v) => `0x${v.toString(16)}`).join(", ");

const hosts: readonly HostFloats[] = hostFuses() ? ["fused", "plain"] : ["plain"];

/** More runs where the host is trusted. */
function environments(
  exact: WebAssembly.Exports,
  fn: SoftFunction,
): readonly (readonly [number, runs: number])[] {
  const rounds = (exact[`fp.${fn.name}`] as CallableFunction).length > fn.args.length;
  const roundings = rounds ? [0, 1, 2, 3, 4] : [0];
  const { flushInputs, flushResults, defaultNan, trapUnderflow } = FLOAT_MODES;
  const flushes = flushInputs | flushResults;
  const modes =
    exact === flagged ? [0, flushes, trapUnderflow] : exact === switched ? [0, flushes, defaultNan] : [0];
  return modes.flatMap((mode) =>
    roundings.map((rounding) => {
      const environment = floatEnvironment(rounding, mode);
      return [environment, rounding === 0 ? RUNS : RUNS / 10] as const;
    }),
  );
}

describe.each(hosts)("%s host arithmetic in regions gives the exact functions' results and flags", (host) => {
  const differs = ({ name }: SoftFunction): boolean => host === "plain" || name.endsWith(".fma");
  describe.each([
    ["one NaN, no modes", fixed] as const,
    ["NaNs and modes", switched] as const,
    ["a flag for denormals", flagged] as const,
  ])("%s", (_rules, exact) => {
    test.each(SOFT_FUNCTIONS.filter(differs).map((fn) => [fn.name, fn] as const))("%s", (_name, fn) => {
      for (const [environment, runs] of environments(exact, fn)) {
        const call = compile(fn, environment, host, exact);
        for (let i = 0; i < runs; i++) {
          const args = operandsFor(fn);
          const before = below(8) ? 1 : pick([0, 16, 31, 30]);
          const got = run(exact, fn, args, before, call);
          const wanted = runExact(exact, fn, args, environment, before);
          if (got.bits === wanted.bits && got.flags === wanted.flags) continue;
          expect(got, `${fn.name}(${hex(args)}), environment ${environment}, flags ${before}`).toEqual(
            wanted,
          );
        }
      }
    });
  });
});

describe.each(hosts)("ordinary operands never need the exact function once inexact is set: %s", (host) => {
  const f64 = (v: number): bigint => fromNumber("f64", v);
  const f32 = (v: number): bigint => fromNumber("f32", v);
  const cases: [SoftName, bigint[]][] = [
    ["f64.add", [f64(0.1), f64(0.2)]],
    ["f64.sub", [f64(0.1), f64(0.1)]],
    ["f64.mul", [f64(0.1), f64(0.2)]],
    ["f64.div", [f64(0.1), f64(0.3)]],
    ["f64.sqrt", [f64(2)]],
    ["f64.fma", [f64(0.1), f64(0.2), f64(0.3)]],
    ["f64.fma", [f64(0.1), f64(0.2), f64(-0.021)]],
    ["f64.fma", [f64(0), f64(0.2), f64(5)]],
    ["f64.fma", [f64(0.1), f64(-0), f64(0)]],
    ["f64.mul", [f64(0), f64(-0.2)]],
    ["f64.div", [f64(-0), f64(0.2)]],
    ["f64.lt", [f64(1), f64(2)]],
    ["f64.minimumNumber", [f64(0), f64(-0)]],
    ["f64.toI64", [f64(-7.5)]],
    ["f64.toU32", [f64(7.5)]],
    ["f64.fromI64", [-5n]],
    ["f64.fromF32", [f32(0.1)]],
    ["f32.fromF64", [f64(0.1)]],
    ["f32.add", [f32(0.1), f32(-0.1)]],
    ["f32.fma", [f32(0.1), f32(0.2), f32(0.3)]],
    ["f32.fma", [f32(0.5), f32(2), f32(-1)]],
    ["f32.mul", [f32(0), f32(-0.2)]],
    ["f32.fromF64", [f64(-0)]],
    ["f32.div", [f32(0.1), f32(0.2)]],
    ["f32.le", [f32(0.1), f32(0.2)]],
    ["f32.order", [f32(0.1), f32(0.2)]],
    ["f64.orderSignaling", [f64(0.1), f64(0.1)]],
    ["f64.minNum", [f64(0), f64(-0)]],
    ["f32.maximum", [f32(-3), f32(2)]],
    ["f64.mulExtended", [f64(0.1), f64(0.2)]],
    ["f64.minSecond", [f64(0), f64(-0)]],
    ["f32.maxSecond", [f32(0.1), f32(-0.1)]],
    ["f32.unordered", [f32(0.1), f32(0.2)]],
  ];
  let calls = 0;
  const counted = (exact: WebAssembly.Exports): WebAssembly.Exports =>
    Object.fromEntries(
      Object.entries(exact).map(([name, value]) => {
        if (typeof value !== "function") return [name, value];
        const wrapped = (...args: unknown[]): unknown => {
          calls++;
          return (value as CallableFunction)(...args);
        };
        Object.defineProperty(wrapped, "length", { value: value.length });
        return [name, wrapped];
      }),
    ) as unknown as WebAssembly.Exports;
  const { flushInputs, flushResults } = FLOAT_MODES;
  describe.each([
    ["one NaN, no modes", fixed, 0] as const,
    ["no mode on", switched, 0] as const,
    ["denormals flushed", switched, flushInputs | flushResults] as const,
    ["a flag for denormals", flagged, 0] as const,
  ])("%s", (_rules, exact, modes) => {
    test.each(cases)("%s", (name, args) => {
      const fn = softFunction(name);
      const call = compile(fn, floatEnvironment(0, modes), host, counted(exact));
      calls = 0;
      run(exact, fn, args, 1, call);
      expect(calls).toBe(0);
      if (args.length === 1) return;
      // A NaN is none.
      run(exact, fn, [args[0] as bigint, 0x7fffffff_7fffffffn, ...args.slice(2)], 1, call);
      expect(calls).toBe(1);
    });
  });
});
