import type { MmioDevice } from "@hypercraft/hypercraft";
import { Gic, type GicOptions, type GicState } from "./gic.js";
import { type GicSystemRegisters, type HcrRouting, SystemRegisters } from "./gicv3-system-registers.js";
import { PRIVATE_INTERRUPTS } from "./interrupt-state.js";

// GIC architecture version 3, IHI 0069, with affinity routing always on and one Security state (GICD_CTLR.DS is
// one). No LPIs, no ITS, no message-based SPIs, no 1 of N routing.

const GICD_CTLR = 0x0000;
const GICD_TYPER = 0x0004;
const IIDR = 0x0008;
const GICD_IROUTER = 0x6000;
const IDENTIFICATION = 0xffd0;

/** Affinity routing is on and there is one Security state: both are fixed. */
const CTLR_FIXED = 0x50;
/** 10 bits of ID; Aff3 may be other than zero; no 1 of N distribution. */
const TYPER_FIXED = (9 << 19) | (1 << 24) | (1 << 25);
/** Implementer Arm. */
const IIDR_VALUE = 0x0000_043b;
/** Peripheral ID 4 to 7, 0 to 3 and component ID 0 to 3 of a GICv3. */
const IDENTIFICATION_VALUES = [0x04, 0, 0, 0, 0x92, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1] as const;

const GICR_TYPER = 0x0008;
const GICR_WAKER = 0x0014;
const GICR_SGI_FRAME = 0x1_0000;
const WAKER_PROCESSOR_SLEEP = 2;
const WAKER_CHILDREN_ASLEEP = 4;
const TYPER_LAST = 0x10;

/** Bytes of a redistributor's two frames. */
export const REDISTRIBUTOR_SIZE = 0x2_0000;
const PRIORITY_BITS = 5;
/** What SGIs and interrupt targets can tell apart here. */
const MAX_CPUS = 32;
/** EOIcount, the trap controls TC, TALL0, TALL1, TSEI and TDIR, and the lower eight bits. */
const ICH_HCR_BITS = 0xf800_7cff;

export interface GicV3Options extends GicOptions {
  /** By CPU: Aff3, Aff2, Aff1 and Aff0 in a byte each, Aff0 lowest. Default: CPU n has n. */
  readonly affinities?: readonly number[];
  /** Redistributors are awake from reset on, as firmware would leave them. Default false. */
  readonly awake?: boolean;
}

/** GICv3 for 1 to 32 CPUs: distributor and redistributors are devices, the rest system registers of each CPU. */
export class GicV3 extends Gic {
  /** GICD_ registers: 64 KiB. */
  readonly distributor: MmioDevice;
  /** GICR_ registers of all CPUs one after the other: 128 KiB each. */
  readonly redistributors: MmioDevice;
  private readonly affinities: readonly number[];
  /** GICD_IROUTER by SPI. */
  private readonly routes: Uint32Array;
  private readonly asleep: boolean[];
  private readonly asleepAtReset: boolean;

  constructor(options: GicV3Options) {
    super(options, { priorityBits: PRIORITY_BITS, maxCpus: MAX_CPUS, version: 3, hcrMask: ICH_HCR_BITS });
    this.affinities = options.affinities ?? options.cpus.map((_, cpu) => cpu);
    this.routes = new Uint32Array(this.interrupts.count - PRIVATE_INTERRUPTS);
    this.asleepAtReset = !(options.awake ?? false);
    this.asleep = options.cpus.map(() => this.asleepAtReset);
    this.routeAll();
    this.distributor = {
      read: (offset, width) => {
        this.observe();
        return part(this.readDistributor(offset - (offset & 3)), offset, width);
      },
      write: (offset, width, value) => {
        this.observe();
        this.writeDistributor(offset, width, value);
      },
    };
    this.redistributors = {
      read: (offset, width) => {
        this.observe();
        return part(this.readRedistributor(offset - (offset & 3)), offset, width);
      },
      write: (offset, width, value) => {
        this.observe();
        this.writeRedistributor(offset, width, value);
      },
    };
  }

