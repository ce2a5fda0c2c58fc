import { expect, test } from "vitest";
import { IrBuilder } from "../ir/builder.js";
import { printBlock } from "../ir/print.js";
import { verify } from "../ir/verify.js";
import { formatListing } from "../listing/format.js";
import type { RegionListing } from "../listing/listing.js";
import { RegionWatch } from "../listing/region-watch.js";
import { type Field, StateLayout } from "../state/layout.js";
import { SCRIPT_HALT, type Script, ScriptedCpu } from "../testing/scripted-cpu.js";
import { type PageWalker, WALKED } from "../walk/page-walker.js";
import { i64 } from "../wasm/index.js";
import type { Core } from "./core.js";
import { Engine, type Tier } from "./engine.js";

// What random programs do not reach: devices, misaligned atomics, code that is overwritten, snapshots, and what the
// builder and the verifier refuse.

const ARENA = 16 << 20;
const START = 0x1000;
const DEVICE = 0x10_0000;
const MASK = (1n << 64n) - 1n;

const layout = new StateLayout();
const [v0, v1] = layout.array("v", "v128", 2) as [Field, Field];
const [address, count, result] = [layout.i64("address"), layout.i64("count"), layout.i64("result")];

interface Machine {
  readonly engine: Engine;
  readonly core: Core;
  readonly cpu: ScriptedCpu;
}

const walker: PageWalker = {
  coreBytes: 8,
  emit(module) {
    const f = module.func("walk", ["i64", "i32", "i32"], "i64");
    const page = i64.add(i64.and(f.arg(0), -4096), ARENA);
    return f.body(i64.or(page, WALKED.readable | WALKED.writable | (12 << WALKED.shift)));
  },
};

const floatingPoint = { nan: "canonical", tininess: "after" } as const;

function create(tier: Tier, scripts: readonly Script[], pageWalker?: PageWalker): Machine {
  const memory = new WebAssembly.Memory({ initial: 512, maximum: 512 });
  const ram = { ramOffset: (pa: number) => (pa < DEVICE ? ARENA + pa : -1) };
  const arena = { offset: 0, size: ARENA };
  const engine = new Engine({ memory, arena, ram, tier, floatingPoint, ...(pageWalker && { pageWalker }) });
  const core = engine.createCore();
  const cpu = new ScriptedCpu(core, layout, scripts);
  core.attach(cpu);
  engine.words.set([...scripts.keys(), SCRIPT_HALT], (ARENA + START) / 4);
  core.setPc(START, 0);
  return { engine, core, cpu };
}

function run({ core }: Machine): void {
  while (core.run(100) === "budget");
  expect(core.exit).toBe("halt");
}

/** The instructions so many times. */
function looped(body: readonly Script[]): Script[] {
  const back: Script = (b, offset) => {
    const left = b.i64.sub(b.get(count), b.i64.const(1));
    b.set(count, left);
    b.branch(b.i64.eqz(left), offset + 4, offset - 4 * body.length);
  };
  return [...body, back];
}

const TIERS = ["cold", "hot"] as const;
const load: Script = (b) => b.set(v0, b.load(16, false, b.get(address)));
const store: Script = (b) => b.store(16, b.get(address), b.get(v1));

test.each(TIERS)("a device is asked for the two halves, %s", (tier) => {
  const machine = create(tier, looped([load, store]));
  const { core, cpu } = machine;
  core.setBig(v1, 0x1111222233334444_5555666677778888n);
  core.setBig(count, 100n);
  core.setBig(address, BigInt(DEVICE + 0x20));
  run(machine);
  const answer = (at: number): bigint => BigInt(at) | (BigInt(~at >>> 0) << 32n);
  expect(core.big(v0)).toBe((answer(DEVICE + 0x28) << 64n) | answer(DEVICE + 0x20));
  expect(cpu.accesses).toHaveLength(400);
  expect(cpu.accesses.slice(0, 4)).toEqual([
    [0, DEVICE + 0x20, 8, expect.anything()],
    [0, DEVICE + 0x28, 8, expect.anything()],
    [1, DEVICE + 0x20, 8, 0x5555666677778888n],
    [1, DEVICE + 0x28, 8, 0x1111222233334444n],
  ]);
});

