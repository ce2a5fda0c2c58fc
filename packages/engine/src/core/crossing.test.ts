import { expect, test } from "vitest";
import { type Field, StateLayout } from "../state/layout.js";
import { SCRIPT_HALT, type Script, ScriptedCpu } from "../testing/scripted-cpu.js";
import { Engine, type Tier } from "./engine.js";
import { Access, Translated } from "./guest-cpu.js";

// Accesses that cross from RAM into a page of a device, out of one, or from device to device.

const ARENA = 16 << 20;
const START = 0x1000;
/** RAM ends here, and goes on behind two pages of devices. */
const DEVICE = 0x10_0000;
const RAM_AGAIN = DEVICE + 0x2000;

const layout = new StateLayout();
const [vector] = layout.array("v", "v128", 1) as [Field];
const [address, value] = [layout.i64("address"), layout.i64("value")];

type Size = 2 | 4 | 8;
const loading =
  (size: Size, signed: boolean): Script =>
  (b) =>
    b.set(value, b.load(size, signed, b.get(address)));
const storing =
  (size: Size): Script =>
  (b) =>
    b.store(size, b.get(address), b.get(value));

/** Execute one instruction between others, with the device answering by its address. */
function execute(script: Script, at: number, devicesInPieces = true, tier: Tier = "cold") {
  const memory = new WebAssembly.Memory({ initial: 512, maximum: 512 });
  const isDevice = (pa: number) => pa >= DEVICE && pa < RAM_AGAIN;
  const ram = { ramOffset: (pa: number) => (isDevice(pa) ? -1 : ARENA + pa) };
  const arena = { offset: 0, size: ARENA };
  const floatingPoint = { nan: "canonical", tininess: "after" } as const;
  const engine = new Engine({ memory, arena, ram, tier, floatingPoint });
  const core = engine.createCore();
  const harmless: Script = (b) => b.set(value, b.get(value));
  const scripts = [harmless, script, harmless];
  const cpu = new ScriptedCpu(core, layout, scripts);
  cpu.devicesInPieces = devicesInPieces;
  core.attach(cpu);
  engine.words.set([...scripts.keys(), SCRIPT_HALT], (ARENA + START) / 4);
  core.setPc(START, 0);
  core.setBig(address, BigInt(at));
  core.setBig(value, 0x8877_6655_4433_2211n);
  core.setBig(vector, 0xffee_ddcc_bbaa_9988_8877_6655_4433_2211n);
  for (const end of [DEVICE, RAM_AGAIN + 16])
    engine.bytes.set(
      Array.from({ length: 16 }, (_, i) => 0xf0 | i),
      ARENA + end - 16,
    );
  const run = () => {
    while (core.run(100) === "budget");
    expect(core.instructions()).toBe(4);
  };
  const bytes = (pa: number, length: number) => [...engine.bytes.slice(ARENA + pa, ARENA + pa + length)];
  return { core, cpu, engine, run, bytes };
}

test("a load takes the device's bytes from the device and the others from RAM", () => {
  const into = execute(loading(8, false), DEVICE - 3);
  into.run();
  expect(into.cpu.accesses).toEqual([[Access.read, DEVICE, 5, 0n]]);
  // The device answers 0xffefffff_00100000.
  expect(into.core.big(value)).toBe(0xff00_1000_00ff_fefdn);

  const out = execute(loading(4, true), RAM_AGAIN - 1);
  out.run();
  expect(out.cpu.accesses).toEqual([[Access.read, RAM_AGAIN - 1, 1, 0n]]);
  expect(out.core.big(value)).toBe(0xffff_ffff_f2f1_f0ffn);
});

test("a store gives each side its bytes", () => {
  const into = execute(storing(8), DEVICE - 3);
  into.run();
  expect(into.cpu.accesses).toEqual([[Access.write, DEVICE, 5, 0x88_7766_5544n]]);
  expect(into.bytes(DEVICE - 4, 4)).toEqual([0xfc, 0x11, 0x22, 0x33]);

  const out = execute(storing(4), RAM_AGAIN - 2);
  out.run();
  expect(out.cpu.accesses).toEqual([[Access.write, RAM_AGAIN - 2, 2, 0x2211n]]);
  expect(out.bytes(RAM_AGAIN, 3)).toEqual([0x33, 0x44, 0xf2]);
});

