import type { GuestMemoryInterface } from "@hypercraft/guest-page-table";
import { type GuestPhysAddr, type HostPhysAddr, PAGE_SIZE } from "../address.js";
import { InstructionClock } from "../clock.js";
import type { AccessWidth } from "../device-bus.js";
import { HyperError } from "../error.js";
import type { ExitAnswer, RawExitCause, VmExitInfo } from "../exit.js";
import { type HyperCraftHal, MemoryHal } from "../hal.js";
import { Host } from "../host.js";
import { BasePerCpu } from "../per-cpu.js";
import { BaseVCpu, type RegisterValue, type VCpuContext } from "../vcpu.js";
import { VmCpus } from "../vcpus.js";
import type { ConformanceAdapter } from "./conformance.js";
import type { GuestOp, GuestProgram, Scratch } from "./guest-program.js";

/*
 * An architecture of eight 64-bit registers whose instructions are the steps of a GuestProgram. It has all that
 * the contracts speak of and nothing that a real machine would need, so that this package can be tested alone.
 */

/** Guest-physical layout of a mock VM: a few pages of RAM, a page for devices, and a page of nothing. */
export const MOCK_LAYOUT = {
  ram: 0x1_0000,
  ramSize: 4 * PAGE_SIZE,
  device: 0x10_0000,
  hole: 0x20_0000,
} as const;

/** Addresses of instructions: program `index` starts here, 4 bytes per step. No memory is there. */
export const mockEntry = (index: number): GuestPhysAddr => 0x100_0000 + index * 0x1_0000;

/** The one interrupt that the kit's `ipi` sends. */
export const MOCK_IPI = 1;

const INTERRUPTS = 32;
const SCRATCH = [1, 2, 3, 4] as const;
const ARG_REGISTER = 5;

/** The mock's exit register. */
export interface MockExitCause extends RawExitCause {
  readonly arch: "mock";
  readonly step: number;
}

/** A second stage that is a map from page to page; flags are not looked at. */
export class MockGuestPageTable implements GuestMemoryInterface {
  readonly token: bigint;
  readonly #pages = new Map<number, HostPhysAddr>();

  constructor(vmid: number) {
    this.token = BigInt(vmid);
  }

