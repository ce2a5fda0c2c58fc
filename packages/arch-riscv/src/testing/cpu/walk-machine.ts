import { type Core, Engine } from "@hypercraft/engine";
import { InstructionClock } from "@hypercraft/hypercraft";
import { createHart } from "../../cpu/create-hart.js";
import type { RiscvHart } from "../../cpu/hart.js";
import { RISCV_PAGE_WALKER } from "../../cpu/page-walker.js";
import { X } from "../../cpu/state.js";
import { X_NAMES } from "../../isa/registers.js";
import { assemble } from "../vm/assembler.js";
import { RAM } from "./fake-core.js";
import type { TestRam } from "./page-tables.js";

const ARENA = 8 << 20;
/** RAM for tables and data; behind it lies the program. */
const RAM_BYTES = 1 << 18;
const PROGRAM = RAM + RAM_BYTES;
const PROGRAM_BYTES = 1 << 16;

/** One access, at the address in a0, and the end of the run; so are traps. */
const ACCESSES = {
  lb: "lb t0, 0(a0)",
  lhu: "lhu t0, 0(a0)",
  ld: "ld t0, 0(a0)",
  sb: "sb a1, 0(a0)",
  sd: "sd a1, 0(a0)",
  amo: "amoadd.d t0, a1, (a0)",
  lr: "lr.w t0, (a0)",
  sc: "sc.d t0, a1, (a0)",
} as const;
export type WalkAccess = keyof typeof ACCESSES;
export const WALK_ACCESSES = Object.keys(ACCESSES) as WalkAccess[];

/** A hart on an engine, with the walk in WebAssembly or without, that makes accesses one by one. */
export class WalkMachine implements TestRam {
  readonly ramBytes = RAM_BYTES;
  readonly engine: Engine;
  readonly core: Core;
  readonly hart: RiscvHart;
  private readonly view: DataView;
  private readonly labels: ReadonlyMap<string, number>;

  constructor(walks: boolean) {
    const pages = (ARENA + RAM_BYTES + PROGRAM_BYTES) / 65_536;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const size = RAM_BYTES + PROGRAM_BYTES;
    this.engine = new Engine({
      memory,
      arena: { offset: 0, size: ARENA },
      ram: {
        ramOffset: (at) => (at >= RAM && at < RAM + size ? ARENA + at - RAM : -1),
        ranges: () => [{ physical: RAM, size, offset: ARENA }],
      },
      tier: "cold",
      ...(walks && { pageWalker: RISCV_PAGE_WALKER }),
    });
    const bus = { read: () => -1, write: () => false };
    const options = { hartId: 0, mode: "bare", clock: new InstructionClock(), bus } as const;
    const { core, hart } = createHart(this.engine, options);
    this.core = core;
    this.hart = hart;
    this.view = new DataView(memory.buffer, ARENA);
    const source = Object.entries(ACCESSES).map(([name, text]) => `.align 64\n${name}: ${text}\nwfi`);
    const { bytes, labels } = assemble(`.align 64\ntrap: wfi\n${source.join("\n")}`, PROGRAM);
    this.labels = labels;
    this.engine.bytes.set(bytes, ARENA + PROGRAM - RAM);
  }

  /** As new, but for what the program is translated to. */
  reset(): void {
    this.ram.fill(0);
    this.engine.ramWritten(ARENA, RAM_BYTES);
    this.hart.reset(0n);
    this.hart.writeCsr("mtvec", BigInt(this.label("trap")));
  }

  /** Make an access in M-mode, whose loads and stores may be another's by MPRV. */
  access(how: WalkAccess, address: bigint, value: bigint): void {
    const { core } = this;
    core.setBig(X[X_NAMES.indexOf("a0")]!, address);
    core.setBig(X[X_NAMES.indexOf("a1")]!, value);
    this.hart.setMode(3, 0);
    core.setPc(this.label(how) | 0, 0);
    const end = core.run(100);
    if (end !== "exit") throw new Error(`the access ended by ${end}`);
  }

  register(name: string): bigint {
    return this.core.big(X[X_NAMES.indexOf(name)]!);
  }

  /** TLB entries made so far: all, and by walks in WebAssembly. */
  get fills(): { readonly all: number; readonly walks: number } {
    const { tlbFills, walks } = this.core.statistics();
    return { all: tlbFills, walks };
  }

  get ram(): Uint8Array {
    return this.engine.bytes.subarray(ARENA, ARENA + RAM_BYTES);
  }
  read64(physical: number): bigint {
    return this.view.getBigUint64(physical - RAM, true);
  }
  write64(physical: number, value: bigint): void {
    this.view.setBigUint64(physical - RAM, BigInt.asUintN(64, value), true);
    this.engine.ramWritten(ARENA + physical - RAM, 8);
  }

  /** Address of a part of the program. */
  label(name: string): number {
    return this.labels.get(name) as number;
  }
}
