import type { GuestMemoryInterface } from "@hypercraft/guest-page-table";
import { type Clock, isVirtualClock } from "./clock.js";
import { BufferConsole, type Console } from "./console.js";
import { DeviceBus } from "./device-bus.js";
import { HyperError } from "./error.js";
import type { ExitAnswer, IpiExit, MmioReadExit, MmioWriteExit, VmExitInfo } from "./exit.js";
import {
  DONE,
  type ExitHandler,
  type ExitHandlers,
  type ExitOutcome,
  FAULT,
  RESUME,
} from "./exit-handlers.js";
import { ExitStats } from "./exit-stats.js";
import type { GuestMemory } from "./guest-memory.js";
import type { HyperCraftHal } from "./hal.js";
import { reportOn } from "./report.js";
import { isResumable, type VmRunResult } from "./run-result.js";
import { RunSpeed } from "./run-speed.js";
import {
  type RunOptions,
  runTogether,
  type Schedulable,
  type TurnLimits,
  type TurnOutcome,
} from "./scheduler.js";
import { DeadlineQueue } from "./timer-queue.js";
import type { VCpu } from "./vcpu.js";
import type { VmCpus } from "./vcpus.js";

/** What a VM is made of. */
export interface VmOptions<V extends VCpu = VCpu, G extends GuestMemoryInterface = GuestMemoryInterface> {
  readonly vcpus: VmCpus<V>;
  readonly guestPageTable: G;
  /** Tag of the VM's translations, from the host's allocator. */
  readonly vmid: number;
  readonly clock: Clock;
  /** For reports; default "VM <vmid>". */
  readonly name?: string;
  /** Timers of the VM's devices; default: a queue of its own. */
  readonly timers?: DeadlineQueue;
  /** Devices in guest-physical space; default: an empty bus. */
  readonly mmio?: DeviceBus;
  /** Devices in the I/O port space; default: an empty bus. */
  readonly ports?: DeviceBus;
  /** Default: a console in memory. */
  readonly console?: Console;
  /** The guest's RAM, for the vCPUs' firmware calls and for the owner; a VM does not need it by itself. */
  readonly memory?: GuestMemory;
  /** Consulted before the VM's own handling of an exit. */
  readonly handlers?: ExitHandlers<V>;
  /** Sees every exit first; see `HyperCraftHal.onVmExit`. */
  readonly onVmExit?: HyperCraftHal["onVmExit"];
  /** The vCPU that starts powered on; default 0. */
  readonly bootVcpuId?: number;
  /**
   * An access that no device and no handler answers: `fault` (default) gives the guest its architecture's
   * fault, or all ones from an I/O port; `report` ends the VM.
   */
  readonly unmapped?: "fault" | "report";
}

/** Where the round robin stands: what a VM needs besides its parts to continue the same way. Plain data. */
export interface VmState {
  readonly version: 1;
  readonly currentVcpuId: number;
  /** Instructions left of the current vCPU's slice, 0 when the next turn begins a new one. */
  readonly sliceLeft: number;
}

const SLICE_ALONE = 300_000;
const SLICE_SHARED = 20_000;
/** How late timers of the real world may be without anything done about it, in nanoseconds. */
const PROMPT_NS = 1_000_000;
/** Instructions of a run that is to end at such a timer, at least. */
const SHORTEST_RUN = 1000;
/** Where the host kept the guest waiting, it has so long for each timer, and at least so many instructions. */
const CATCHING_UP_NS = 500_000;
const CATCHING_UP = 10_000;

/** Exits take the host's time, not the guest's instructions: so many take about as long as a slice without any. */
const EXITS_PER_TURN = 256;

// A guest whose fault handler faults the same way makes no progress. A handful in a row can be legitimate.
const SAME_FAULTS_LIMIT = 64;

const RAN: TurnOutcome = { kind: "ran" };
const RAN_LONG: TurnOutcome = { kind: "ran", long: true };
const SUCCESS: ExitAnswer = { kind: "status", status: "success" };
const INVALID_PARAM: ExitAnswer = { kind: "status", status: "invalidParam" };
const ALREADY_ON: ExitAnswer = { kind: "status", status: "alreadyOn" };

interface FaultStreak {
  pc: bigint;
  gpa: number;
  retired: number;
  count: number;
}