  /** Throws InvalidParam for addresses inside a page, AlreadyExists where something is mapped. */
  map(gpa: GuestPhysAddr, hpa: HostPhysAddr, _flags?: number): void {
    if (gpa % PAGE_SIZE !== 0 || hpa % PAGE_SIZE !== 0)
      throw new HyperError(
        "InvalidParam",
        `mapping 0x${gpa.toString(16)} to 0x${hpa.toString(16)}: not pages`,
      );
    if (this.#pages.has(gpa)) throw new HyperError("AlreadyExists", `0x${gpa.toString(16)} is mapped`);
    this.#pages.set(gpa, hpa);
  }

  mapRegion(gpa: GuestPhysAddr, hpa: HostPhysAddr, size: number, flags?: number): void {
    for (let offset = 0; offset < size; offset += PAGE_SIZE) this.map(gpa + offset, hpa + offset, flags);
  }

  /** Throws NotFound. */
  unmap(gpa: GuestPhysAddr): void {
    if (!this.#pages.delete(gpa)) throw new HyperError("NotFound", `0x${gpa.toString(16)} is not mapped`);
  }

  translate(gpa: GuestPhysAddr): HostPhysAddr | undefined {
    const offset = gpa % PAGE_SIZE;
    const page = this.#pages.get(gpa - offset);
    return page === undefined ? undefined : page + offset;
  }
}

/** A vCPU that interprets programs. */
export class MockVCpu extends BaseVCpu<MockExitCause> {
  readonly gprNames = ["zero", "s0", "s1", "s2", "s3", "arg", "t0", "t1"];
  readonly #hal: HyperCraftHal;
  readonly #programs: readonly GuestProgram[];
  readonly #halves = new Uint32Array(16);
  readonly #pending = new Set<number>();
  #pc = 0;
  #retired = 0;
  #deadline = Number.POSITIVE_INFINITY;
  #entered = 0;
  #waiting = false;

  constructor(vcpuId: number, entry: GuestPhysAddr, hal: HyperCraftHal, programs: readonly GuestProgram[]) {
    super(vcpuId, entry);
    this.#hal = hal;
    this.#programs = programs;
  }

  get retired(): number {
    return this.#retired;
  }

  protected onSetup(_context: VCpuContext): void {
    this.#reset(this.entry);
  }

  protected onPowerOn(entry: GuestPhysAddr, arg: bigint): void {
    this.#reset(entry);
    this.setGpr(ARG_REGISTER, arg);
  }

  #reset(entry: GuestPhysAddr): void {
    this.#halves.fill(0);
    this.#pending.clear();
    this.#waiting = false;
    this.#deadline = Number.POSITIVE_INFINITY;
    this.#pc = entry;
  }

  getGprLo(index: number): number {
    return this.#halves[2 * this.#checked(index)]!;
  }

  getGprHi(index: number): number {
    return this.#halves[2 * this.#checked(index) + 1]!;
  }

  setGprPair(index: number, lo: number, hi: number): void {
    if (this.#checked(index) === 0) return;
    this.#halves[2 * index] = lo;
    this.#halves[2 * index + 1] = hi;
  }

  #checked(index: number): number {
    if (Number.isInteger(index) && index >= 0 && index < 8) return index;
    throw new HyperError("OutOfRange", `register ${index}: there are 0 to 7`);
  }

  getPc(): bigint {
    return BigInt(this.#pc);
  }

  setPc(pc: bigint): void {
    this.#pc = Number(pc);
  }

  nextDeadline(): number {
    return this.#deadline;
  }

  hasWakeEvent(): boolean {
    return this.#pending.size > 0 || this.context.clock.now() >= this.#deadline;
  }

  interrupt(vector: number): void {
    if (!Number.isInteger(vector) || vector < 0 || vector >= INTERRUPTS)
      throw new HyperError("OutOfRange", `interrupt ${vector}: there are 0 to ${INTERRUPTS - 1}`);
    this.#pending.add(vector);
    this.signalWake();
  }

  registers(): RegisterValue[] {
    const general = this.gprNames.map((name, index) => ({ name, value: this.getGpr(index) }));
    return [{ name: "pc", value: this.getPc() }, ...general];
  }

  disassemble(): string {
    const step = this.#step();
    if (step === undefined) return `0x${this.#pc.toString(16)}: no instruction here`;
    const { op, ...operands } = step;
    const text = Object.entries(operands).map(([name, value]) => `${name}=${value}`);
    return `0x${this.#pc.toString(16)}: ${[op, ...text].join(" ")}`;
  }

  protected enter(budget: number): VmExitInfo<MockExitCause> {
    this.#entered = this.#retired;
    if (this.#waiting && this.hasWakeEvent()) this.#takeInterrupts();
    this.#waiting = false;
    const end = this.#retired + budget;
    while (this.#retired < end) {
      const exit = this.#execute();
      if (exit !== undefined) return exit;
    }
    return { kind: "budgetSpent", raw: this.#cause("budget") };
  }

  protected finishExit(exit: VmExitInfo<MockExitCause>, answer: ExitAnswer): void {
    const step = this.#step();
    if (answer.kind === "retry" || answer.kind === "fault") return;
    if (answer.kind === "value" && exit.kind === "mmioRead")
      this.#load(exit.reg, exit.width, exit.signed, answer.lo, answer.hi);
    if (answer.kind === "results" && step?.op === "hypercall")
      this.setGpr(SCRATCH[step.result], answer.values[0] ?? 0n);
    if (answer.kind === "status" && step !== undefined && "result" in step)
      this.setGpr(SCRATCH[step.result], answer.status === "success" ? 0n : 1n);
    this.#retire();
  }

  #step(): GuestOp | undefined {
    const distance = this.#pc - mockEntry(0);
    if (distance < 0 || distance % 4 !== 0) return undefined;
    return this.#programs[Math.floor(distance / 0x1_0000)]?.[(distance % 0x1_0000) / 4];
  }

  #cause(reason: string): MockExitCause {
    return { arch: "mock", reason, step: this.#pc };
  }

  #retire(): undefined {
    this.#pc += 4;
    this.#retired += 1;
  }

  #now(): number {
    return this.context.clock.now(this.#retired - this.#entered);
  }

  /** Executes one instruction, or says why it leaves the guest. */
  #execute(): VmExitInfo<MockExitCause> | undefined {
    const step = this.#step();
    if (step === undefined) {
      const gpa = this.#pc;
      const raw = this.#cause("fetch fault");
      return { kind: "nestedPageFault", gpa, access: "execute", tableWalk: false, raw };
    }
    switch (step.op) {
      case "set":
        this.setGpr(SCRATCH[step.reg], step.value);
        return this.#retire();
      case "add":
        this.setGpr(SCRATCH[step.reg], this.getGpr(SCRATCH[step.reg]) + BigInt(step.value));
        return this.#retire();
      case "nop":
        return this.#retire();
      case "spin":
        this.#retired += 1;
        return undefined;
      case "load":
        return this.#executeLoad(step.reg, step.address, step.width, step.signed);
      case "store":
        return this.#executeStore(step.reg, step.address, step.width);
      case "wait":
        return this.#executeWait();
      case "setTimer":
        this.#deadline = this.#now() + step.delayNs;
        this.#retire();
        return { kind: "timer", raw: this.#cause("timer moved") };
      case "hypercall":
        return { kind: "hypercall", nr: BigInt(step.nr), args: step.args, raw: this.#cause("call") };
      case "cpuUp": {
        const entry = mockEntry(step.program);
        const raw = this.#cause("CPU start");
        return { kind: "cpuUp", target: step.target, entry, arg: BigInt(step.arg), raw };
      }
      case "cpuDown":
        return { kind: "cpuDown", raw: this.#cause("CPU stop") };
      case "ipi":
        return { kind: "ipi", targets: [step.target], vector: MOCK_IPI, raw: this.#cause("IPI") };
      case "shutdown":
        return { kind: "systemShutdown", failure: step.failure, code: 0, raw: this.#cause("shutdown") };
      case "reset":
        return { kind: "systemReset", warm: false, failure: false, code: 0, raw: this.#cause("reset") };
    }
  }

  /** An interrupt that is there already ends the wait before it begins. */
  #executeWait(): VmExitInfo<MockExitCause> | undefined {
    this.#retire();
    if (this.#pending.size === 0 && this.#now() < this.#deadline) {
      this.#waiting = true;
      return { kind: "wait", raw: this.#cause("wait") };
    }
    this.#takeInterrupts();
    return undefined;
  }

  #takeInterrupts(): void {
    this.#pending.clear();
    if (this.#now() >= this.#deadline) this.#deadline = Number.POSITIVE_INFINITY;
  }

  #executeLoad(
    reg: Scratch,
    gpa: GuestPhysAddr,
    width: AccessWidth,
    signed: boolean,
  ): VmExitInfo<MockExitCause> | undefined {
    const register = SCRATCH[reg];
    const host = this.context.guestPageTable.translate(gpa);
    if (host === undefined) {
      const raw = this.#cause("load fault");
      return { kind: "mmioRead", gpa, width, reg: register, signed, regWidth: 8, raw };
    }
    const view = this.#ram(host, width);
    const lo =
      width === 1 ? view.getUint8(0) : width === 2 ? view.getUint16(0, true) : view.getUint32(0, true);
    this.#load(register, width, signed, lo, width === 8 ? view.getUint32(4, true) : 0);
    return this.#retire();
  }

  #executeStore(reg: Scratch, gpa: GuestPhysAddr, width: AccessWidth): VmExitInfo<MockExitCause> | undefined {
    const register = SCRATCH[reg];
    const [lo, hi] = [this.getGprLo(register), this.getGprHi(register)];
    const host = this.context.guestPageTable.translate(gpa);
    if (host === undefined) {
      const raw = this.#cause("store fault");
      return { kind: "mmioWrite", gpa, width, reg: register, lo, hi, raw };
    }
    const view = this.#ram(host, width);
    if (width === 1) view.setUint8(0, lo);
    else if (width === 2) view.setUint16(0, lo, true);
    else view.setUint32(0, lo, true);
    if (width === 8) view.setUint32(4, hi, true);
    return this.#retire();
  }

  #ram(host: HostPhysAddr, width: number): DataView {
    return new DataView(this.#hal.memory.buffer, this.#hal.physToVirt(host), width);
  }

  #load(register: number, width: AccessWidth, signed: boolean, lo: number, hi: number): void {
    if (width === 8) {
      this.setGprPair(register, lo, hi);
      return;
    }
    const unused = 32 - 8 * width;
    const extended = signed ? (lo << unused) >> unused : (lo << unused) >>> unused;
    this.setGprPair(register, extended, signed && extended < 0 ? -1 : 0);
  }
}

/** A host CPU of the mock architecture: virtualization hardware is there unless told otherwise. */
export class MockPerCpu extends BasePerCpu<MockVCpu> {
  readonly #hal: HyperCraftHal;
  readonly #programs: readonly GuestProgram[];
  readonly #supported: boolean;

  constructor(cpuId: number, hal: HyperCraftHal, programs: readonly GuestProgram[], supported = true) {
    super(cpuId);
    this.#hal = hal;
    this.#programs = programs;
    this.#supported = supported;
  }

  hasHardwareSupport(): boolean {
    return this.#supported;
  }

  protected onHardwareEnable(): void {}

  protected onHardwareDisable(): void {}

  protected onCreateVcpu(vcpuId: number, entry: GuestPhysAddr): MockVCpu {
    return new MockVCpu(vcpuId, entry, this.#hal, this.#programs);
  }
}

/** A host with 1 MiB of RAM at 0x8000_0000 and deterministic time of 10 ns an instruction. */
export function mockHost(hooks: { readonly onVmExit?: HyperCraftHal["onVmExit"] } = {}): Host {
  const memory = { buffer: new ArrayBuffer(0x10_0000) };
  return new Host({
    hal: new MemoryHal({ memory, clock: new InstructionClock(), base: 0x8000_0000, ...hooks }),
  });
}

/** A second stage with zeroed frames behind `MOCK_LAYOUT`'s RAM. Throws NoMemory. */
export function mockGuestPageTable(hal: HyperCraftHal, vmid: number): MockGuestPageTable {
  const table = new MockGuestPageTable(vmid);
  for (let offset = 0; offset < MOCK_LAYOUT.ramSize; offset += PAGE_SIZE) {
    const frame = hal.allocPage();
    if (frame === undefined) throw new HyperError("NoMemory", "no frame left for the guest's RAM");
    new Uint8Array(hal.memory.buffer, hal.physToVirt(frame), PAGE_SIZE).fill(0);
    table.map(MOCK_LAYOUT.ram + offset, frame);
  }
  return table;
}

/** The conformance adapter of the mock architecture; also the shortest example of one. */
export const mockAdapter: ConformanceAdapter<MockVCpu> = {
  arch: "mock",
  layout: MOCK_LAYOUT,
  scratch: SCRATCH,
  zeroRegister: 0,
  argRegister: ARG_REGISTER,
  ipiVector: MOCK_IPI,
  createHost: () => mockHost(),
  createVm(host, programs, options = {}) {
    const cpu = new MockPerCpu(0, host.hal, programs);
    cpu.hardwareEnable();
    const vcpus = new VmCpus<MockVCpu>(programs.length);
    for (const index of programs.keys()) vcpus.addVcpu(cpu.createVcpu(index, mockEntry(index)));
    const guestPageTable = (vmid: number) => mockGuestPageTable(host.hal, vmid);
    const vm = host.createVm({ ...options, vcpus, guestPageTable });
    for (const { vcpuId } of vcpus) vm.initVcpu(vcpuId);
    return vm;
  },
};