  /**
   * The ICC_, ICH_ and ICV_ registers of a CPU.
   * @param routing HCR_EL2.FMO and IMO as they concern the access: while the CPU is at EL1 under a hypervisor that
   * has set them, ICC_ registers are the guest's. Default: never.
   */
  systemRegisters(cpu: number, routing?: () => HcrRouting): GicSystemRegisters {
    return new SystemRegisters({
      physical: this.physical[cpu]!,
      virtual: this.virtual[cpu],
      routing,
      sendSgi: (value, group) => {
        this.observe();
        this.sendSgi(cpu, value, group);
      },
      changed: () => this.update(),
    });
  }

  protected override isAwake(cpu: number): boolean {
    return !this.asleep[cpu];
  }

  override reset(): void {
    this.routes.fill(0);
    this.asleep.fill(this.asleepAtReset);
    super.reset();
    this.routeAll();
    this.update();
  }

  override state(): GicState {
    return { ...super.state(), routes: [...this.routes], asleep: [...this.asleep] };
  }

  override restore(state: GicState): void {
    super.restore(state);
    this.routes.set(state.routes);
    state.asleep.forEach((asleep, cpu) => {
      this.asleep[cpu] = asleep;
    });
    this.routeAll();
    this.update();
  }

  // --- distributor -----------------------------------------------------------------------------

  private readDistributor(offset: number): number {
    if (offset >= GICD_IROUTER && offset < GICD_IROUTER + 8 * this.interrupts.count)
      return this.readRoute(offset);
    if (offset >= IDENTIFICATION) return IDENTIFICATION_VALUES[(offset - IDENTIFICATION) >> 2] ?? 0;
    switch (offset) {
      case GICD_CTLR:
        return this.groups | CTLR_FIXED;
      case GICD_TYPER:
        return (this.interrupts.count / 32 - 1) | TYPER_FIXED;
      case IIDR:
        return IIDR_VALUE;
      default:
        return isShared(offset) ? this.interrupts.readWord(0, offset) : 0;
    }
  }

  private writeDistributor(offset: number, width: 1 | 2 | 4, value: number): void {
    if (isShared(offset) && isPriority(offset)) {
      this.writePriorities(0, offset, width, value);
    } else if (width === 4 && (offset & 3) === 0) {
      if (offset === GICD_CTLR) this.groups = value & 3;
      else if (offset >= GICD_IROUTER && offset < GICD_IROUTER + 8 * this.interrupts.count) {
        this.writeRoute(offset, value);
      } else if (isShared(offset)) this.interrupts.writeWord(0, offset, value >>> 0);
    }
    this.update();
  }

  private writePriorities(cpu: number, offset: number, width: 1 | 2 | 4, value: number): void {
    for (let i = 0; i < width; i++) {
      this.interrupts.writePriority(cpu, offset - 0x400 + i, (value >>> (8 * i)) & 0xff);
    }
  }

  /** Aff2 to Aff0 are in the lower word, Aff3 in the upper. */
  private readRoute(offset: number): number {
    const id = (offset - GICD_IROUTER) >> 3;
    const route = this.routes[id - PRIVATE_INTERRUPTS] ?? 0;
    return (offset & 4) === 0 ? route & 0xff_ffff : route >>> 24;
  }

  private writeRoute(offset: number, value: number): void {
    const id = (offset - GICD_IROUTER) >> 3;
    if (id < PRIVATE_INTERRUPTS) return;
    const old = this.routes[id - PRIVATE_INTERRUPTS] as number;
    this.routes[id - PRIVATE_INTERRUPTS] =
      (offset & 4) === 0 ? (old & 0xff00_0000) | (value & 0xff_ffff) : (old & 0xff_ffff) | (value << 24);
    this.route(id);
  }

  /** An interrupt routed to an affinity that nobody has goes nowhere. */
  private route(id: number): void {
    const route = this.routes[id - PRIVATE_INTERRUPTS];
    this.affinities.forEach((affinity, cpu) => {
      this.interrupts.setTarget(cpu, id, affinity >>> 0 === route);
    });
  }

  private routeAll(): void {
    for (let id = PRIVATE_INTERRUPTS; id < this.interrupts.count; id++) this.route(id);
  }

  // --- redistributors --------------------------------------------------------------------------

