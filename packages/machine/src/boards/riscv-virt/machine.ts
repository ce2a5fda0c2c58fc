import type { HartVCpu, HartVCpuState, Plic, PlicState } from "@hypercraft/arch-riscv";
import { type Console, type ExitCounts, formatReport, type Vm, type VmRunResult } from "@hypercraft/hypercraft";
import type { ComponentState, Plain } from "../../contracts.js";
import { InputQueue } from "../../console/bytes.js";
import type { Device } from "../../devices/device.js";
import type { Htif } from "../../devices/htif.js";
import type { ElfFile } from "../../loaders/elf.js";
import type { HostMemory } from "../../memory/host-memory.js";
import { BusMemory } from "../../memory/guest-memory.js";
import type { SystemBus } from "../../memory/system-bus.js";
import { captureRam, restoreRam, type Snapshot } from "../../snapshot/snapshot.js";
import type { BoardHarts } from "./harts.js";

/** How a machine's run ended. */
export type MachineEnd =
  | { readonly kind: "shutdown"; readonly failure: boolean; readonly code: number }
  | { readonly kind: "reset" }
  | { readonly kind: "stopped" | "budget" | "idle" }
  | { readonly kind: "failed"; readonly report: string };

export interface MachineRunOptions {
  /** End with `budget` after exactly so many instructions. */
  readonly maxInstructions?: number;
  /** Instructions of one hart's slice. */
  readonly slice?: number;
  /** When every hart waits and nothing is due: wait for input (default), or end with `idle`. */
  readonly onIdle?: "wait" | "stop";
  readonly signal?: AbortSignal;
}

/** Counts since the machine was made. */
export interface MachineStatistics {
  readonly instructions: number;
  readonly traps: number;
  readonly exits: ExitCounts;
  readonly tlbFills: number;
  /** Blocks of guest code translated, and the bytes of micro-ops in the code cache. */
  readonly blocks: number;
  readonly codeBytes: number;
}

/** The parts a machine is assembled from. */
export interface MachineParts {
  readonly host: HostMemory;
  readonly bus: SystemBus;
  readonly harts: BoardHarts;
  readonly vm: Vm<HartVCpu>;
  readonly plic: Plic;
  readonly console: Console;
  readonly input: InputQueue;
  /** What a snapshot covers besides harts, PLIC and RAM, by name. */
  readonly components: ReadonlyMap<string, Pick<Device, "state" | "restore">>;
  readonly dtb: Uint8Array;
  readonly elf: ElfFile | undefined;
  readonly htif: Htif | undefined;
  readonly config: Plain;
}

const MACHINE_NAME = "riscv-virt";

/** A riscv-virt machine, ready to run. */
export class RiscvVirtMachine {
  readonly vm: Vm<HartVCpu>;
  readonly bus: SystemBus;
  readonly memory: BusMemory;
  readonly dtb: Uint8Array;
  private readonly parts: MachineParts;
  private ended: MachineEnd | undefined;

  constructor(parts: MachineParts) {
    this.parts = parts;
    this.vm = parts.vm;
    this.bus = parts.bus;
    this.memory = new BusMemory(parts.bus);
    this.dtb = parts.dtb;
  }

  /** Harts by id. */
  get harts(): readonly HartVCpu[] {
    return this.parts.harts.vcpus;
  }

  /** Run until the guest ends, a limit is met or `stop` is called. Rejects when it runs already or has ended. */
  async run(options: MachineRunOptions = {}): Promise<MachineEnd> {
    const { maxInstructions, slice, onIdle, signal } = options;
    const limits = {
      ...(slice === undefined ? {} : { slice }),
      ...(onIdle === undefined ? {} : { onIdle }),
      ...(signal === undefined ? {} : { signal }),
    };
    this.inputArrived();
    const before = this.statistics().instructions;
    for (;;) {
      if (this.ended !== undefined) return this.ended;
      const left = maxInstructions === undefined ? undefined : maxInstructions - (this.statistics().instructions - before);
      if (left !== undefined && left <= 0) return { kind: "budget" };
      // HTIF is a word in memory that has to be looked at from time to time.
      const chunk = this.parts.htif === undefined ? left : Math.min(left ?? HTIF_INTERVAL, HTIF_INTERVAL);
      const result = await this.vm.run({ ...limits, ...(chunk === undefined ? {} : { maxInstructions: chunk }) });
      this.parts.htif?.poll();
      if (this.ended !== undefined) return this.ended;
      if (result.kind === "budget" && chunk !== left) continue;
      return machineEnd(result);
    }
  }