test("from one page of devices to the next there are two accesses", () => {
  const load = execute(loading(2, true), DEVICE + 0xfff);
  load.run();
  expect(load.cpu.accesses.map(([, at, size]) => [at, size])).toEqual([
    [DEVICE + 0xfff, 1],
    [DEVICE + 0x1000, 1],
  ]);
  expect(load.core.big(value)).toBe(0xffn);
});

test("a vector comes in pieces of at most 8 bytes", () => {
  const store = execute((b) => b.store(16, b.get(address), b.get(vector)), DEVICE - 1);
  store.run();
  expect(store.cpu.accesses).toEqual([
    [Access.write, DEVICE, 8, 0x8888_7766_5544_3322n],
    [Access.write, DEVICE + 8, 7, 0xff_eedd_ccbb_aa99n],
  ]);
  expect(store.bytes(DEVICE - 1, 1)).toEqual([0x11]);
  const load = execute((b) => b.set(vector, b.load(16, false, b.get(address))), DEVICE - 1);
  load.run();
  // Of 0xffefffff_00100000 and 0xffeffff7_00100008.
  expect(load.core.big(vector)).toBe(0xefff_f700_1000_08ff_efff_ff00_1000_00ffn);
});

test("where devices are not accessed in pieces nothing is there, and RAM stays as it is", () => {
  for (const [at, part] of [
    [DEVICE - 3, DEVICE],
    [RAM_AGAIN - 3, RAM_AGAIN - 3],
  ] as const) {
    const machine = execute(storing(8), at, false);
    const before = machine.bytes(RAM_AGAIN, 8);
    machine.run();
    expect(machine.cpu.accesses.map(([access, physical, size]) => [access, physical < 0, size])).toEqual([
      [Access.write, true, 8],
    ]);
    expect(machine.cpu.addresses).toEqual([part]);
    expect(machine.bytes(DEVICE - 3, 3)).toEqual([0xfd, 0xfe, 0xff]);
    expect(machine.bytes(RAM_AGAIN, 8)).toEqual(before);
  }
});

/** Lets the host answer for devices; gives what it is asked, as address, bytes and value. */
function answering(machine: ReturnType<typeof execute>, answers: readonly number[]) {
  const { core, cpu } = machine;
  const translate = cpu.translate.bind(cpu);
  let at = 0;
  cpu.translate = (access, lo, hi, size, out) => {
    if (access === Access.fetch || lo < DEVICE || lo >= RAM_AGAIN)
      return translate(access, lo, hi, size, out);
    if (core.hasAnswer) return Translated.answered;
    at = lo;
    core.exit = "ask";
    return Translated.exitBefore;
  };
  const asked: [address: number, size: number, value: number][] = [];
  for (const answer of answers) {
    expect([core.run(100), core.exit]).toEqual(["exit", "ask"]);
    const { size, lo } = core.askedAccess();
    asked.push([at, size, lo % 2 ** (8 * size)]);
    core.answer(answer, 0);
  }
  return asked;
}

test("a host is asked for aligned pieces, and RAM has the rest", () => {
  const load = execute(loading(8, false), DEVICE - 3);
  expect(answering(load, [0x4433_2211, 0x55]).map(([at, size]) => [at, size])).toEqual([
    [DEVICE, 4],
    [DEVICE + 4, 1],
  ]);
  load.run();
  expect(load.core.big(value)).toBe(0x5544_3322_11ff_fefdn);

  const store = execute(storing(8), RAM_AGAIN - 3);
  const before = store.bytes(RAM_AGAIN, 5);
  expect(answering(store, [0, 0])).toEqual([
    [RAM_AGAIN - 3, 1, 0x11],
    [RAM_AGAIN - 2, 2, 0x3322],
  ]);
  // Nothing is stored before everything is answered.
  expect(store.bytes(RAM_AGAIN, 5)).toEqual(before);
  store.run();
  expect(store.bytes(RAM_AGAIN, 5)).toEqual([0x44, 0x55, 0x66, 0x77, 0x88]);
});
