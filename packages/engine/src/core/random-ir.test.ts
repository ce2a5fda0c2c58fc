import { expect, test } from "vitest";
import type { IrBuilder, Value } from "../ir/builder.js";
import { IrBuilder as Builder } from "../ir/builder.js";
import {
  COMPARE_NAMES,
  I32_BINARY_NAMES,
  I32_UNARY_NAMES,
  I64_BINARY_NAMES,
  I64_UNARY_NAMES,
  RMW_NAMES,
} from "../ir/ops.js";
import { SOFT_FUNCTIONS } from "../ir/soft.js";
import { verify } from "../ir/verify.js";
import { floatEnvironment } from "../softfloat/index.js";
import { type Field, StateLayout } from "../state/layout.js";
import { type EvalMachine, EvalMemory, EvalState, evaluate } from "../testing/ir-eval.js";
import { SCRIPT_HALT, type Script, ScriptedCpu } from "../testing/scripted-cpu.js";
import { VECTOR_OPERATION_LIST } from "../wasm/vectors.js";
import type { Core } from "./core.js";
import { Engine, type Tier } from "./engine.js";

// Random programs in the IR: the interpreter, compiled regions and the evaluator on bigints have to agree on every
// field and every byte.

const ARENA = 16 << 20;
const START = 0x1000;
/** Three pages of data: accesses cross from one to the next. */
const DATA = 0x8000;
const DATA_BYTES = 0x3000;
const ROUNDS = 60;
const SIGN = 1 << 31;
/** With everything that can be switched. */
const floatingPoint = { nan: "propagate-arm", tininess: "before" } as const;

const layout = new StateLayout();
const longs = layout.array("x", "i64", 6);
const words = layout.array("w", "i32", 3);
const counter = layout.i64("counter");
const vectors = layout.array("v", "v128", 5);
const FIELDS = [...longs, ...words, ...vectors, counter, layout.fpFlags];

/** Numerical Recipes' generator: programs are the same each time. */
class Random {
  private seed: number;

  constructor(seed: number) {
    this.seed = seed;
  }
  next(): number {
    this.seed = (Math.imul(this.seed, 1664525) + 1013904223) >>> 0;
    return this.seed / 0x1_0000_0000;
  }
  below(n: number): number {
    return Math.floor(this.next() * n);
  }
  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
  /** 32 bits, often near an edge. */
  word(): number {
    const edges = [0, 1, -1, 0x7fffffff, 0x80000000, 0xff, 0x80, 0x7f80, 0x8000];
    return (this.next() < 0.4 ? this.of(edges) : this.below(0x1_0000_0000)) | 0;
  }
}

type Make = (b: IrBuilder) => Value;
const SIZES = [1, 2, 4, 8] as const;

/** Makes random instructions; what they are is settled before they are lifted, each time alike. */
class Generator {
  private readonly random: Random;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  long(depth: number): Make {
    const { random } = this;
    if (depth === 0) {
      const [field, lo, hi] = [random.of(longs), random.word(), random.word()];
      return random.next() < 0.7 ? (b) => b.get(field) : (b) => b.i64.pair(lo, hi);
    }
    const [a, c] = [this.long(depth - 1), this.long(depth - 1)];
    const choice = random.below(10);
    if (choice < 5) {
      const name = random.of(I64_BINARY_NAMES);
      return (b) => b.i64[name](a(b), c(b));
    }
    if (choice < 6) {
      const name = random.of(I64_UNARY_NAMES);
      return (b) => b.i64[name](a(b));
    }
    const word = this.word(depth - 1);
    if (choice < 7) return (b) => b.select(word(b), a(b), c(b));
    return choice < 8 ? (b) => b.i64.extend_i32_s(word(b)) : (b) => b.i64.extend_i32_u(word(b));
  }

