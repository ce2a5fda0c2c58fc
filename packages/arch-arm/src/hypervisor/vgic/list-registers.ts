import {
  ACTIVE,
  EOI_COUNT_SHIFT,
  emptyListRegister,
  HCR_EN,
  HCR_LRENPIE,
  HCR_NPIE,
  type ListRegister,
  PENDING,
} from "../../interrupts/cpu-interface.js";
import type { AskingInterrupt, GicInterrupts } from "../../interrupts/interrupt-state.js";
import type { Group } from "../../interrupts/priority-control.js";

/** One CPU's list registers and their control, as the hypervisor reaches them. */
export interface ListRegisterAccess {
  readonly count: number;
  read(index: number): ListRegister;
  write(index: number, list: ListRegister): void;
  /** GICH_HCR or ICH_HCR_EL2. */
  readControl(): number;
  writeControl(value: number): void;
}

/** What the list registers are filled from. */
export interface ListSource {
  readonly interrupts: GicInterrupts;
  readonly cpu: number;
  /** The groups that the distributor forwards to this CPU now: bits 0 and 1. */
  forwarded(): number;
}

/** An interrupt that ought to be in a list register. */
interface Wanted {
  readonly id: number;
  readonly source: number;
  readonly priority: number;
  readonly group: Group;
  /** PENDING and ACTIVE. */
  readonly state: number;
  /** When the guest ends it, it asks again, which the register itself cannot tell. */
  readonly again: boolean;
}

/**
 * Keeps a vCPU's list registers in step with its VM's distributor (IHI 0048B, section 5.2; IHI 0069, chapter 6): what
 * is pending is handed on, and what the guest made of it is taken in. The guest acknowledges and ends interrupts
 * without the hypervisor; maintenance interrupts tell when there is something to do: the end of an interrupt that asks
 * again, and the last pending one taken while there are more than fit.
 */
export class VCpuListRegisters {
  private readonly hardware: ListRegisterAccess;
  private readonly source: ListSource;
  /** What is in each register, as it was written. */
  private loaded: (Wanted | undefined)[];
  /** Interrupts that are active at this vCPU, and which CPU an SGI is from. */
  private readonly active = new Map<number, number>();

  constructor(hardware: ListRegisterAccess, source: ListSource) {
    this.hardware = hardware;
    this.source = source;
    this.loaded = Array.from({ length: hardware.count }, () => undefined);
  }

  /** Take in what the guest has acknowledged and ended. */
  sync(): void {
    for (const [index, wanted] of this.loaded.entries()) {
      if (wanted === undefined) continue;
      const { state } = this.hardware.read(index);
      if (state === wanted.state) continue;
      this.taken(wanted, state);
      // Seen once: what is left of it is what is there.
      this.loaded[index] = { ...wanted, state };
    }
    this.ended();
  }

  private taken({ id, source, priority, group, state: before }: Wanted, state: number): void {
    const { interrupts, cpu } = this.source;
    if ((before & PENDING) !== 0 && (state & PENDING) === 0) {
      interrupts.acknowledge(cpu, { id, source, priority, group });
      this.active.set(id, source);
    }
    if ((state & ACTIVE) === 0 && this.active.delete(id)) interrupts.deactivate(cpu, id);
  }

  /** Interrupts that the guest ended while they were in no register: they were counted. The most urgent ones end first. */
  private ended(): void {
    const { hardware } = this;
    const control = hardware.readControl();
    const count = control >>> EOI_COUNT_SHIFT;
    if (count === 0) return;
    hardware.writeControl(control & ((1 << EOI_COUNT_SHIFT) - 1));
    const { interrupts, cpu } = this.source;
    const held = new Set(this.loaded.map((wanted) => wanted?.id));
    const outside = [...this.active.keys()].filter((id) => !held.has(id));
    outside.sort((a, b) => interrupts.priorityOf(cpu, a) - interrupts.priorityOf(cpu, b));
    for (const id of outside.slice(0, count)) {
      this.active.delete(id);
      interrupts.deactivate(cpu, id);
    }
  }

