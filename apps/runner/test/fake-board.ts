// A machine without a CPU: a small guest made of JavaScript, for tests of everything around a machine.
import type { MachineClock } from "@hypercraft/machine";
import type { Architecture } from "../src/machine/architectures.js";
import type { Board, Machine, MachineEnd, MachineHost, MachineParts } from "../src/machine/contract.js";

/** Instructions of one turn, after which the host gets its turn. */
const SLICE = 1000;

/** Counts of a tier that has no code. */
const COLD = { instructions: 20, codeBytes: 100, blocks: 5, flushes: 0, links: 3, jumps: 2, dispatches: 1 };

interface FakeState {
  instructions: number;
  line: string;
  input: number[];
  /** What it does next: nothing, or count for ever. */
  busy: boolean;
}

/**
 * Prints `booted APPEND` and a prompt, then obeys lines: `exit N`, `code N`, `reset`, `crash` (a report), `throw` (a bug),
 * `throw later` (a bug outside of any promise), `spin`, `say TEXT`. Every character takes 100 instructions.
 */
class FakeMachine implements Machine {
  readonly dtb = Uint8Array.of(0xd0, 0x0d, 0xfe, 0xed);
  readonly #host: MachineHost;
  readonly #parts: MachineParts | undefined;
  readonly #state: FakeState;
  #stop = false;
  #booted: boolean;

  constructor(host: MachineHost, parts: MachineParts | undefined, state: FakeState | undefined) {
    this.#host = host;
    this.#parts = parts;
    this.#booted = state !== undefined;
    this.#state = state ?? { instructions: 0, line: "", input: [], busy: false };
  }

  async run({ maxInstructions = Number.POSITIVE_INFINITY }): Promise<MachineEnd> {
    this.inputArrived();
    const state = this.#state;
    const limit = state.instructions + maxInstructions;
    if (!this.#booted) {
      this.#booted = true;
      this.#print(`booted ${this.#parts?.append ?? ""}\n> `);
    }
    for (;;) {
      if (this.#stop) {
        this.#stop = false;
        return { kind: "stopped" };
      }
      if (state.instructions >= limit) return { kind: "budget" };
      if (!state.busy && state.input.length === 0) {
        await new Promise((resolve) => setImmediate(resolve));
        if (state.input.length === 0) return this.#stop ? { kind: "stopped" } : { kind: "idle" };
      }
      const end = this.#slice(Math.min(SLICE, limit - state.instructions));
      if (end !== undefined) return end;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #slice(most: number): MachineEnd | undefined {
    const state = this.#state;
    const last = state.instructions + most;
    if (state.busy) {
      state.instructions = last;
      this.#host.onInstruction?.("nop");
      return undefined;
    }
    while (state.input.length > 0 && state.instructions < last) {
      state.instructions = Math.min(last, state.instructions + 100);
      const character = String.fromCharCode(state.input.shift()!);
      if (character !== "\n" && character !== "\r") {
        state.line += character;
        continue;
      }
      const line = state.line;
      state.line = "";
      const end = this.#obey(line);
      if (end !== undefined) return end;
    }
    return undefined;
  }

  #obey(line: string): MachineEnd | undefined {
    const [word, rest = ""] = line.split(/ (.*)/s);
    this.#host.onExit?.(`line ${line}`);
    switch (word) {
      case "exit":
        return { kind: "shutdown", failure: Number(rest) !== 0, code: Number(rest) };
      case "code":
        return { kind: "exit", code: Number(rest) };
      case "reset":
        return { kind: "reset" };
      case "crash":
        return { kind: "failed", report: "register report\n  pc 0x1234\n" };
      case "throw":
        if (rest === "") throw new Error("a bug of the machine");
        setImmediate(() => {
          throw new Error("a bug elsewhere");
        });
        break;
      case "spin":
        this.#state.busy = true;
        break;
      case "say":
        this.#print(rest);
    }
    this.#print("\n> ");
    return undefined;
  }

  #print(text: string): void {
    for (const byte of new TextEncoder().encode(text)) this.#host.console.write(Uint8Array.of(byte));
  }

  stop(): void {
    this.#stop = true;
  }

  inputArrived(): void {
    for (let byte = this.#host.console.read(); byte >= 0; byte = this.#host.console.read())
      this.#state.input.push(byte);
  }

  unreadInput(): Uint8Array {
    return Uint8Array.from(this.#state.input);
  }

  statistics() {
    const exits = { total: 3, byKind: { hypercall: 2, wait: 1 }, byDetail: {} };
    const { instructions } = this.#state;
    const cold = { ...COLD, executed: instructions };
    return { instructions, exits, tlbFills: 7, cold: this.#host.now ? { ...cold, milliseconds: 2.5 } : cold };
  }

  unlistedRegions() {
    return this.#host.regionWatch === undefined ? [] : [{ pc: 0x10n, why: "unseen", executions: 0 } as const];
  }

  signature(): string | undefined {
    return this.#parts?.kernel?.name.includes("signed") ? "0000abcd\n" : undefined;
  }

  close(): void {
    closed.push(this.#parts?.name ?? "");
  }

  async save(): Promise<Uint8Array> {
    return new TextEncoder().encode(JSON.stringify(this.#state));
  }
}

/** The names of the machines that gave their places back. */
export const closed: string[] = [];

/** What the board was asked to make, in order. */
export const made: MachineParts[] = [];

const board: Board = {
  async create(parts) {
    made.push(parts);
    return new FakeMachine(parts, parts, undefined);
  },
  async restore(bytes, _name, host) {
    return new FakeMachine(host, undefined, JSON.parse(new TextDecoder().decode(bytes)) as FakeState);
  },
};

export const FAKE_ARCHITECTURES: readonly Architecture[] = [
  {
    name: "riscv64",
    aliases: ["riscv"],
    debianName: "riscv64",
    maps: ["qemu", "hchyper"],
    options: ["dtb"],
    needsFirmware: true,
    load: async () => ({ board, embeddedGuest: () => Uint8Array.of(1, 2, 3) }),
  },
  {
    name: "arm64",
    aliases: ["aarch64"],
    debianName: "arm64",
    maps: ["qemu"],
    options: ["gic", "semihosting"],
    needsFirmware: false,
  },
];

/** Whether a machine's time is made of instructions. */
export function isDeterministic(clock: MachineClock): boolean {
  return "retire" in clock;
}