/** Data accesses of devices leave the guest; gives the addresses they left with. */
function leaving({ core, cpu }: ReturnType<typeof create>): number[] {
  const left: number[] = [];
  const { translate } = cpu;
  cpu.translate = (access, lo, hi, size, out) => {
    if (lo < DEVICE) return translate(access, lo, hi, size, out);
    if (core.hasAnswer) return 5;
    left.push(lo);
    core.exit = "device";
    return 4;
  };
  return left;
}

test.each(TIERS)("a host is asked for the two halves, %s", (tier) => {
  const machine = create(tier, [load, store]);
  const { core } = machine;
  const left = leaving(machine);
  core.setBig(v0, MASK << 64n);
  core.setBig(v1, 0x1111222233334444_5555666677778888n);
  core.setBig(address, BigInt(DEVICE));
  for (const half of [0, 1]) {
    expect(core.run(100)).toBe("exit");
    expect(core.askedAccess().size).toBe(8);
    core.answer(7 + half, 9);
  }
  expect(core.run(100)).toBe("exit");
  expect(core.big(v0)).toBe(0x9_00000008_00000009_00000007n);
  expect(core.askedAccess()).toEqual({ size: 8, lo: 0x7777_8888, hi: 0x5555_6666 });
  core.answer(0, 0);
  expect(core.run(100)).toBe("exit");
  expect(core.askedAccess()).toEqual({ size: 8, lo: 0x3333_4444, hi: 0x1111_2222 });
  core.answer(0, 0);
  run(machine);
  expect(left).toEqual([DEVICE, DEVICE + 8, DEVICE, DEVICE + 8]);
  expect(core.instructions()).toBe(3);
});

/** A pair of loads of which the second is signed, and one of stores. */
const loads: Script = (b) => {
  const low = b.load(8, false, b.get(address));
  const high = b.load(2, true, b.i64.add(b.get(address), b.i64.const(8)));
  b.set(count, b.i64.add(low, high));
};
const stores: Script = (b) => {
  b.store(4, b.get(address), b.get(count));
  b.store(8, b.i64.add(b.get(address), b.i64.const(4)), b.get(address));
};

test.each(TIERS)("a host answers the accesses of an instruction one by one, %s", (tier) => {
  const machine = create(tier, [loads, stores]);
  const { core } = machine;
  const left = leaving(machine);
  core.setBig(address, BigInt(DEVICE));
  core.run(100);
  core.answer(0x1000, 5);
  const before = core.state();
  core.run(100);
  expect(core.askedAccess().size).toBe(2);
  core.answer(0xfffe, 1);
  core.restore({ ...core.state(), answers: [...before.answers, 0x1_0000_fffen] });
  core.run(100);
  expect(core.big(count)).toBe(0x5_0000_0ffen);
  expect(core.askedAccess()).toEqual({ size: 4, lo: 0xffe, hi: 5 });
  core.answer(0, 0);
  core.run(100);
  expect(core.askedAccess()).toEqual({ size: 8, lo: DEVICE, hi: 0 });
  // Asked again, as after a change that the host hoped would do: what was answered is not made again.
  core.run(100);
  core.answer(0, 0);
  run(machine);
  expect(left).toEqual([DEVICE, DEVICE + 8, DEVICE, DEVICE + 4, DEVICE + 4]);
  expect(core.state().answers).toEqual([]);
});

test.each(TIERS)("accesses that cross pages, and what walks fill, %s", (tier) => {
  for (const pageWalker of [undefined, walker]) {
    const next: Script = (b) => b.set(address, b.i64.add(b.get(address), b.i64.const(1)));
    const machine = create(
      tier,
      looped([load, (b) => b.store(16, b.i64.add(b.get(address), b.i64.const(0x100)), b.get(v0)), next]),
      pageWalker,
    );
    const { core, engine } = machine;
    const data = Uint8Array.from({ length: 0x100 }, (_, i) => i);
    engine.bytes.set(data, ARENA + 0x8f80);
    core.setBig(address, 0x8f80n);
    core.setBig(count, 240n);
    run(machine);
    expect(engine.bytes.slice(ARENA + 0x9080, ARENA + 0x9080 + 255)).toEqual(data.slice(0, 255));
    if (pageWalker !== undefined) expect(core.statistics().walks).toBeGreaterThan(0);
  }
});