  word(depth: number): Make {
    const { random } = this;
    if (depth === 0) {
      const [field, value] = [random.of(words), random.word()];
      return random.next() < 0.7 ? (b) => b.get(field) : (b) => b.i32.const(value);
    }
    const [a, c] = [this.word(depth - 1), this.word(depth - 1)];
    const choice = random.below(10);
    if (choice < 4) {
      const name = random.of(I32_BINARY_NAMES);
      return (b) => b.i32[name](a(b), c(b));
    }
    if (choice < 5) {
      const name = random.of(I32_UNARY_NAMES);
      return (b) => b.i32[name](a(b));
    }
    if (choice < 6) {
      const name = random.of(COMPARE_NAMES);
      return (b) => b.i32[name](a(b), c(b));
    }
    const [p, q] = [this.long(depth - 1), this.long(depth - 1)];
    if (choice < 8) {
      const name = random.of(COMPARE_NAMES);
      return (b) => b.i64[name](p(b), q(b));
    }
    return (b) => b.i32.wrap_i64(p(b));
  }

  vector(depth: number): Make {
    const { random } = this;
    if (depth === 0) {
      const field = random.of(vectors);
      const constant = [random.word(), random.word(), random.word(), random.word()] as const;
      return random.next() < 0.8 ? (b) => b.get(field) : (b) => b.v128.const(...constant);
    }
    const choice = random.below(10);
    if (choice < 7) return this.operation(random.of(TO_VECTOR), depth);
    const [a, c] = [this.vector(depth - 1), this.vector(depth - 1)];
    if (choice < 8) {
      const lanes = Array.from({ length: 16 }, () => random.below(32));
      return (b) => b.i8x16.shuffle(a(b), c(b), lanes);
    }
    const word = this.word(depth - 1);
    if (choice < 9) return (b) => b.select(word(b), a(b), c(b));
    const [long, shape, lane] = [this.long(depth - 1), random.below(4), random.below(16)];
    return (b) => {
      if (shape === 0) return b.i8x16.replace_lane(a(b), lane, word(b));
      if (shape === 1) return b.i16x8.replace_lane(a(b), lane >> 1, word(b));
      if (shape === 2) return b.i32x4.replace_lane(a(b), lane >> 2, word(b));
      return b.i64x2.replace_lane(a(b), lane >> 3, long(b));
    };
  }

  /** One of the operations without immediate. */
  operation([name, { operands }]: (typeof VECTOR_OPERATION_LIST)[number], depth: number): Make {
    const [shape, method] = name.split(".") as ["i8x16", "add"];
    const args = operands.map((type) =>
      type === "v128" ? this.vector(depth - 1) : type === "i32" ? this.word(depth - 1) : this.long(depth - 1),
    ) as [Make, Make];
    return (b) => b[shape][method](...(args.map((make) => make(b)) as [Value, Value]));
  }

  /** An i32 made of a vector. */
  private ofVector(): Make {
    const { random } = this;
    if (random.next() < 0.4) return this.operation(random.of(TO_WORD), 2);
    const [a, name, lane] = [this.vector(1), random.below(5), random.below(16)];
    return (b) => {
      if (name === 0) return b.i8x16.extract_lane_s(a(b), lane);
      if (name === 1) return b.i8x16.extract_lane_u(a(b), lane);
      if (name === 2) return b.i16x8.extract_lane_s(a(b), lane >> 1);
      if (name === 3) return b.i16x8.extract_lane_u(a(b), lane >> 1);
      return b.i32x4.extract_lane(a(b), lane >> 2);
    };
  }

  vectorScript(): Script {
    const { random } = this;
    const [v, w, x] = [random.of(vectors), random.of(words), random.of(longs)];
    const choice = random.below(10);
    const vector = this.vector(2);
    if (choice < 5) return (b) => b.set(v, vector(b));
    if (choice < 7) {
      const made = this.ofVector();
      return (b) => b.set(w, made(b));
    }
    const lane = random.below(2);
    if (choice < 8) return (b) => b.set(x, b.i64x2.extract_lane(vector(b), lane));
    const atomic = random.next() < 0.4;
    const address = this.address(16, atomic || random.next() < 0.5 ? 16 : 1);
    if (atomic) return this.wideAtomic(v, x, address);
    if (choice < 9) return (b) => b.set(v, b.load(16, false, address(b)));
    return (b) => b.store(16, address(b), vector(b));
  }

