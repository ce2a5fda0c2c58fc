import {
  Access,
  type CodeSource,
  type Core,
  Engine,
  type EngineOptions,
  type GuestCpu,
  type IrBuilder,
  type StateLayout,
  Status,
  type Tier,
  Translated,
  type Translation,
} from "../index.js";

// User-mode programs on the engine, with the least CPU model that can run them: flat memory, no interrupts.

const ARENA = 16 << 20;
const RAM = 32 << 20;
const PAGE = 65536;
const BUDGET = 100_000_000;

/** The part of such a CPU model that is the same for every architecture. */
export abstract class FlatUserCpu implements GuestCpu {
  abstract readonly layout: StateLayout;
  protected readonly core: Core;

  constructor(core: Core) {
    this.core = core;
  }

  abstract codeMode(): number;
  abstract lift(builder: IrBuilder, source: CodeSource, offset: number, mode: number): number;
  abstract helper(id: number, constant: number, aLo: number, aHi: number, bLo: number, bHi: number): Status;

  translateFetch(lo: number, hi: number, out: Translation): Translated {
    return this.translate(Access.fetch, lo, hi, 4, out);
  }

  translate(_access: Access, lo: number, _hi: number, _size: number, out: Translation): Translated {
    out.physical = lo >>> 0;
    out.readable = true;
    out.writable = true;
    out.cacheable = true;
    out.pageShift = 12;
    return Translated.ok;
  }

  misaligned(_access: Access, lo: number): Status {
    return this.fail(`misaligned access to 0x${(lo >>> 0).toString(16)}`);
  }

  physicalAccess(_access: Access, physical: number): Status {
    return this.fail(`access to 0x${physical.toString(16)}`);
  }

  takeInterrupt(): boolean {
    return false;
  }

  protected fail(why: string): typeof Status.exitBefore {
    this.core.exit = `${why} at 0x${(this.core.pcLo() >>> 0).toString(16)}`;
    return Status.exitBefore;
  }
}

/** The exit of a program that makes its first system call. */
export const SYSTEM_CALL = "system call";

export interface FlatProgram {
  readonly image: Uint8Array;
  readonly base: number;
}

/** A program on an engine of its own, to be run in slices. */
export interface FlatUser {
  readonly engine: Engine;
  readonly core: Core;
  /** Run at most so many instructions; true when the program has ended. Throws an Error for any other end. */
  run(budget: number): boolean;
  /** Run to the end. Throws an Error if that takes too long. */
  finish(): void;
  /** Memory from the program's base on. */
  memory(): Uint8Array;
}

export interface FlatUserOptions {
  readonly cpu: (core: Core) => FlatUserCpu;
  readonly floatingPoint: NonNullable<EngineOptions["floatingPoint"]>;
  readonly shortcuts?: NonNullable<EngineOptions["shortcuts"]>;
  readonly tier?: Tier;
  /** A small arena has little room for code. */
  readonly arenaSize?: number;
}

/** Load a program. Throws a RangeError if it is too large for the memory. */
export function createFlatUser(
  { image, base }: FlatProgram,
  { cpu, floatingPoint, shortcuts, tier = "auto", arenaSize = ARENA }: FlatUserOptions,
): FlatUser {
  const pages = (ARENA + RAM) / PAGE;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const engine = new Engine({
    memory,
    arena: { offset: 0, size: arenaSize },
    ram: { ramOffset: (physical) => (physical < RAM ? ARENA + physical : -1) },
    floatingPoint,
    ...(shortcuts !== undefined && { shortcuts }),
    tier,
  });
  if (base + image.length > RAM) throw new RangeError("too many cases for the memory");
  engine.bytes.set(image, ARENA + base);
  const core = engine.createCore();
  core.attach(cpu(core));
  core.setPc(base, 0);
  const run = (budget: number): boolean => {
    const end = core.run(budget);
    if (end === "budget") return false;
    if (end === "exit" && core.exit === SYSTEM_CALL) return true;
    throw new Error(`the program ended by ${end}: ${String(core.exit)}`);
  };
  return {
    engine,
    core,
    run,
    finish: () => {
      if (!run(BUDGET)) throw new Error(`the program does not end within ${BUDGET} instructions`);
    },
    memory: () => engine.bytes.subarray(ARENA + base),
  };
}