const ATOMICS: [string, number, Script][] = [
  ["compare and exchange", 16, (b) => b.set(v0, b.cas(16, b.get(address), b.get(v0), b.get(v1)))],
  ["load-reserved", 16, (b) => b.set(v0, b.loadReserved(16, b.get(address)))],
  ["store-conditional", 16, (b) => b.set(result, b.storeConditional(16, b.get(address), b.get(v1)))],
  ["read-modify-write of 2", 2, (b) => b.set(result, b.rmw("add", 2, b.get(address), b.get(count)))],
  ["load-reserved of 2", 2, (b) => b.set(result, b.loadReserved(2, b.get(address)))],
];

test.each(ATOMICS)("a misaligned %s", (_, size, atomic) => {
  for (const tier of TIERS) {
    const step: Script = (b) => b.set(address, b.i64.sub(b.get(address), b.i64.const(size)));
    const machine = create(tier, looped([step, atomic]));
    const { core, cpu } = machine;
    core.setBig(address, BigInt(0x8000 + 101 * size));
    core.setBig(count, 100n);
    run(machine);
    if (tier === "hot") expect(machine.engine.compiledInstructions).toBeGreaterThan(0);
    expect(cpu.misalignments).toEqual([]);
    core.setPc(START, 0);
    core.setBig(count, 100n);
    core.setBig(address, BigInt(0x8000 + 101 * size + 1));
    run(machine);
    expect(cpu.misalignments).toEqual([0x8000 + 100 * size + 1]);
  }
});

test.each(TIERS)("atomics in a page of code, and stores over code, %s", (tier) => {
  // Behind the code, in its page.
  const at = START + 0x800;
  const scripts = looped([
    (b) => b.set(v0, b.cas(16, b.i64.const(at), b.get(v0), b.v128.not(b.get(v0)))),
    (b) => b.set(result, b.rmw("clear", 1, b.i64.const(at + 16), b.i64.const(1), { signed: false })),
    (b) => b.set(v1, b.loadReserved(16, b.i64.const(at + 32))),
    (b) =>
      b.set(v1, b.i64x2.replace_lane(b.get(v1), 1, b.storeConditional(16, b.i64.const(at + 32), b.get(v0)))),
  ]);
  const machine = create(tier, scripts);
  const { core, engine } = machine;
  engine.bytes.fill(0xff, ARENA + at, ARENA + at + 48);
  core.setBig(v0, (1n << 128n) - 1n);
  core.setBig(count, 103n);
  run(machine);
  expect(core.big(result)).toBe(0xfen);
  // Every other round finds what it expects, and stores the inverse of it: all ones in the 103rd.
  expect(core.big(v0)).toBe(0n);
  expect([...engine.bytes.slice(ARENA + at, ARENA + at + 33)]).toEqual([
    ...new Array(16).fill(0xff),
    0xfe,
    ...new Array(15).fill(0xff),
    0,
  ]);
  expect(core.big(v1) >> 64n).toBe(0n);

  // The store makes a halt of the instruction after next.
  const overwriting = create(tier, [store, load, (b) => b.set(result, b.i64.const(1)), load]);
  overwriting.core.setBig(address, BigInt(START + 8));
  overwriting.core.setBig(v1, (BigInt(SCRIPT_HALT) << 32n) | BigInt(SCRIPT_HALT));
  run(overwriting);
  expect(overwriting.core.big(result)).toBe(0n);
});

test("floating point takes lanes and gives lanes", () => {
  const scripts = looped([
    (b) => {
      const lane = (v: Field, i: number) => b.i64x2.extract_lane(b.get(v), i);
      const low = b.fp("f64.add", 0, lane(v0, 0), lane(v1, 0));
      const high = b.fp("f64.mul", 0, lane(v0, 1), b.i64.xor(lane(v1, 1), b.i64.const(-1n << 63n)));
      b.set(v0, b.i64x2.replace_lane(b.i64x2.splat(low), 1, high));
    },
    (b) => {
      const third = b.fp("f32.sub", 0, b.i32x4.extract_lane(b.get(v1), 2), b.i32.const(0x3f800000));
      b.set(result, b.i64.extend_i32_u(third));
    },
  ]);
  const f64 = (value: number): bigint => {
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, value);
    return view.getBigUint64(0);
  };
  for (const tier of TIERS) {
    const machine = create(tier, scripts);
    const { core } = machine;
    core.setBig(v0, (f64(3) << 64n) | f64(0.5));
    // The upper lane's words are those of a double and of a float: 2.0 has a lower word of zero.
    core.setBig(v1, (f64(2) << 64n) | f64(1.25));
    core.setBig(count, 100n);
    run(machine);
    expect(core.big(v0)).toBe((f64(3 * 2 ** 100) << 64n) | f64(0.5 + 100 * 1.25));
    expect(core.big(result)).toBe(0xbf800000n);
    expect(core.lo(layout.fpFlags)).toBe(0);
    if (tier === "hot") expect(machine.engine.compiledInstructions).toBeGreaterThan(0);
  }
});

