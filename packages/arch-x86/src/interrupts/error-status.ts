import type { LocalApicState } from "./local-apic-state.js";

/** ESR of a local APIC: SDM volume 3, 11.5.3. Errors are collected, and shown from a write of the register on. */
export class ErrorStatus {
  /** What the register reads as. */
  shown = 0;
  private collected = 0;

  clear(): void {
    this.shown = 0;
    this.collected = 0;
  }

  /** An error (`ApicError`). False if it has been told of already. */
  add(bit: number): boolean {
    const fresh = (this.collected & bit) === 0;
    this.collected |= bit;
    return fresh;
  }

  /** The register is written. */
  show(): void {
    this.shown = this.collected;
    this.collected = 0;
  }

  state(): Pick<LocalApicState, "errors" | "latchedErrors"> {
    return { errors: this.shown, latchedErrors: this.collected };
  }

  restore(state: ReturnType<ErrorStatus["state"]>): void {
    this.shown = state.errors;
    this.collected = state.latchedErrors;
  }
}