  /** A number: in a register, a lane, or one of these with its sign changed. */
  private number(type: "i32" | "i64"): Make {
    const { random } = this;
    const [field, v, lane] = [random.of(type === "i64" ? longs : words), random.of(vectors), random.below(4)];
    const choice = random.below(5);
    const bits: Make = (b) => {
      if (choice === 0) return b.get(field);
      return type === "i64"
        ? b.i64x2.extract_lane(b.get(v), lane >> 1)
        : b.i32x4.extract_lane(b.get(v), lane);
    };
    if (choice === 3)
      return (b) => b[type].xor(bits(b), type === "i64" ? b.i64.pair(0, SIGN) : b.i32.const(SIGN));
    if (choice === 4)
      return (b) => b[type].and(bits(b), type === "i64" ? b.i64.pair(-1, ~SIGN) : b.i32.const(~SIGN));
    return bits;
  }

  /** One floating-point operation into a register or a lane; for modes of which the rules know. */
  floatScript(fn = this.random.of(SOFT_FUNCTIONS)): Script {
    const { random } = this;
    const args = fn.args.map((type) => this.number(type));
    const [rounding, modes] = [random.below(4), random.next() < 0.6 ? 0 : random.below(8)];
    const [long, word, v, lane] = [random.of(longs), random.of(words), random.of(vectors), random.below(4)];
    const [toLane, keeps, half] = [random.next() < 0.7, random.next() < 0.5, /Half$/.test(fn.name)];
    return (b) => {
      const values = args.map((make) => make(b));
      // A halfword comes zero-extended.
      if (half)
        values[0] =
          fn.args[0] === "i32" ? b.i32.and(values[0] as Value, b.i32.const(0xffff)) : (values[0] as Value);
      const value = b.fp(fn.name, floatEnvironment(rounding, modes), ...values);
      if (!toLane) return b.set(value.type === "i64" ? long : word, value);
      const rest = keeps ? b.get(v) : b.v128.const(0, 0, 0, 0);
      b.set(
        v,
        value.type === "i64"
          ? b.i64x2.replace_lane(rest, lane >> 1, value)
          : b.i32x4.replace_lane(rest, lane, value),
      );
    };
  }

  /** Lanes of one vector, its own or another's, put into a vector one after the other. */
  laneScript(): Script {
    const { random } = this;
    const [v, from, base] = [random.of(vectors), random.of(vectors), random.below(3)];
    const lanes = Array.from(
      { length: 1 + random.below(4) },
      () => [random.below(4), random.below(4)] as const,
    );
    const [wide, again] = [random.next() < 0.4, random.of(vectors)];
    return (b) => {
      const source = b.get(from);
      let all = base === 0 ? b.v128.const(0, 0, 0, 0) : base === 1 ? b.get(v) : b.v128.not(b.get(v));
      const early = b.i64x2.extract_lane(all, 0);
      for (const [to, at] of lanes) {
        all = wide
          ? b.i64x2.replace_lane(all, to >> 1, b.i64x2.extract_lane(source, at >> 1))
          : b.i32x4.replace_lane(all, to, b.i32x4.extract_lane(source, at));
      }
      const kept = b.i64x2.extract_lane(all, 1);
      b.set(v, all);
      // What was read before the write, and lanes of values that went on.
      b.set(again, b.i64x2.replace_lane(b.i64x2.replace_lane(source, 0, kept), 1, early));
    };
  }

  /** A lane from or to memory. */
  laneAccess(): Script {
    const { random } = this;
    const [v, other, size] = [random.of(vectors), random.of(vectors), random.of(SIZES)];
    const [address, lane, twice] = [
      this.address(size, random.next() < 0.5 ? size : 1),
      random.below(2),
      random.below(3),
    ];
    if (random.next() < 0.5) return (b) => b.store(size, address(b), b.i64x2.extract_lane(b.get(v), lane));
    return (b) => {
      const loaded = b.load(size, false, address(b));
      const alone = b.i64x2.replace_lane(b.v128.const(0, 0, 0, 0), 0, loaded);
      b.set(v, alone);
      if (twice === 1) b.set(other, b.v128.not(alone));
      if (twice === 2) b.set(other, b.i64x2.splat(loaded));
    };
  }

  private wideAtomic(v: Field, x: Field, address: Make): Script {
    const { random } = this;
    const [value, other] = [this.vector(1), this.vector(1)];
    const found = random.next() < 0.6;
    if (random.next() < 0.5)
      return (b) => {
        const at = address(b);
        b.set(v, b.cas(16, at, found ? b.load(16, false, at) : other(b), value(b)));
      };
    return (b) => {
      const at = address(b);
      const seen = b.loadReserved(16, at);
      // One of the halves, or both.
      if (!found) b.store(8, b.i64.add(at, b.i64.const(8 * (x.offset & 8 ? 1 : 0))), b.get(x));
      const failed = b.storeConditional(16, at, value(b));
      b.set(v, seen);
      b.set(x, failed);
    };
  }