  /** End the present run, or the next one, with `stopped`. */
  stop(): void {
    this.vm.stop();
    this.interruptRun();
  }

  /** A device ended the machine: test finisher, HTIF. */
  end(how: MachineEnd): void {
    this.ended ??= how;
    this.stop();
  }

  /** Leave the guest's code before its next instruction, so that the loop looks at deadlines and ends anew. */
  interruptRun(): void {
    for (const { core } of this.harts) core.stop();
  }

  /** The console may have input: take all of it. */
  inputArrived(): void {
    const { console, input } = this.parts;
    const bytes: number[] = [];
    for (let byte = console.read(); byte >= 0; byte = console.read()) bytes.push(byte);
    if (bytes.length > 0) input.push(Uint8Array.from(bytes));
  }

  statistics(): MachineStatistics {
    const { engine, vcpus } = this.parts.harts;
    const sum = (of: (vcpu: HartVCpu) => number) => vcpus.reduce((total, vcpu) => total + of(vcpu), 0);
    return {
      instructions: sum(({ core }) => core.instructions()),
      traps: sum(({ core }) => core.traps),
      exits: this.vm.stats.toJSON(),
      tlbFills: sum(({ core }) => core.tlb.fills),
      blocks: engine.code.translated,
      codeBytes: engine.code.used,
    };
  }

  /** Call back with a line of assembly before each instruction; slow. */
  traceInstructions(callback: ((line: string) => void) | undefined): void {
    for (const vcpu of this.harts) vcpu.core.onInstruction = callback === undefined ? null : () => callback(vcpu.disassemble());
  }

  /** Address of a symbol of the kernel or firmware, if that is an ELF file and has it. */
  symbol(name: string): number | undefined {
    const found = this.parts.elf?.symbols.get(name);
    return found === undefined ? undefined : Number(found.address);
  }

  /** Memory from `begin_signature` to `end_signature` as 32-bit words in hexadecimal, one a line. */
  signature(): string | undefined {
    const begin = this.symbol("begin_signature");
    const end = this.symbol("end_signature");
    if (begin === undefined || end === undefined) return undefined;
    let text = "";
    for (let at = begin; at < end; at += 4) text += `${this.memory.readU32(at).toString(16).padStart(8, "0")}\n`;
    return text;
  }

  /** The machine's architected state between two runs. Throws BadState while it runs. */
  snapshot(): Snapshot {
    const { bus, host, components, plic, input } = this.parts;
    const states: Record<string, ComponentState> = {};
    for (const [name, component] of components) states[name] = component.state();
    states["plic"] = plain(plic.state());
    states["vm"] = plain(this.vm.state());
    states["input"] = { version: 1, bytes: input.peek() };
    for (const vcpu of this.harts) states[`hart${vcpu.vcpuId}`] = plain(vcpu.save());
    const ram = bus.regions.flatMap((region) =>
      region.kind === "ram" ? [captureRam(region, host.bytes.subarray(region.offset, region.offset + region.size), { copy: true })] : []);
    return { machine: MACHINE_NAME, config: this.parts.config, components: states, ram };
  }

  /** Take over a snapshot of a machine of the same configuration. */
  restore(snapshot: Snapshot): void {
    const { components, plic, input } = this.parts;
    const state = (name: string): ComponentState => snapshot.components[name] ?? { version: 0 };
    for (const contents of snapshot.ram) restoreRam(contents, this.memory);
    for (const vcpu of this.harts) vcpu.load(state(`hart${vcpu.vcpuId}`) as unknown as HartVCpuState);
    for (const [name, component] of components) component.restore(state(name));
    plic.restore(state("plic") as unknown as PlicState);
    this.vm.restore(state("vm") as unknown as ReturnType<Vm["state"]>);
    input.clear();
    const typed = state("input")["bytes"];
    if (typed instanceof Uint8Array && typed.length > 0) input.push(typed);
  }
}

const HTIF_INTERVAL = 20_000;

/** Plain data that its own package types more closely than `Plain`. */
function plain(value: object): ComponentState {
  return value as unknown as ComponentState;
}

function machineEnd(result: VmRunResult): MachineEnd {
  switch (result.kind) {
    case "shutdown":
      return { kind: "shutdown", failure: result.failure, code: result.code };
    case "halted":
      return { kind: "shutdown", failure: false, code: 0 };
    case "reset":
      return { kind: "reset" };
    case "failed":
      return { kind: "failed", report: formatReport(result.report) };
    case "debug":
      return { kind: "stopped" };
    default:
      return { kind: result.kind };
  }
}
