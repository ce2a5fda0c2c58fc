import { type GuestMemory, HyperError, type VCpuContext } from "@hypercraft/hypercraft";
import type { RiscvVCpu } from "../vcpu.js";
import { HsmState } from "./constants.js";
import type { RemoteFence, SbiHost } from "./host.js";

/** Ranges of more pages than this are cheaper to fence as a whole. */
const MAX_FENCED_PAGES = 64n;

/** The SBI as one vCPU's firmware: calls act on its VM. */
export class VCpuSbiHost implements SbiHost {
  readonly mvendorid: bigint;
  readonly marchid: bigint;
  readonly mimpid: bigint;
  private readonly vcpu: RiscvVCpu;
  private readonly vm: VCpuContext;

  constructor(vcpu: RiscvVCpu, vm: VCpuContext) {
    this.vcpu = vcpu;
    this.vm = vm;
    this.mvendorid = vcpu.hart.readCsr("mvendorid");
    this.marchid = vcpu.hart.readCsr("marchid");
    this.mimpid = vcpu.hart.readCsr("mimpid");
  }

  get hartId(): number {
    return this.vcpu.vcpuId;
  }

  get hartIds(): readonly number[] {
    return Array.from(this.vm.vcpus, ({ vcpuId }) => vcpuId).sort((a, b) => a - b);
  }

  hartState(hartId: number): HsmState {
    const hart = this.vm.vcpus.find(hartId) as RiscvVCpu | undefined;
    switch (hart?.state) {
      case "Running":
        return HsmState.started;
      case "Ready":
        return hart.suspended ? HsmState.resumePending : HsmState.started;
      case "Blocked":
        // Waiting in WFI is running, to the guest; only a suspend call is not.
        return hart.suspended ? HsmState.suspended : HsmState.started;
      default:
        return HsmState.stopped;
    }
  }

  isRam(gpa: number, length: number): boolean {
    return this.vm.memory?.contains(gpa, length) ?? false;
  }

  setTimer(lo: number, hi: number): void {
    this.vcpu.setGuestTimer(lo, hi);
  }

  clearSoftwareInterrupt(): boolean {
    return this.vcpu.clearSoftwareInterrupt();
  }

  fence(hartIds: readonly number[], fence: RemoteFence): void {
    // Translated code follows every write to memory by itself, so there is no instruction cache to fence.
    if (fence.kind !== "sfenceVma") return;
    const whole = fence.size === 0n || fence.size > MAX_FENCED_PAGES * 4096n;
    for (const id of hartIds) {
      const contexts = (this.vm.vcpus.find(id) as RiscvVCpu | undefined)?.hart.contexts;
      if (contexts === undefined) continue;
      if (whole) {
        contexts.dropAll();
        continue;
      }
      const end = fence.start + fence.size;
      for (let at = fence.start & ~0xfffn; at < end; at += 4096n) {
        contexts.dropPage(Number(BigInt.asIntN(32, at)), Number(BigInt.asIntN(32, at >> 32n)));
      }
    }
  }

  consoleWrite(bytes: Uint8Array): void {
    this.vm.console.write(bytes);
  }

  consoleRead(): number {
    return this.vm.console.read();
  }

  readMemory(gpa: number, length: number): Uint8Array {
    return this.memory.read(gpa, length);
  }

  writeMemory(gpa: number, bytes: Uint8Array): void {
    this.memory.write(gpa, bytes);
  }

  private get memory(): GuestMemory {
    if (this.vm.memory === undefined) throw new HyperError("BadState", "the VM was made without its memory");
    return this.vm.memory;
  }

  readVirtual(address: bigint): bigint | undefined {
    return this.vcpu.readVirtual(address);
  }
}