test("snapshots hold vectors and reservations of 16 bytes", () => {
  const reserve: Script = (b) => b.set(v0, b.loadReserved(16, b.get(address)));
  const conditional: Script = (b) => b.set(result, b.storeConditional(16, b.get(address), b.get(v1)));
  const first = create("cold", [reserve, conditional]);
  const value = 0x0123456789abcdef_fedcba9876543210n;
  const bytes = Uint8Array.from({ length: 16 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
  first.engine.bytes.set(bytes, ARENA + 0x8000);
  first.core.setBig(address, 0x8000n);
  first.core.setBig(v1, 5n << 100n);
  expect(first.core.run(1)).toBe("budget");
  const state = first.core.state();
  expect([state.fields["v0"], state.fields["v1"]]).toEqual([value, 5n << 100n]);
  expect(state.reservation?.value).toBe(value);

  for (const change of [0, 1]) {
    const second = create("cold", [reserve, conditional]);
    second.engine.bytes.set(bytes, ARENA + 0x8000);
    if (change === 1) second.engine.bytes[ARENA + 0x800f] = 0;
    second.core.restore(state);
    expect(second.core.state()).toEqual(state);
    run(second);
    expect(second.core.big(result)).toBe(BigInt(change));
  }
});

test("the builder and the verifier refuse what is no vector operation", () => {
  const build = (emit: (b: IrBuilder) => void): string => {
    const b = new IrBuilder();
    b.instruction(0);
    emit(b);
    b.jump(4);
    const block = b.finish(4);
    verify(block);
    return printBlock(block);
  };
  expect(() => build((b) => b.set(v0, b.i32x4.replace_lane(b.get(v0), 4, b.i32.const(0))))).toThrow("lane 4");
  expect(() => build((b) => b.set(v0, b.i8x16.shuffle(b.get(v0), b.get(v1), [0, 1])))).toThrow("16 lanes");
  expect(() => build((b) => b.set(v0, b.i8x16.add(b.get(v0), b.i64.const(0))))).toThrow("operand 1 is i64");
  expect(() => build((b) => b.set(v0, b.get(address)))).toThrow("v0 is v128");
  expect(() => build((b) => b.store(16, b.get(address), b.get(address)))).toThrow(
    "operand 1 is i64, not v128",
  );
  expect(() => build((b) => b.cas(16, b.get(address), b.get(v0), b.get(address)))).toThrow(
    "operand 2 is i64",
  );
  const text = build((b) => {
    b.set(v0, b.v128.const(-1n, 2n));
    b.set(
      v1,
      b.i8x16.shuffle(
        b.get(v0),
        b.get(v0),
        Array.from({ length: 16 }, (_, i) => 15 - i),
      ),
    );
    b.set(result, b.i64x2.extract_lane(b.load(16, false, b.get(address)), 1));
  });
  expect(text).toContain("v128.const 0x2ffffffffffffffff");
  expect(text).toContain("i8x16.shuffle 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0 v1 v1");
  expect(text).toContain("load128");
  expect(text).toContain("i64x2.extract_lane 1");
});

test("vectors are in locals of compiled code", async () => {
  const scripts = looped([
    (b) => b.set(v0, b.i32x4.add(b.get(v0), b.load(16, false, b.get(address)))),
    (b) => b.set(v1, b.i8x16.shuffle(b.v128.const(1, 2, 3, 4), b.get(v0), [...new Array(15).keys(), 31])),
    (b) => b.store(16, b.get(address), b.i16x8.shl(b.get(v1), b.i32.const(3))),
  ]);
  const machine = create("hot", scripts);
  let listing: RegionListing | undefined;
  machine.engine.regionWatch = new RegionWatch({
    pcs: [BigInt(START)],
    onRegion: (found) => {
      listing = found;
    },
  });
  machine.core.setBig(address, 0x8000n);
  machine.core.setBig(count, 100n);
  run(machine);
  await expect(formatListing(listing as RegionListing, { frame: false })).toMatchFileSnapshot(
    "vectors.golden.txt",
  );
});
