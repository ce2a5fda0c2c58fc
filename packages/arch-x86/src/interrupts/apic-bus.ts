import { Shorthand } from "./interrupt-command.js";
import type { LocalApic } from "./local-apic.js";
import { DeliveryMode, type InterruptMessage } from "./message.js";

/** Who sends level-triggered interrupts: I/O APICs. They hear of their end. */
export interface EndOfInterruptListener {
  endOfInterrupt(vector: number): void;
  /** A processor that took none takes interrupts now: send again what nobody accepted. */
  retry?(): void;
}

/** What carries interrupt messages between the APICs of a machine: SDM volume 3, 11.6. */
export class ApicBus {
  /** Local APICs in the order in which they were added. */
  private readonly members: LocalApic[] = [];
  private readonly listeners: EndOfInterruptListener[] = [];

  add(apic: LocalApic): void {
    this.members.push(apic);
  }

  listen(listener: EndOfInterruptListener): void {
    this.listeners.push(listener);
  }

  /** Deliver to whom the destination names. False if nobody accepts it. */
  send(message: InterruptMessage): boolean {
    return this.deliver(
      this.members.filter((apic) => apic.isTarget(message)),
      message,
    );
  }

  /** Deliver what a local APIC sends, to whom the shorthand names or, without one, the destination. */
  sendFrom(sender: LocalApic, shorthand: number, message: InterruptMessage): boolean {
    const others = this.members.filter((apic) => apic !== sender && apic.enabled);
    switch (shorthand) {
      case Shorthand.none:
        return this.send(message);
      case Shorthand.self:
        return this.deliver([sender], message);
      case Shorthand.all:
        return this.deliver([sender, ...others], message);
      default:
        return this.deliver(others, message);
    }
  }

  /** Deliver to these. False if nobody accepts it. */
  deliver(targets: readonly LocalApic[], message: InterruptMessage): boolean {
    if (message.mode === DeliveryMode.lowestPriority) {
      const chosen = lowestPriority(targets);
      return chosen?.accept(message) ?? false;
    }
    let accepted = false;
    for (const apic of targets) accepted = apic.accept(message) || accepted;
    return accepted;
  }

  /** INIT of all processors, by a line that they share: the chip set's soft reset. */
  init(): void {
    const message = { mode: DeliveryMode.init, vector: 0, level: false, logical: false };
    this.deliver(this.members, { ...message, destination: 0xffff_ffff, wide: true });
  }

  /** A local APIC was enabled. */
  retry(): void {
    for (const listener of this.listeners) listener.retry?.();
  }

  /** A processor ended a level-triggered interrupt. */
  endOfInterrupt(vector: number): void {
    for (const listener of this.listeners) listener.endOfInterrupt(vector);
  }
}

/** Among those that take interrupts, the one with the lowest processor priority; of equals the first. */
function lowestPriority(apics: readonly LocalApic[]): LocalApic | undefined {
  let chosen: LocalApic | undefined;
  for (const apic of apics) {
    if (!apic.softwareEnabled) continue;
    if (chosen === undefined || apic.processorPriority < chosen.processorPriority) chosen = apic;
  }
  return chosen;
}
