// Runs the benchmark program in a Linux guest on each side, in turns.
import { GuestConsole } from "./guest-console.ts";
import { PROGRAMS, type Program } from "./programs.ts";
import { type ProgramResult, parseResult, RESULT_LINE } from "./transcript.ts";

/** The busybox shell of the pulled guest waits for a command. */
export const PROMPT = /\/ # /;

/** Seconds that a boot or a program may take before it is given up. */
export const PATIENCE = 300;

/** Where the initramfs has the program. */
export const BENCH_PATH = "bench";

export type Side = "hypercraft" | "qemu";

export interface SideCommand {
  readonly side: Side;
  readonly command: readonly string[];
}

export interface ProgramMeasurement extends Program {
  /** Milliseconds of each round. */
  readonly samples: Readonly<Partial<Record<Side, readonly number[]>>>;
  readonly check: string;
}

export interface ProgramRun {
  readonly measurements: readonly ProgramMeasurement[];
  /** Part of a processor that a side used while the other one ran. */
  readonly idleLoad: Readonly<Partial<Record<Side, number>>>;
  /** Bytes that a side had in memory, at most. */
  readonly peakMemory: Readonly<Partial<Record<Side, number>>>;
}

export interface ProgramRunOptions {
  readonly sides: readonly SideCommand[];
  readonly programs: readonly string[];
  readonly rounds: number;
  readonly percent: number;
  /** Results that programs must have, where they are known. */
  readonly checks: Readonly<Record<string, string>>;
  readonly progress: (line: string) => void;
}

/**
 * One guest is booted on each side and kept waiting at its shell. A round takes program after program, each on
 * one side and then on the other.
 * @throws Error when a guest fails, or when a program's results are not the same everywhere
 */
export async function runPrograms(options: ProgramRunOptions): Promise<ProgramRun> {
  const { sides, programs, rounds, percent, progress } = options;
  const guests: RunningGuest[] = [];
  const results: { side: Side; result: ProgramResult }[] = [];
  try {
    for (const { side, command } of sides) {
      progress(`booting the guest: ${side}`);
      guests.push(await RunningGuest.boot(side, command));
    }
    for (let round = 1; round <= rounds; round++) {
      for (const name of programs) {
        for (const guest of guests) {
          const others = guests.filter((other) => other !== guest);
          const result = await measureIdle(others, () => guest.run(name, percent));
          results.push({ side: guest.side, result });
          progress(`round ${round} of ${rounds}: ${name} ${guest.side} ${result.milliseconds.toFixed(0)} ms`);
        }
      }
    }
    return {
      measurements: PROGRAMS.filter(({ name }) => programs.includes(name)).map((program) =>
        summarize(program, results, options.checks[program.name]),
      ),
      idleLoad: Object.fromEntries(guests.map(({ side, idleLoad }) => [side, idleLoad])),
      peakMemory: Object.fromEntries(guests.map(({ side, console }) => [side, console.peakMemory()])),
    };
  } finally {
    for (const { console } of guests) await console.close();
  }
}

class RunningGuest {
  readonly side: Side;
  readonly console: GuestConsole;
  #idleMs = 0;
  #idleCpuMs = 0;

  private constructor(side: Side, console: GuestConsole) {
    this.side = side;
    this.console = console;
  }

  /** Part of a processor used while it had nothing to do. */
  get idleLoad(): number {
    return this.#idleMs === 0 ? 0 : this.#idleCpuMs / this.#idleMs;
  }

  /** The guest had nothing to do for `milliseconds`, and used `cpuMilliseconds` of a processor. */
  wasIdle(milliseconds: number, cpuMilliseconds: number): void {
    this.#idleMs += milliseconds;
    this.#idleCpuMs += cpuMilliseconds;
  }

  static async boot(side: Side, command: readonly string[]): Promise<RunningGuest> {
    const console = new GuestConsole(side, command);
    try {
      await console.until(PROMPT, PATIENCE);
    } catch (error) {
      await console.close();
      throw error;
    }
    return new RunningGuest(side, console);
  }

  async run(name: string, percent: number): Promise<ProgramResult> {
    this.console.type(`/${BENCH_PATH} ${name} ${percent}\n`);
    const text = await this.console.until(RESULT_LINE, PATIENCE);
    await this.console.until(PROMPT, PATIENCE);
    return parseResult(text, name);
  }
}

/** Does `work`, and watches how much the guests that should wait use of the processor. */
async function measureIdle<T>(idle: readonly RunningGuest[], work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const before = idle.map(({ console }) => console.cpuMilliseconds());
  const result = await work();
  const elapsed = performance.now() - start;
  idle.forEach((guest, i) => {
    guest.wasIdle(elapsed, (guest.console.cpuMilliseconds() ?? 0) - (before[i] ?? 0));
  });
  return result;
}

/** @throws Error when the results differ */
function summarize(
  program: Program,
  all: readonly { readonly side: Side; readonly result: ProgramResult }[],
  known: string | undefined,
): ProgramMeasurement {
  const results = all.filter(({ result }) => result.name === program.name);
  const check = known ?? results[0]?.result.check ?? "";
  const wrong = results.find(({ result }) => result.check !== check);
  if (wrong !== undefined) {
    const origin = known === undefined ? `${results[0]?.side} has` : "it must be";
    throw new Error(`${program.name} on ${wrong.side} computed ${wrong.result.check}, ${origin} ${check}`);
  }
  const sides = [...new Set(results.map(({ side }) => side))];
  const samplesOf = (side: Side) =>
    results.filter((one) => one.side === side).map(({ result }) => result.milliseconds);
  return { ...program, samples: Object.fromEntries(sides.map((side) => [side, samplesOf(side)])), check };
}
