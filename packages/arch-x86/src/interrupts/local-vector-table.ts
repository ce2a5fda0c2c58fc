import { LVT, LVT_ENTRIES, LVT_WRITABLE, Lvt } from "./local-apic-registers.js";
import { DeliveryMode, type InterruptMessage } from "./message.js";

const modeOf = (entry: number): number => (entry >> LVT.modeShift) & 7;
/** Only LINT0 can be level-triggered, and only with fixed delivery (11.5.1). */
const isLevel = (index: number, entry: number): boolean =>
  index === Lvt.lint0 && (entry & LVT.level) !== 0 && modeOf(entry) === DeliveryMode.fixed;

/** Local interrupts and the pins LINT0 and LINT1: SDM volume 3, 11.5. */
export class LocalVectorTable {
  private readonly entries = new Int32Array(LVT_ENTRIES);
  private readonly levels = [false, false];
  private readonly accept: (message: InterruptMessage) => boolean;

  /** `accept`: the interrupt is the local APIC's; false if it does not take it. */
  constructor(accept: (message: InterruptMessage) => boolean) {
    this.accept = accept;
  }

  /** After reset and INIT; the pins stay as they are. */
  reset(): void {
    this.entries.fill(LVT.mask);
  }

  maskAll(): void {
    for (let i = 0; i < LVT_ENTRIES; i++) this.mask(i);
  }

  mask(index: number): void {
    this.entries[index] = this.get(index) | LVT.mask;
  }

  /** The 8259 behind LINT0, NMI behind LINT1. */
  enterVirtualWireMode(): void {
    this.entries[Lvt.lint0] = LVT.level | (DeliveryMode.extInt << LVT.modeShift);
    this.entries[Lvt.lint1] = DeliveryMode.nmi << LVT.modeShift;
  }

  get(index: number): number {
    return this.entries[index] as number;
  }

  /** `masked`: the APIC is off, so that it cannot be unmasked. */
  set(index: number, value: number, masked: boolean): void {
    const old = this.get(index);
    const entry = (value & LVT_WRITABLE[index]!) | (masked ? LVT.mask : 0);
    this.entries[index] = isLevel(index, entry) ? entry | (old & LVT.remoteIrr) : entry;
    if (index === Lvt.lint0) this.serviceLint0();
  }

  /** Level of LINT0 or LINT1. */
  level(pin: 0 | 1): boolean {
    return this.levels[pin] as boolean;
  }

  setLevel(pin: 0 | 1, level: boolean): void {
    this.levels[pin] = level;
  }

  /** A pin changed, of an APIC that is on. */
  pinChanged(pin: 0 | 1): void {
    const index = Lvt.lint0 + pin;
    if (this.level(pin) && !isLevel(index, this.get(index))) this.signal(index);
    else this.serviceLint0();
  }

  /** The pin asks for an interrupt whose vector the 8259 has. */
  isExtInt(pin: 0 | 1): boolean {
    const entry = this.get(Lvt.lint0 + pin);
    return this.level(pin) && (entry & LVT.mask) === 0 && modeOf(entry) === DeliveryMode.extInt;
  }

  /** A level-triggered interrupt ended. */
  ended(vector: number): void {
    const entry = this.get(Lvt.lint0);
    if ((entry & LVT.vector) === vector) this.entries[Lvt.lint0] = entry & ~LVT.remoteIrr;
  }

  /** A level-triggered LINT0 that is high asks again and again, one at a time. */
  serviceLint0(): void {
    const entry = this.get(Lvt.lint0);
    if (!this.level(0) || !isLevel(Lvt.lint0, entry) || (entry & (LVT.mask | LVT.remoteIrr)) !== 0) return;
    if (this.accept(message(DeliveryMode.fixed, entry & LVT.vector, true)))
      this.entries[Lvt.lint0] = entry | LVT.remoteIrr;
  }

  /** A local interrupt by its entry, if that is not masked. */
  signal(index: number): void {
    const entry = this.get(index);
    if ((entry & LVT.mask) !== 0) return;
    const fixedOnly = index === Lvt.timer || index === Lvt.error;
    const mode = fixedOnly ? DeliveryMode.fixed : modeOf(entry);
    // ExtINT follows the line.
    if (mode === DeliveryMode.extInt || mode === DeliveryMode.lowestPriority || mode === DeliveryMode.startUp)
      return;
    this.accept(message(mode, entry & LVT.vector, false));
  }

  state(): { readonly vectorTable: readonly number[]; readonly lint: readonly boolean[] } {
    return { vectorTable: [...this.entries], lint: [...this.levels] };
  }

  restore(vectorTable: readonly number[], lint: readonly boolean[]): void {
    this.entries.set(vectorTable);
    this.levels[0] = lint[0] === true;
    this.levels[1] = lint[1] === true;
  }
}

const message = (mode: number, vector: number, level: boolean): InterruptMessage => ({
  mode,
  vector,
  level,
  logical: false,
  destination: 0,
  wide: false,
});