  /** An address in the data, a multiple of `align`, that leaves room for `size` bytes. */
  private address(size: number, align: number): Make {
    const { random } = this;
    const value = this.long(1);
    // Near the ends of pages, now and then.
    const [base, mask] = random.next() < 0.3 ? [DATA + 0xff0, 0x1f] : [DATA, 0x1fff];
    const displacement = random.below(4) * Math.max(align, 1);
    return (b) =>
      b.i64.add(
        b.i64.add(b.i64.and(value(b), b.i64.const(mask & -align)), b.i64.const(base)),
        b.i64.const(displacement + (size & 0)),
      );
  }

  script(): Script {
    const { random } = this;
    const choice = random.below(12);
    const [x, w] = [random.of(longs), random.of(words)];
    const long = this.long(2);
    const word = this.word(2);
    if (choice < 3) return (b) => b.set(x, long(b));
    if (choice < 5) return (b) => b.set(w, word(b));
    const size = random.of(SIZES);
    const signed = random.next() < 0.5;
    if (choice < 7) {
      const address = this.address(size, random.next() < 0.5 ? size : 1);
      return (b) => b.set(x, b.load(size, signed, address(b)));
    }
    if (choice < 9) {
      const address = this.address(size, random.next() < 0.5 ? size : 1);
      return (b) => b.store(size, address(b), long(b));
    }
    const address = this.address(size, size);
    const other = this.long(1);
    if (choice < 10) {
      const name = random.of(RMW_NAMES);
      return (b) => b.set(x, b.rmw(name, size, address(b), long(b), { signed }));
    }
    if (choice < 11) {
      // Half of them find what they expect.
      const found = random.next() < 0.5;
      return (b) => {
        const at = address(b);
        const expected = found ? b.load(size, false, at) : other(b);
        b.set(x, b.cas(size, at, expected, long(b), { signed }));
      };
    }
    const changed = random.next() < 0.5;
    return (b) => {
      const at = address(b);
      const value = b.loadReserved(size, at, { signed });
      if (changed) b.store(size, at, other(b));
      b.set(x, b.i64.xor(b.i64.shl(value, b.i64.const(1)), b.storeConditional(size, at, long(b))));
    };
  }
}

const TO_VECTOR = VECTOR_OPERATION_LIST.filter(([, { result }]) => result === "v128");
const TO_WORD = VECTOR_OPERATION_LIST.filter(([, { result }]) => result === "i32");

interface Machine {
  readonly engine: Engine;
  readonly core: Core;
}

function create(tier: Tier, scripts: readonly Script[]): Machine {
  const memory = new WebAssembly.Memory({ initial: 512, maximum: 512 });
  const ram = { ramOffset: (pa: number) => (pa < 0x10_0000 ? ARENA + pa : -1) };
  const engine = new Engine({ memory, arena: { offset: 0, size: ARENA }, ram, tier, floatingPoint });
  const core = engine.createCore();
  core.attach(new ScriptedCpu(core, layout, scripts));
  engine.words.set([...scripts.keys(), SCRIPT_HALT], (ARENA + START) / 4);
  core.setPc(START, 0);
  return { engine, core };
}

/** A loop of these instructions. */
function looped(body: readonly Script[]): Script[] {
  const back: Script = (b, offset) => {
    const left = b.i64.sub(b.get(counter), b.i64.const(1));
    b.set(counter, left);
    b.branch(b.i64.eqz(left), offset + 4, offset - 4 * body.length);
  };
  return [...body, back];
}

function evaluated(scripts: readonly Script[], state: EvalState, memory: EvalMemory): void {
  const machine: EvalMachine = {
    ...{ state, memory, pcBase: BigInt(START), fpFlags: layout.fpFlags, reservation: null },
    softFloat: floatingPoint,
    call: () => 0n,
  };
  for (let round = 0; round < ROUNDS; round++) {
    const b = new Builder({ simplify: false });
    for (const [i, script] of scripts.entries()) {
      b.instruction(4 * i);
      script(b, 4 * i);
    }
    const block = b.finish(4 * scripts.length);
    if (round === 0) verify(block);
    evaluate(block, machine);
  }
}

