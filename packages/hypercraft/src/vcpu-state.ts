import { HyperError } from "./error.js";

/**
 * Where a vCPU is in its life.
 *
 * - `Created`: exists, without a second stage; cannot run.
 * - `Ready`: can run, or stays with an exit that waits for its answer.
 * - `Running`: inside `run`.
 * - `Blocked`: waits for an interrupt.
 * - `PoweredOff`: runs again only when another vCPU (or the host) starts it.
 */
export type VCpuState = "Created" | "Ready" | "Running" | "Blocked" | "PoweredOff";

/** The transitions there are; every other one is an error. */
export const VCPU_TRANSITIONS: Readonly<Record<VCpuState, readonly VCpuState[]>> = {
  Created: ["Ready", "PoweredOff"],
  Ready: ["Running", "Blocked", "PoweredOff"],
  Running: ["Ready", "Blocked"],
  Blocked: ["Ready", "PoweredOff"],
  PoweredOff: ["Ready"],
};

/** The state machine of one vCPU: nothing but checked transitions. */
export class VCpuLifecycle {
  readonly #vcpuId: number;
  #state: VCpuState = "Created";

  constructor(vcpuId: number) {
    this.#vcpuId = vcpuId;
  }

  get state(): VCpuState {
    return this.#state;
  }

  /** Throws BadState, and changes nothing, unless the transition exists. */
  to(next: VCpuState): void {
    if (!VCPU_TRANSITIONS[this.#state].includes(next))
      throw new HyperError("BadState", `vCPU ${this.#vcpuId} is ${this.#state} and cannot become ${next}`);
    this.#state = next;
  }

  /** Throws BadState unless the vCPU is in one of the states. `what` completes "vCPU 0 is Running: ...". */
  require(what: string, ...states: readonly VCpuState[]): void {
    if (!states.includes(this.#state))
      throw new HyperError("BadState", `vCPU ${this.#vcpuId} is ${this.#state}: ${what}`);
  }

  /** Takes a saved state over, whatever the present one. "Running" cannot be saved: throws InvalidParam. */
  restore(state: VCpuState): void {
    if (!(state in VCPU_TRANSITIONS) || state === "Running")
      throw new HyperError("InvalidParam", `vCPU ${this.#vcpuId}: "${state}" is not a state to restore`);
    this.#state = state;
  }
}
