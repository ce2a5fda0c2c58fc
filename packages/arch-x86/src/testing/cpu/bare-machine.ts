import { type Core, Engine, type Tier } from "@hypercraft/engine";
import { RIGHTS } from "../../cpu/control-bits.js";
import type { X86Cpu } from "../../cpu/cpu.js";
import { createCpu, X86_FLOATING_POINT } from "../../cpu/create-cpu.js";
import { X86_PAGE_WALKER } from "../../cpu/page-walker.js";
import { X86_SHORTCUTS } from "../../cpu/shortcuts.js";
import { CR0, Seg } from "../../cpu/state.js";
import { BLOB, PROGRAM } from "./qemu-system.js";

const ARENA = 16 << 20;
const RAM = 64 << 20;
const PAGE = 65536;
const BUDGET = 50_000_000;
const SERIAL = 0x3f8;
const POWER = 0x604;

/** A processor with RAM, a serial port that only writes, and a way to turn it off. */
export interface BareMachine {
  readonly core: Core;
  readonly cpu: X86Cpu;
  readonly ram: Uint8Array;
  readonly output: readonly number[];
  /** Put a program where it begins. */
  load(program: Uint8Array): void;
}

/** `walks`: in WebAssembly, else all of them are JavaScript's. */
export function createBareMachine(tier: Tier, walks = true): BareMachine {
  const pages = (ARENA + RAM) / PAGE;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const engine = new Engine({
    memory,
    arena: { offset: 0, size: ARENA },
    ram: {
      ramOffset: (physical) => (physical < RAM ? ARENA + physical : -1),
      ranges: () => [{ physical: 0, size: RAM, offset: ARENA }],
    },
    ...(walks ? { pageWalker: X86_PAGE_WALKER, shortcuts: X86_SHORTCUTS } : {}),
    floatingPoint: X86_FLOATING_POINT,
    tier,
  });
  const output: number[] = [];
  let stop = (): void => undefined;
  const { core, cpu } = createCpu(engine, {
    index: 0,
    mode: "bare",
    clock: { now: () => 0 },
    bus: { read: () => -1, write: () => false },
    ports: {
      read: (_port, size) => 2 ** (8 * size) - 1,
      write(port, _size, value) {
        if (port === SERIAL) output.push(value & 0xff);
        else if (port === POWER) stop();
      },
    },
  });
  stop = () => core.stop();
  const ram = engine.bytes.subarray(ARENA, ARENA + RAM);
  return { core, cpu, ram, output, load: (program) => ram.set(program, PROGRAM) };
}

/** The state in which PVH enters a program: 32-bit protected mode, flat, no paging. */
export function enterProgram({ core, cpu }: BareMachine): void {
  const flat =
    RIGHTS.present | RIGHTS.segment | RIGHTS.writable | RIGHTS.accessed | RIGHTS.big | RIGHTS.granularity;
  core.set(CR0, 0x11, 0);
  const d = { low: 0, high: 0, base: 0, limit: 0xffff_ffff };
  cpu.segments.load(Seg.cs, 0x10, { ...d, rights: flat | RIGHTS.code });
  for (const number of [Seg.ds, Seg.es, Seg.ss, Seg.fs, Seg.gs])
    cpu.segments.load(number, 0x18, { ...d, rights: flat });
  cpu.reload();
  core.setPc(PROGRAM, 0);
}

/** Run a program until it stops the machine, and give what it wrote. Throws an Error if it does not. */
export function runOnCpu(
  program: Uint8Array,
  tier: Tier,
  blob = new Uint8Array(0),
  walks = true,
): Uint8Array {
  const machine = createBareMachine(tier, walks);
  machine.load(program);
  machine.ram.set(blob, BLOB);
  enterProgram(machine);
  const end = machine.core.run(BUDGET);
  if (end !== "stopped")
    throw new Error(
      `the program ended by ${end}: ${JSON.stringify(machine.core.exit, (_, v) => (typeof v === "bigint" ? v.toString(16) : v))} at ${machine.cpu.ip.toString(16)} after ${machine.output.length} bytes`,
    );
  return Uint8Array.from(machine.output);
}
