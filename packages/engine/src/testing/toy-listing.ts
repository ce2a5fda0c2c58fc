import type { Core } from "../core/core.js";
import type { Engine, Tier } from "../core/engine.js";
import { IrBuilder } from "../ir/builder.js";
import { printBlock } from "../ir/print.js";
import { formatListing } from "../listing/format.js";
import type { RegionListing } from "../listing/listing.js";
import { RegionWatch } from "../listing/region-watch.js";
import { ARENA, createToy, putWords, setRegisters } from "./toy-machine.js";

// Compiled code of small programs of the toy CPU, for golden files.

/** Where programs are put and started. */
export const ORIGIN = 0x1000;
const SLICE = 100;

export interface ToyProgram {
  /** Code at ORIGIN, and at other addresses. */
  readonly code: readonly number[];
  readonly elsewhere?: Readonly<Record<number, readonly number[]>>;
  /** First values of registers. */
  readonly registers?: Readonly<Record<number, bigint>>;
}

/** A machine with the program, about to start. */
export function loadToy(
  { code, elsewhere = {}, registers = {} }: ToyProgram,
  tier: Tier = "hot",
): { readonly engine: Engine; readonly core: Core } {
  const machine = createToy({ tier });
  const { engine, core } = machine;
  for (const [address, words] of [[ORIGIN, code], ...Object.entries(elsewhere)] as const)
    putWords(machine, Number(address), words);
  setRegisters(machine, registers);
  core.setPc(ORIGIN, 0);
  return { engine, core };
}

/** Run to the end, in slices. */
export function runToy(core: Core): void {
  while (core.run(SLICE) === "budget");
}

/** The first region that holds the instruction at an address. The program has to end, and to run often enough. */
export function compiledToy(program: ToyProgram, pc = ORIGIN): RegionListing {
  const { engine, core } = loadToy(program);
  let found: RegionListing | undefined;
  engine.regionWatch = new RegionWatch({ pcs: [BigInt(pc)], onRegion: (listing) => (found = listing) });
  runToy(core);
  if (found === undefined) throw new Error(`nothing was compiled at 0x${pc.toString(16)}`);
  return found;
}

/** IR of the first instructions as they were lifted, without any simplification, and the code that they become. They must be in one block. */
export function passedToy(program: ToyProgram, instructions: number): string {
  const { engine, core } = loadToy(program);
  const { source } = engine;
  source.page = ARENA + ORIGIN;
  const b = new IrBuilder({ simplify: false });
  let offset = 0;
  for (let i = 0; i < instructions; i++) {
    b.instruction(offset);
    offset += core.cpu.lift(b, source, offset, 0);
  }
  const listing = compiledToy(program);
  const rows = listing.rows.filter(({ kind, pc }) => kind === "instruction" && pc < ORIGIN + offset);
  // Not the title: the size of all of the region does not belong here.
  const [, ...compiled] = formatListing({ ...listing, rows }).split("\n");
  return `As lifted:\n\n${printBlock(b.finish(offset))}\n\nCompiled:\n\n${compiled.join("\n")}`;
}
