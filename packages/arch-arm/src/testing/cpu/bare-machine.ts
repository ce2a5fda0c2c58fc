import { type Core, type DeviceBus, Engine, type Tier } from "@hypercraft/engine";
import { ARM_FLOATING_POINT, createPe } from "../../cpu/create-pe.js";
import { ARM_PAGE_WALKER } from "../../cpu/page-walker.js";
import type { ArmPe } from "../../cpu/pe.js";
import { armInstructions } from "../../isa/table.js";

const ARENA = 32 << 20;
const RAM_BYTES = 1 << 20;
/** Where RAM lies. PEs start at EL2. */
export const RAM = 0x4000_0000;

const NO_DEVICES: DeviceBus = { read: () => -1, write: () => false };

/** An instruction by its name in the table. */
export const a64 = (name: string, operands: Readonly<Record<string, number>> = {}): number =>
  armInstructions.named(name).encode(operands) >>> 0;

export interface BarePe {
  readonly core: Core;
  readonly pe: ArmPe;
}

export interface BareMachineOptions {
  readonly tier?: Tier;
  /** Number of PEs, all of which start at the same place; default 1. */
  readonly count?: number;
  /** Default 1 MiB. */
  readonly ramBytes?: number;
  /** First pc, default where RAM begins. */
  readonly start?: number;
  /** Default: no devices. */
  readonly bus?: DeviceBus;
  /** Walks in WebAssembly; by default they are. */
  readonly walks?: boolean;
}

/** PEs on an engine. Programs are instructions by offset in RAM. */
export class BareMachine {
  readonly pes: readonly BarePe[];
  readonly engine: Engine;
  /** The time that their clocks show, in nanoseconds. */
  ns = 0;

  constructor(
    programs: Readonly<Record<number, ArrayLike<number>>>,
    {
      tier = "cold",
      count = 1,
      ramBytes = RAM_BYTES,
      start = RAM,
      bus = NO_DEVICES,
      walks = true,
    }: BareMachineOptions = {},
  ) {
    const pages = (ARENA + ramBytes) / 65536;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const words = new Uint32Array(memory.buffer);
    for (const [offset, program] of Object.entries(programs))
      words.set(program, (ARENA + Number(offset)) / 4);
    this.engine = new Engine({
      memory,
      arena: { offset: 0, size: ARENA },
      ram: {
        ramOffset: (physical) => (physical >= RAM && physical < RAM + ramBytes ? ARENA + physical - RAM : -1),
        ranges: () => [{ physical: RAM, size: ramBytes, offset: ARENA }],
      },
      floatingPoint: ARM_FLOATING_POINT,
      tier,
      ...(walks && { pageWalker: ARM_PAGE_WALKER }),
    });
    const clock = { now: () => this.ns };
    this.pes = Array.from({ length: count }, (_, index) =>
      createPe(this.engine, { index, mode: "bare", clock, bus, resetVector: BigInt(start) }),
    );
    const domain = this.pes.map(({ pe }) => pe);
    for (const { pe } of this.pes) pe.domain = domain;
  }

  /** 64 bits at an offset in RAM. */
  read(offset: number): bigint {
    return new DataView(this.engine.bytes.buffer).getBigUint64(ARENA + offset, true);
  }

  write(offset: number, value: bigint): void {
    new DataView(this.engine.bytes.buffer).setBigUint64(ARENA + offset, value, true);
    this.engine.ramWritten(ARENA + offset, 8);
  }
}