function check(seed: number, withVectors: boolean): void {
  const generator = new Generator(seed);
  checkScripts(
    seed,
    Array.from({ length: 12 }, (_, i) =>
      withVectors && i % 4 !== 0 ? generator.vectorScript() : generator.script(),
    ),
  );
}

function checkScripts(seed: number, body: readonly Script[]): void {
  const random = new Random(seed ^ 0x5a5a5a);
  const scripts = looped(body);
  const data = Uint8Array.from({ length: DATA_BYTES }, () => random.below(256));
  const state = new EvalState();
  const machines = (["cold", "hot"] as const).map((tier) => create(tier, scripts));
  for (const field of FIELDS) {
    const value =
      field === counter
        ? BigInt(ROUNDS)
        : field === layout.fpFlags
          ? BigInt(random.below(2))
          : (BigInt(random.word() >>> 0) << 32n) | BigInt(random.word() >>> 0);
    state.set(field, value);
    for (const { core } of machines) core.setBig(field, state.get(field));
  }
  for (const { engine } of machines) engine.bytes.set(data, ARENA + DATA);
  const memory = new EvalMemory();
  memory.load(BigInt(DATA), data);
  evaluated(scripts, state, memory);
  for (const { engine, core } of machines) {
    while (core.run(300) === "budget");
    expect(core.exit).toBe("halt");
    for (const field of FIELDS) expect([field.name, core.big(field)]).toEqual([field.name, state.get(field)]);
    const bytes = engine.bytes.slice(ARENA + DATA, ARENA + DATA + DATA_BYTES);
    expect(Buffer.compare(bytes, memory.slice(BigInt(DATA), DATA_BYTES))).toBe(0);
  }
  expect(machines[1]?.engine.compiledInstructions).toBeGreaterThan(0);
}

const seeds = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

test.each(seeds(12))("random programs mean one thing, %d", (seed) => {
  for (let i = 0; i < 2; i++) check(seed * 1000 + i, false);
});

test.each(seeds(20))("random programs with vectors mean one thing, %d", (seed) => {
  for (let i = 0; i < 2; i++) check(seed * 1000 + i, true);
});

test.each(seeds(8))("random moves of lanes mean one thing, %d", (seed) => {
  const generator = new Generator(seed * 31);
  const body = Array.from({ length: 16 }, (_, k) =>
    k % 5 === 0 ? generator.vectorScript() : k % 2 === 0 ? generator.laneScript() : generator.laneAccess(),
  );
  checkScripts(seed, body);
});

test.each(seeds(8))("random programs with numbers mean one thing, %d", (seed) => {
  const generator = new Generator(seed * 77);
  for (let i = 0; i < 2; i++) {
    const body = Array.from({ length: 12 }, (_, k) =>
      k % 4 === 0 ? generator.vectorScript() : generator.floatScript(),
    );
    checkScripts(seed * 1000 + i, body);
  }
});

test("half of a lane outlives the vector that it was in", () => {
  const [v, w] = vectors as [Field, Field];
  const script: Script = (b) => {
    const count = b.i32.wrap_i64(b.i64x2.extract_lane(b.v128.not(b.get(w)), 0));
    const other = b.v128.not(b.get(v));
    b.set(v, b.v128.xor(other, b.i32x4.shl(b.get(w), count)));
    b.set(w, b.i8x16.add(b.get(w), other));
  };
  checkScripts(1, new Array<Script>(12).fill(script));
});

test("each operation on vectors means one thing", () => {
  const generator = new Generator(1);
  const operations = [...TO_VECTOR, ...TO_WORD];
  for (let first = 0; first < operations.length; first += 12) {
    const scripts = operations.slice(first, first + 12).map((operation, i): Script => {
      const make = generator.operation(operation, 1);
      const [v, w] = [vectors[i % 5], words[i % 3]] as [Field, Field];
      return (b) => {
        const value = make(b);
        b.set(value.type === "v128" ? v : w, value);
        // Something new in each round.
        b.set(v, b.v128.xor(b.get(v), b.i32x4.splat(b.get(w))));
      };
    });
    checkScripts(first, scripts);
  }
});