/** One virtual machine: its vCPUs, its second stage, its devices, and the loop that serves their exits. */
export class Vm<V extends VCpu = VCpu, G extends GuestMemoryInterface = GuestMemoryInterface>
  implements Schedulable
{
  readonly name: string;
  readonly vmid: number;
  readonly vcpus: VmCpus<V>;
  readonly guestPageTable: G;
  readonly clock: Clock;
  readonly timers: DeadlineQueue;
  readonly mmio: DeviceBus;
  readonly ports: DeviceBus;
  readonly console: Console;
  readonly memory: GuestMemory | undefined;
  readonly stats = new ExitStats();
  readonly #options: VmOptions<V, G>;
  readonly #order: readonly V[];
  readonly #faults = new Map<V, FaultStreak>();
  #cursor: number;
  readonly #speed = new RunSpeed();
  #sliceLeft = 0;
  #stopRequested = false;
  #held: Promise<void> | undefined;
  #heldError: { readonly error: unknown } | undefined;
  #result: VmRunResult | undefined;
  #onWake: (() => void) | undefined;

  /** Throws InvalidParam without vCPUs, NotFound when the boot vCPU is none of them. */
  constructor(options: VmOptions<V, G>) {
    this.#options = options;
    this.vmid = options.vmid;
    this.name = options.name ?? `VM ${options.vmid}`;
    this.vcpus = options.vcpus;
    this.guestPageTable = options.guestPageTable;
    this.clock = options.clock;
    this.timers = options.timers ?? new DeadlineQueue();
    this.mmio = options.mmio ?? DeviceBus.mmio();
    this.ports = options.ports ?? DeviceBus.ports();
    this.console = options.console ?? new BufferConsole();
    this.memory = options.memory;
    this.#order = [...options.vcpus];
    if (this.#order.length === 0) throw new HyperError("InvalidParam", `${this.name} has no vCPU`);
    this.#cursor = this.#order.indexOf(options.vcpus.getVcpu(this.bootVcpuId));
  }

  get bootVcpuId(): number {
    return this.#options.bootVcpuId ?? 0;
  }

  /** How the VM ended for good, or undefined while it can be run. */
  get result(): VmRunResult | undefined {
    return this.#result;
  }

  get onWake(): (() => void) | undefined {
    return this.#onWake;
  }

  set onWake(callback: (() => void) | undefined) {
    this.#onWake = callback;
    this.timers.onEarlier = callback;
  }

  /**
   * Gives a vCPU this VM's second stage. The boot vCPU becomes Ready, the others PoweredOff until the guest
   * starts them; `power` overrides that. Throws NotFound, and BadState the second time.
   */
  initVcpu(vcpuId: number, power: "on" | "off" = vcpuId === this.bootVcpuId ? "on" : "off"): V {
    const vcpu = this.vcpus.getVcpu(vcpuId);
    const { guestPageTable, vmid, clock, stats, vcpus, console, memory } = this;
    const onWake = () => this.#onWake?.();
    vcpu.setup({ guestPageTable, vmid, clock, stats, vcpus, console, memory, onWake }, power);
    return vcpu;
  }

  /**
   * Runs until the guest ends the VM or a limit is met; see `RunOptions` and `VmRunResult`. Rejects with BadState
   * when it is running, has ended for good, or has a vCPU without `initVcpu`.
   */
  async run(options: RunOptions = {}): Promise<VmRunResult> {
    this.requireRunnable();
    const results = await runTogether<Schedulable>([this], options);
    return results.get(this)!;
  }

  /** Throws BadState when the VM has ended for good or has a vCPU without `initVcpu`. */
  requireRunnable(): void {
    if (this.#result !== undefined)
      throw new HyperError("BadState", `${this.name} has ended with "${this.#result.kind}"`);
    const raw = this.#order.find((vcpu) => vcpu.state === "Created");
    if (raw !== undefined)
      throw new HyperError("BadState", `${this.name}: vCPU ${raw.vcpuId} was not initialized`);
  }

  /** Ends the present run with `stopped` after the exit being served or to come; without a run, the next one. */
  stop(): void {
    this.#stopRequested = true;
    this.#onWake?.();
  }

  /** Where the round robin stands. The vCPUs, devices, memory and clock are saved by whoever made them. */
  state(): VmState {
    return { version: 1, currentVcpuId: this.#order[this.#cursor]!.vcpuId, sliceLeft: this.#sliceLeft };
  }

  /** Throws InvalidParam for a state of another version, NotFound for a vCPU that is not there. */
  restore(state: VmState): void {
    if (state.version !== 1)
      throw new HyperError("InvalidParam", `VM state version ${state.version} is not 1`);
    this.#cursor = this.#order.indexOf(this.vcpus.getVcpu(state.currentVcpuId));
    this.#sliceLeft = state.sliceLeft;
  }

  /** Several vCPUs take shorter slices, and so more of them, than one that is alone. */
  get turnsInPass(): number {
    return SLICE_ALONE / this.#defaultSlice();
  }

  /** One slice of the next vCPU that can run: the step that `run` repeats. Throws BadState once ended. */
  turn(limits: TurnLimits): TurnOutcome {
    this.requireRunnable();
    if (this.#heldError !== undefined) return this.#fail("a device failed", this.#heldError.error);
    if (this.#held !== undefined && !this.#stopRequested) return { kind: "held", until: this.#held };
    if (this.#stopRequested) {
      this.#stopRequested = false;
      return this.#end({ kind: "stopped" });
    }
    if (limits.instructionsLeft <= 0) return this.#end({ kind: "budget" });
    try {
      return this.#runDueTimers() ?? this.#turnOfNext(limits);
    } catch (error) {
      return this.#fail("the hypervisor failed", error);
    }
  }

  /**
   * Serves one exit of a vCPU of this VM: counts it, asks hook, handlers and devices, answers the vCPU. Returns
   * how the run ends, or undefined when the vCPU can be run on. For loops that run a vCPU exit by exit.
   */
  handleExit(vcpu: V, exit: VmExitInfo): VmRunResult | undefined {
    this.stats.count(exit.kind, exit.raw.reason);
    const outcome =
      this.#options.onVmExit?.(vcpu, exit) ?? this.#askHandler(vcpu, exit) ?? this.#handle(vcpu, exit);
    if (outcome === undefined) return this.#report(vcpu, exit, `nobody handles this ${exit.kind} exit`);
    if (outcome.kind === "end") return outcome.result;
    if (outcome.kind === "resume") {
      if (vcpu.pendingExit === undefined) return undefined;
      return this.#report(vcpu, exit, `the handler of ${exit.kind} exits resumed without an answer`);
    }
    const stuck = outcome.kind === "fault" && this.#faultsForEver(vcpu, exit);
    vcpu.completeExit(outcome);
    return stuck ? this.#report(vcpu, exit, "the guest faults at one place for ever") : undefined;
  }

  #turnOfNext(limits: TurnLimits): TurnOutcome {
    // Taken before the vCPUs are asked: a deadline that passes meanwhile must not be taken for one they knew of.
    const now = this.clock.now();
    if (!isVirtualClock(this.clock)) this.#letTimePass(now);
    const vcpu = this.#pickNext();
    if (vcpu !== undefined) return this.#runTimedSlice(vcpu, limits, now);
    if (this.#order.every(({ state }) => state === "PoweredOff")) return this.#end({ kind: "halted" });
    const deaf = this.#order.every((one) => one.deaf === true);
    return { kind: "idle", deadline: deaf ? Number.POSITIVE_INFINITY : this.#nextDeadline(now) };
  }

  /** The next Ready vCPU in round-robin order; one whose wait is over becomes Ready by this. */
  #pickNext(): V | undefined {
    const count = this.#order.length;
    for (let step = 0; step < count; step++) {
      const index = (this.#cursor + step) % count;
      const vcpu = this.#order[index]!;
      if (vcpu.state === "Blocked" && vcpu.hasWakeEvent()) vcpu.wake();
      if (vcpu.state !== "Ready") continue;
      if (step > 0) this.#beginSlice(index);
      return vcpu;
    }
    return undefined;
  }

  #beginSlice(index: number): void {
    this.#cursor = index;
    this.#sliceLeft = 0;
  }

  #runTimedSlice(vcpu: V, limits: TurnLimits, startNs: number): TurnOutcome {
    const before = vcpu.retired;
    const outcome = this.#runSlice(vcpu, limits);
    if (isVirtualClock(this.clock)) return outcome;
    const now = this.clock.now();
    // Time that is made up for says nothing of the guest's speed.
    if (!this.#late) this.#speed.record(vcpu.retired - before, now - startNs);
    return outcome;
  }

  #runSlice(vcpu: V, limits: TurnLimits): TurnOutcome {
    if (this.#sliceLeft === 0) this.#sliceLeft = limits.slice ?? this.#defaultSlice();
    let ending: TurnOutcome | undefined;
    // A guest may exit for ever without an instruction done; the host must get its turn all the same.
    let exits = 0;
    for (; exits < EXITS_PER_TURN && ending === undefined; exits++) {
      if (this.#sliceLeft === 0 || limits.instructionsLeft <= 0 || vcpu.state !== "Ready") break;
      // A device that switched the machine off did so before the guest's next instruction.
      if (this.#stopRequested) break;
      const before = vcpu.retired;
      const exit = vcpu.run(Math.min(this.#sliceLeft, limits.instructionsLeft, this.#untilDeadline()));
      this.#charge(vcpu.retired - before, limits);
      if (exit.kind === "budgetSpent" && exit.yields === true) this.#sliceLeft = 0;
      const settled = vcpu.retired;
      const result = this.handleExit(vcpu, exit);
      // An answer may finish its instruction at once.
      this.#charge(vcpu.retired - settled, limits);
      ending = result === undefined ? this.#runDueTimers() : this.#end(result);
    }
    if (this.#sliceLeft === 0 || vcpu.state !== "Ready")
      this.#beginSlice((this.#cursor + 1) % this.#order.length);
    return ending ?? (exits < EXITS_PER_TURN ? RAN : RAN_LONG);
  }

  #charge(instructions: number, limits: TurnLimits): void {
    if (instructions === 0) return;
    this.#sliceLeft = Math.max(0, this.#sliceLeft - instructions);
    limits.instructionsLeft -= instructions;
    if (isVirtualClock(this.clock)) this.clock.retire(instructions);
  }

  #defaultSlice(): number {
    let on = 0;
    for (const { state } of this.#order) if (state !== "PoweredOff") on += 1;
    return on > 1 ? SLICE_SHARED : SLICE_ALONE;
  }

  /** Instructions until something is due, at least 1, as far as can be told. */
  #untilDeadline(): number {
    if (!isVirtualClock(this.clock)) return this.#aboutUntilDeadline();
    const deadline = this.#nextDeadline();
    if (deadline === Number.POSITIVE_INFINITY) return deadline;
    return Math.max(1, this.clock.instructionsUntil(deadline));
  }

  /** By the speed so far. A slice that is over in no time needs no such care. */
  #aboutUntilDeadline(): number {
    const now = this.clock.now();
    const deadline = this.#letTimePass(now);
    if (deadline === Number.POSITIVE_INFINITY) return deadline;
    if (this.#late) return Math.max(CATCHING_UP, this.#speed.instructionsIn(CATCHING_UP_NS));
    if (this.#sliceLeft <= this.#speed.instructionsIn(PROMPT_NS)) return Number.POSITIVE_INFINITY;
    return Math.max(SHORTEST_RUN, this.#speed.instructionsIn(deadline - now));
  }

  /** The host kept the guest waiting beyond what was due, when the time was last asked. */
  get #late(): boolean {
    return (this.clock.behindNs ?? 0) > PROMPT_NS;
  }

  /** Time goes on until what is due next, which is when. */
  #letTimePass(now: number): number {
    const deadline = this.#nextDeadline(now);
    this.clock.holdAt?.(deadline);
    return deadline;
  }

  /** The next deadline ahead. One that has passed is known to its vCPU, which has its reasons to wait on. */
  #nextDeadline(now: number = this.clock.now()): number {
    let next = this.timers.nextDeadline();
    for (const vcpu of this.#order) {
      if (vcpu.state === "PoweredOff") continue;
      const deadline = vcpu.nextDeadline();
      if (deadline > now && deadline < next) next = deadline;
    }
    return next;
  }

  #runDueTimers(): TurnOutcome | undefined {
    const promise = this.timers.runDue(this.clock.now());
    if (promise === undefined) return undefined;
    const until = promise.then(
      () => {
        this.#held = undefined;
      },
      (error: unknown) => {
        this.#held = undefined;
        this.#heldError = { error };
      },
    );
    this.#held = until;
    return { kind: "held", until };
  }

  #askHandler(vcpu: V, exit: VmExitInfo): ExitOutcome | undefined {
    // The table's key and the exit's kind agree by its type, which the index access cannot express.
    const handler = this.#options.handlers?.[exit.kind] as ExitHandler<typeof exit.kind, V> | undefined;
    return handler?.(exit as never, vcpu);
  }

  /** What a VM does by itself; undefined for what only its owner can know. */
  #handle(vcpu: V, exit: VmExitInfo): ExitOutcome | undefined {
    const { vcpuId } = vcpu;
    switch (exit.kind) {
      case "mmioRead":
        return this.#readMmio(exit) ?? this.#unmapped();
      case "mmioWrite":
        return this.#writeMmio(exit) ?? this.#unmapped();
      case "nestedPageFault":
        return this.#unmapped();
      case "portRead": {
        const value = this.ports.read(exit.port, exit.width);
        if (value >= 0) return { kind: "value", lo: value, hi: 0 };
        // Nothing drives an open bus low.
        return this.#unmapped() && { kind: "value", lo: 0xffff_ffff, hi: 0 };
      }
      case "portWrite":
        return this.ports.write(exit.port, exit.width, exit.value) ? DONE : this.#unmapped() && DONE;
      case "cpuUp": {
        const target = this.vcpus.find(exit.target);
        if (target === undefined) return INVALID_PARAM;
        if (target.state !== "PoweredOff") return ALREADY_ON;
        target.powerOn(exit.entry, exit.arg);
        return SUCCESS;
      }
      case "cpuDown":
        vcpu.powerOff();
        return RESUME;
      case "ipi":
        return this.#sendIpi(vcpu, exit);
      case "systemShutdown": {
        const { failure, code } = exit;
        return { kind: "end", result: { kind: "shutdown", vcpuId, failure, code } };
      }
      case "systemReset": {
        const { warm, failure, code } = exit;
        return { kind: "end", result: { kind: "reset", vcpuId, warm, failure, code } };
      }
      case "debugStop":
        return { kind: "end", result: { kind: "debug", vcpuId, exit } };
      case "externalInterrupt":
      case "timer":
      case "wait":
      case "budgetSpent":
        return RESUME;
      case "failEntry":
      case "hypercall":
      case "sysRegRead":
      case "sysRegWrite":
        return undefined;
    }
  }

  #readMmio({ gpa, width }: MmioReadExit): ExitAnswer | undefined {
    const { mmio } = this;
    if (width === 8) return mmio.read8(gpa) ? { kind: "value", lo: mmio.lo, hi: mmio.hi } : undefined;
    const value = mmio.read(gpa, width);
    return value < 0 ? undefined : { kind: "value", lo: value, hi: 0 };
  }

  #writeMmio({ gpa, width, lo, hi }: MmioWriteExit): ExitAnswer | undefined {
    const taken = width === 8 ? this.mmio.write8(gpa, lo, hi) : this.mmio.write(gpa, width, lo);
    return taken ? DONE : undefined;
  }

  #unmapped(): ExitAnswer | undefined {
    return this.#options.unmapped === "report" ? undefined : FAULT;
  }

  #sendIpi(sender: V, { targets, vector }: IpiExit): ExitAnswer {
    const chosen: V[] = [];
    if (typeof targets === "string")
      chosen.push(...this.#order.filter((v) => targets === "all" || v !== sender));
    else {
      for (const id of targets) {
        const target = this.vcpus.find(id);
        if (target === undefined) return INVALID_PARAM;
        chosen.push(target);
      }
    }
    for (const target of chosen) if (target.state !== "PoweredOff") target.interrupt(vector);
    return SUCCESS;
  }

  #faultsForEver(vcpu: V, exit: VmExitInfo): boolean {
    const pc = vcpu.getPc();
    const gpa = "gpa" in exit ? exit.gpa : -1;
    const streak = this.#faults.get(vcpu);
    const { retired } = vcpu;
    // A fault itself may be charged; a handler that runs is something else: that guest loops as on hardware.
    if (streak === undefined || streak.pc !== pc || streak.gpa !== gpa || retired - streak.retired > 1) {
      this.#faults.set(vcpu, { pc, gpa, retired, count: 1 });
      return false;
    }
    streak.count += 1;
    streak.retired = retired;
    return streak.count >= SAME_FAULTS_LIMIT;
  }

  #report(vcpu: V, exit: VmExitInfo, reason: string): VmRunResult {
    const words = exit.kind === "failEntry" ? `the guest cannot be entered: ${exit.message}` : reason;
    return { kind: "failed", report: reportOn(this, vcpu, { reason: words, exit }) };
  }

  #fail(what: string, error: unknown): TurnOutcome {
    const vcpu = this.#order[this.#cursor]!;
    const message = error instanceof Error ? error.message : String(error);
    const report = reportOn(this, vcpu, { reason: `${what}: ${message}`, exit: vcpu.pendingExit, error });
    return this.#end({ kind: "failed", report });
  }

  #end(result: VmRunResult): TurnOutcome {
    if (!isResumable(result)) this.#result = result;
    return { kind: "ended", result };
  }
}