  /** Fill the registers anew. After `sync`, and whatever changed behind it. */
  load(): void {
    const { hardware } = this;
    const wanted = this.wanted();
    const chosen = choose(wanted, hardware.count);
    const left = wanted.filter((one) => !chosen.includes(one));
    for (let index = 0; index < hardware.count; index++) this.put(index, chosen[index]);
    const more = left.some(({ state }) => (state & PENDING) !== 0) ? HCR_NPIE : 0;
    const active = left.some(({ state }) => (state & ACTIVE) !== 0) ? HCR_LRENPIE : 0;
    const control = HCR_EN | more | active;
    if (hardware.readControl() !== control) hardware.writeControl(control);
  }

  private put(index: number, wanted: Wanted | undefined): void {
    const before = this.loaded[index];
    if (wanted === undefined && before === undefined) return;
    if (wanted !== undefined && before !== undefined && same(wanted, before)) return;
    this.loaded[index] = wanted;
    const list = emptyListRegister();
    if (wanted !== undefined) {
      const { id, source, priority, group, state, again } = wanted;
      Object.assign(list, { virtualId: id, source, priority, group, state, eoi: again });
    }
    this.hardware.write(index, list);
  }

  private wanted(): Wanted[] {
    const { interrupts, cpu } = this.source;
    const list: Wanted[] = [];
    const asking = new Map(
      interrupts.asking(cpu, this.source.forwarded()).map((one) => [one.id, one] as const),
    );
    for (const [id, source] of this.active) {
      // The guest's own doing: it wrote ICACTIVER.
      if (!interrupts.isActive(cpu, id)) {
        this.active.delete(id);
        continue;
      }
      list.push(this.activeOne(id, source, asking.get(id)));
    }
    for (const one of asking.values()) if (!one.active) list.push(pendingOne(one));
    return list.sort((a, b) => a.priority - b.priority || a.id - b.id);
  }

  private activeOne(id: number, source: number, asking: AskingInterrupt | undefined): Wanted {
    const { interrupts, cpu } = this.source;
    const priority = interrupts.priorityOf(cpu, id);
    const group = interrupts.groupOf(cpu, id);
    const active = { id, source, priority, group, state: ACTIVE, again: false };
    if (asking === undefined) return active;
    const own = asking.sources === 0 || ((asking.sources >> source) & 1) !== 0;
    // A line may have fallen by then, and another CPU's SGI is another interrupt: both are looked at when this one ends.
    if (asking.held || !own) return { ...active, again: true };
    return { ...active, state: PENDING | ACTIVE, again: hasMore(asking.sources) };
  }

  /** After the registers were replaced by a saved state: `sync` was done before it was saved. */
  restored(): void {
    this.active.clear();
    for (let index = 0; index < this.hardware.count; index++) {
      const { virtualId: id, source, priority, group, state, eoi } = this.hardware.read(index);
      this.loaded[index] = state === 0 ? undefined : { id, source, priority, group, state, again: eoi };
      if ((state & ACTIVE) !== 0) this.active.set(id, source);
    }
  }

  /** Interrupts that are active in no register, and their sources: what a saved state needs besides the registers. */
  get outside(): readonly (readonly [id: number, source: number])[] {
    const held = new Set(this.loaded.map((wanted) => wanted?.id));
    return [...this.active].filter(([id]) => !held.has(id));
  }
  set outside(list: readonly (readonly [id: number, source: number])[]) {
    for (const [id, source] of list) this.active.set(id, source);
  }
}

function pendingOne({ id, priority, group, held, sources }: AskingInterrupt): Wanted {
  const source = sources === 0 ? 0 : 31 - Math.clz32(sources & -sources);
  return { id, source, priority, group, state: PENDING, again: held || hasMore(sources) };
}

/** More than one bit. */
function hasMore(sources: number): boolean {
  return (sources & (sources - 1)) !== 0;
}

/** Which ones get a register: the most urgent that is pending, then those that are active, then the rest. */
function choose(wanted: readonly Wanted[], count: number): readonly Wanted[] {
  if (wanted.length <= count) return wanted;
  const pending = wanted.filter(({ state }) => state === PENDING);
  const active = wanted.filter(({ state }) => state !== PENDING);
  return [...pending.slice(0, 1), ...active, ...pending.slice(1)].slice(0, count);
}

function same(a: Wanted, b: Wanted): boolean {
  return (
    a.id === b.id &&
    a.source === b.source &&
    a.priority === b.priority &&
    a.group === b.group &&
    a.state === b.state &&
    a.again === b.again
  );
}
