/** Where maskable external interrupts come from: a local APIC, or an 8259 behind INTR. */
export interface InterruptSource {
  /** An interrupt waits that the priorities let through. */
  readonly pending: boolean;
  /** Accept it: its vector. */
  acknowledge(): number;
  /** End the interrupt in service that has the highest priority; nothing where there is no such register. */
  endInterrupt?(): void;
}
