import { DeadlineQueue, InstructionClock } from "@hypercraft/hypercraft";
import { ApicBus } from "../interrupts/apic-bus.js";
import { LocalApic, type LocalApicOptions } from "../interrupts/local-apic.js";

/** What a processor was told. */
export interface Told {
  nmi: number;
  smi: number;
  init: number;
  startUp: number[];
}

/** Local APICs on a bus, with time that the test moves: a nanosecond a tick. */
export class ApicRig {
  readonly clock = new InstructionClock(1, 1);
  readonly timers = new DeadlineQueue();
  readonly bus = new ApicBus();
  readonly told: Told[] = [];

  add(id: number, options: Partial<LocalApicOptions> = {}): LocalApic {
    const told: Told = { nmi: 0, smi: 0, init: 0, startUp: [] };
    this.told.push(told);
    const { bus, clock, timers } = this;
    return new LocalApic({
      id,
      bus,
      clock,
      timers,
      processor: {
        interruptsChanged: () => undefined,
        nmi: () => told.nmi++,
        smi: () => told.smi++,
        init: () => told.init++,
        startUp: (vector) => told.startUp.push(vector),
      },
      ...options,
    });
  }

  /** Moves time on, stopping at every deadline on the way as a run loop does. */
  runTo(ns: number): void {
    while (this.timers.nextDeadline() <= ns) {
      this.clock.advanceTo(this.timers.nextDeadline());
      this.timers.runDue(this.clock.now());
    }
    this.clock.advanceTo(ns);
  }
}

/** Registers in xAPIC mode by offset. */
export const get = (apic: LocalApic, offset: number): number => apic.read(offset, 4);
export const set = (apic: LocalApic, offset: number, value: number): void => apic.write(offset, 4, value);

/** End the interrupt in service, in either mode. */
function end(apic: LocalApic): void {
  if (apic.extended) apic.writeMsr(0x80b, 0n);
  else set(apic, 0xb0, 0);
}

/** All vectors that are taken now, highest first; each is ended at once. */
export function take(apic: LocalApic): number[] {
  const vectors: number[] = [];
  while (apic.pending) {
    if (vectors.length > 100) throw new Error("interrupts without end");
    vectors.push(apic.acknowledge());
    end(apic);
  }
  return vectors;
}

/** IA32_APIC_BASE: x2APIC mode on. */
export function extend(apic: LocalApic): void {
  apic.writeBase(apic.base | 0x400n);
}
