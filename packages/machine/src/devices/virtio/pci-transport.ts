import type { StateReader } from "../../state-reader.js";
import type { MsiX } from "../pci/msix.js";
import { VirtioTransport, type VirtioTransportOptions } from "./transport.js";

/** Of an interrupt that has no vector. */
const NO_VECTOR = 0xffff;

/** The function that the registers belong to. */
export interface VirtioPciOwner {
  readonly msix: MsiX | undefined;
  /** It may access memory. */
  readonly isMaster: boolean;
  setInterrupt(level: boolean): void;
  /** A legacy driver, which may never have heard of it, begins: turn on what lets the device access memory. */
  becomeMaster(): void;
}

/** Virtio on PCI without its registers: how it interrupts, and which of the two interfaces the driver uses. */
export abstract class VirtioPciTransport extends VirtioTransport {
  protected readonly owner: VirtioPciOwner;
  protected usesLegacy = false;
  protected configVector = NO_VECTOR;
  protected readonly vectors: number[];

  constructor(options: VirtioTransportOptions, owner: VirtioPciOwner) {
    super(options, true);
    this.owner = owner;
    this.vectors = this.queues.map(() => NO_VECTOR);
    this.device?.attach(this);
  }

  override reset(): void {
    this.configVector = NO_VECTOR;
    this.vectors.fill(NO_VECTOR);
    super.reset();
    this.updatePin();
  }

  protected override get legacy(): boolean {
    return this.usesLegacy;
  }

  protected override get mayAccessMemory(): boolean {
    return this.owner.isMaster;
  }

  protected override interrupt(queue: number | undefined): void {
    const { msix } = this.owner;
    if (msix?.enabled !== true) {
      this.updatePin();
      return;
    }
    // Vectors say what it is about.
    this.interruptStatus = 0;
    msix.signal(queue === undefined ? this.configVector : this.vectors[queue]!);
  }

  updatePin(): void {
    this.owner.setInterrupt(this.interruptStatus !== 0 && this.owner.msix?.enabled !== true);
  }

  /** Memory can be accessed from now on. */
  catchUp(): void {
    this.notifyAll();
  }

  protected get queueVector(): number {
    return this.vectors[this.queueSel] ?? NO_VECTOR;
  }

  /** A vector that there is not reads back as none: that is how the driver learns of it. */
  protected checkedVector(value: number): number {
    const vector = value & 0xffff;
    return vector < (this.owner.msix?.vectors ?? 0) ? vector : NO_VECTOR;
  }

  /** Reading acknowledges. */
  protected takeInterruptStatus(): number {
    const status = this.interruptStatus;
    this.interruptStatus = 0;
    this.updatePin();
    return status;
  }

  state() {
    return {
      ...this.commonState(),
      legacy: this.usesLegacy,
      configVector: this.configVector,
      vectors: [...this.vectors],
    };
  }

  restore(reader: StateReader): void {
    this.checkState(reader);
    this.reset();
    this.usesLegacy = reader.flag("legacy");
    this.configVector = reader.u16("configVector");
    const vectors = reader.integers("vectors", this.queues.length, NO_VECTOR);
    for (const { index } of this.queues) this.vectors[index] = vectors[index] ?? NO_VECTOR;
    this.restoreCommon(reader);
    this.updatePin();
  }
}