  private readRedistributor(at: number): number {
    const cpu = Math.floor(at / REDISTRIBUTOR_SIZE);
    const offset = at % REDISTRIBUTOR_SIZE;
    if (cpu >= this.affinities.length) return 0;
    if (offset >= GICR_SGI_FRAME) {
      const register = offset - GICR_SGI_FRAME;
      return isPrivate(register) ? this.interrupts.readWord(cpu, register) : 0;
    }
    if (offset >= IDENTIFICATION) return IDENTIFICATION_VALUES[(offset - IDENTIFICATION) >> 2] ?? 0;
    switch (offset) {
      case 0x0004:
        return IIDR_VALUE;
      case GICR_TYPER:
        return (cpu << 8) | (cpu === this.affinities.length - 1 ? TYPER_LAST : 0);
      case GICR_TYPER + 4:
        return (this.affinities[cpu] as number) >>> 0;
      case GICR_WAKER:
        return this.asleep[cpu] ? WAKER_PROCESSOR_SLEEP | WAKER_CHILDREN_ASLEEP : 0;
      default:
        return 0;
    }
  }

  private writeRedistributor(at: number, width: 1 | 2 | 4, value: number): void {
    const cpu = Math.floor(at / REDISTRIBUTOR_SIZE);
    const offset = at % REDISTRIBUTOR_SIZE;
    if (cpu >= this.affinities.length) return;
    const register = offset - GICR_SGI_FRAME;
    if (isPriority(register) && isPrivate(register)) {
      this.writePriorities(cpu, register, width, value);
    } else if (width === 4 && (offset & 3) === 0) {
      // ChildrenAsleep follows at once.
      if (offset === GICR_WAKER) this.asleep[cpu] = (value & WAKER_PROCESSOR_SLEEP) !== 0;
      else if (isPrivate(register)) this.interrupts.writeWord(cpu, register, value >>> 0);
    }
    this.update();
  }

  // --- software generated interrupts -----------------------------------------------------------

  /** ICC_SGI0R_EL1 and ICC_SGI1R_EL1: to a list of up to 16 CPUs of a cluster, or to all others. */
  private sendSgi(sender: number, value: bigint, group: 0 | 1): void {
    const field = (shift: bigint, bits: bigint) => Number((value >> shift) & ((1n << bits) - 1n));
    const cluster = field(48n, 8n) * 0x100_0000 + field(32n, 8n) * 0x1_0000 + field(16n, 8n) * 0x100;
    const first = field(44n, 4n) * 16;
    const list = field(0n, 16n);
    const toAllOthers = field(40n, 1n) === 1;
    const id = field(24n, 4n);
    this.affinities.forEach((affinity, cpu) => {
      const level0 = (affinity & 0xff) - first;
      const listed =
        (affinity & ~0xff) >>> 0 === cluster && level0 >= 0 && level0 < 16 && ((list >> level0) & 1) !== 0;
      // The register's group and the one the target gave the interrupt must be the same.
      if ((toAllOthers ? cpu !== sender : listed) && this.interrupts.groupOf(cpu, id) === group) {
        this.interrupts.sendSgi(cpu, id, sender);
      }
    });
  }
}

/** Registers of SPIs: with affinity routing those of SGIs and PPIs are in the redistributors. */
function isShared(offset: number): boolean {
  if (offset >= 0x80 && offset < 0x400) return (offset & 0x7f) >= 4;
  if (offset >= 0x400 && offset < 0x800) return offset >= 0x420;
  return offset >= 0xc08 && offset < 0xd00;
}

/** Registers of SGIs and PPIs in a redistributor's SGI frame. */
function isPrivate(offset: number): boolean {
  if (offset >= 0x80 && offset < 0x400) return (offset & 0x7f) < 4;
  if (offset >= 0x400 && offset < 0x800) return offset < 0x420;
  return offset >= 0xc00 && offset < 0xc08;
}

function isPriority(offset: number): boolean {
  return offset >= 0x400 && offset < 0x800;
}

function part(word: number, offset: number, width: 1 | 2 | 4): number {
  if (width === 4) return word >>> 0;
  return (word >>> ((offset & 3) * 8)) & (width === 1 ? 0xff : 0xffff);
}
