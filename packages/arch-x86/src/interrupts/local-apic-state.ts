import type { LocalApicTimerState } from "./local-apic-timer.js";

/** A local APIC's registers, as plain data. */
export interface LocalApicState {
  readonly version: 1;
  /** IA32_APIC_BASE, hexadecimal. */
  readonly base: string;
  readonly taskPriority: number;
  readonly logicalId: number;
  readonly destinationFormat: number;
  readonly spurious: number;
  readonly inService: readonly number[];
  readonly triggerMode: readonly number[];
  readonly request: readonly number[];
  readonly errors: number;
  readonly latchedErrors: number;
  readonly command: number;
  readonly commandHigh: number;
  readonly vectorTable: readonly number[];
  readonly lint: readonly boolean[];
  readonly extInt: boolean;
  readonly timer: LocalApicTimerState;
}
