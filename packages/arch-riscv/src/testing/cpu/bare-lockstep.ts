import { type Core, Engine, type RunEnd, type Tier } from "@hypercraft/engine";
import { InstructionClock } from "@hypercraft/hypercraft";
import { expect } from "vitest";
import { createHart, RISCV_FLOATING_POINT } from "../../cpu/create-hart.js";
import type { RiscvHart } from "../../cpu/hart.js";
import { RISCV_PAGE_WALKER } from "../../cpu/page-walker.js";
import { X } from "../../cpu/state.js";
import { X_NAMES } from "../../isa/registers.js";
import { assemble } from "../vm/assembler.js";

// The same bare program in every execution tier, one step at a time: whatever is done to one is done to all, and
// after each step nothing may tell them apart.

/** Physical RAM, with the program at its start. */
export const RAM = 0x8000_0000;
const RAM_SIZE = 2 << 20;
const ARENA = 8 << 20;
const TIERS = ["cold", "hot", "auto"] as const satisfies readonly Tier[];

/** A hart that owns its machine, which has nothing but RAM. */
export interface BareGuest {
  readonly tier: Tier;
  readonly engine: Engine;
  readonly core: Core;
  readonly hart: RiscvHart;
  /** Write RAM as a device does. */
  write(address: number, bytes: Uint8Array): void;
}

/** A hart with a program at the start of its RAM, in one tier. */
export function createGuest(tier: Tier, image: Uint8Array): BareGuest {
  const pages = (ARENA + RAM_SIZE) / 65_536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const inRam = (physical: number): boolean => physical >= RAM && physical < RAM + RAM_SIZE;
  const engine = new Engine({
    memory,
    arena: { offset: 0, size: ARENA },
    ram: {
      ramOffset: (physical) => (inRam(physical) ? ARENA + physical - RAM : -1),
      ranges: () => [{ physical: RAM, size: RAM_SIZE, offset: ARENA }],
    },
    floatingPoint: RISCV_FLOATING_POINT,
    // The reference does all in JavaScript.
    ...(tier !== "cold" && { pageWalker: RISCV_PAGE_WALKER }),
    tier,
  });
  const bus = { read: () => -1, write: () => false };
  const clock = new InstructionClock();
  const { core, hart } = createHart(engine, {
    ...{ hartId: 0, mode: "bare", clock, bus },
    resetVector: BigInt(RAM),
  });
  const write = (address: number, bytes: Uint8Array): void => {
    engine.bytes.set(bytes, ARENA + address - RAM);
    engine.ramWritten(ARENA + address - RAM, bytes.length);
  };
  write(RAM, image);
  return { tier, engine, core, hart, write };
}

/** How a step ended, and what could be seen then. */
export interface Stop {
  readonly end: RunEnd;
  readonly pc: number;
  readonly instructions: number;
  readonly watched: bigint | undefined;
}

/** One program in all tiers. It starts in M-mode at the start of RAM and ends by WFI. */
export class Lockstep {
  readonly labels: ReadonlyMap<string, number>;
  private readonly guests: readonly BareGuest[];
  private steps = 0;

  constructor(source: string) {
    const { bytes, labels } = assemble(source, RAM);
    this.labels = labels;
    this.guests = TIERS.map((tier) => createGuest(tier, bytes));
  }

  /** The address of a label. */
  at(label: string): number {
    const address = this.labels.get(label);
    if (address === undefined) throw new Error(`no label ${label}`);
    return address;
  }

  /** Do the same to all. */
  all(action: (guest: BareGuest) => void): void {
    for (const guest of this.guests) action(guest);
  }

  /** Put code at a physical address, as it is to run at `base`. */
  place(address: number, source: string, base = address): void {
    const { bytes } = assemble(source, base, Object.fromEntries(this.labels));
    this.all((guest) => guest.write(address, bytes));
  }

  /** Put 64-bit words at a physical address. */
  put(address: number, words: readonly bigint[]): void {
    const view = new DataView(new ArrayBuffer(8 * words.length));
    for (const [i, word] of words.entries()) view.setBigUint64(8 * i, word, true);
    this.all((guest) => guest.write(address, new Uint8Array(view.buffer)));
  }

  /** Run all, and expect the same of them: end, state, counts and the trace, if there is one. */
  run(budget: number, trace = false): Stop & { readonly trace: readonly number[] } {
    this.steps++;
    const [cold, ...others] = this.guests.map((guest) => observe(guest, budget, trace));
    if (cold === undefined) throw new Error("no tiers");
    for (const [i, other] of others.entries())
      expect(other, `${TIERS[i + 1]}, step ${this.steps}, run of ${budget}`).toEqual(cold);
    const { end, state, watched, trace: traced } = cold;
    const pc = Number(BigInt.asUintN(52, state.fields.pc as bigint));
    return { end, pc, instructions: state.instructions, watched, trace: traced };
  }

  /** Run in slices of an odd length until the program ends; gives the number of instructions. */
  finish(slice = 1777): number {
    for (let n = 0; n < 20_000; n++) {
      const { end, instructions } = this.run(slice);
      if (end === "exit") return instructions;
    }
    throw new Error("the program does not end");
  }

  /** Registers by name, alike in all tiers once `run` has compared them. */
  registers(...names: readonly string[]): bigint[] {
    const { core } = this.guests[0] as BareGuest;
    return names.map((name) => core.big(X[X_NAMES.indexOf(name)] as NonNullable<(typeof X)[number]>));
  }

  /** Regions that were compiled in a tier. */
  compiled(tier: Exclude<Tier, "cold">): number {
    return this.guests.find((guest) => guest.tier === tier)?.engine.hot?.statistics.regions ?? 0;
  }

  /** Bytes of RAM, which are the same everywhere. */
  memory(address: number, length: number): Uint8Array {
    const read = ({ engine }: BareGuest) =>
      engine.bytes.slice(ARENA + address - RAM, ARENA + address - RAM + length);
    const [cold, ...others] = this.guests.map(read);
    for (const other of others) expect(other).toEqual(cold);
    return cold as Uint8Array;
  }
}

function observe({ core, hart }: BareGuest, budget: number, traced: boolean) {
  const trace: number[] = [];
  if (traced) core.onInstruction = () => trace.push(core.pcLo() >>> 0);
  const end = core.run(budget);
  core.onInstruction = null;
  hart.save();
  const { instructions, traps, fields } = core.state();
  return { end, exit: core.exit, watched: core.watchHit, trace, state: { instructions, traps, fields } };
}
