import type { AccessWidth } from "../device-bus.js";

/** One of the four general-purpose registers that a program keeps values in; nothing else may change them. */
export type Scratch = 0 | 1 | 2 | 3;

/**
 * One step of a guest program, said without an architecture: an adapter turns it into as many instructions as
 * it needs, which may use any register but the scratch registers that the step does not name.
 */
export type GuestOp =
  /** Loads a constant into a scratch register. */
  | { readonly op: "set"; readonly reg: Scratch; readonly value: bigint }
  /** Adds a small constant (0..2047), modulo 2^64. */
  | { readonly op: "add"; readonly reg: Scratch; readonly value: number }
  /** Loads from a guest-physical address, by a single access, extended to 64 bits by sign or with zeros. */
  | {
      readonly op: "load";
      readonly reg: Scratch;
      readonly address: number;
      readonly width: AccessWidth;
      readonly signed: boolean;
    }
  /** Stores the low bytes of a scratch register, by a single access. */
  | { readonly op: "store"; readonly reg: Scratch; readonly address: number; readonly width: AccessWidth }
  /** A hypercall that the architecture package does not handle itself; the first result goes to `result`. */
  | {
      readonly op: "hypercall";
      readonly nr: number;
      readonly args: readonly [bigint, bigint, bigint];
      readonly result: Scratch;
    }
  /** Waits for an interrupt, takes it, and goes on: a later wait waits for another one. */
  | { readonly op: "wait" }
  /** Sets the vCPU's virtual timer to now + `delayNs`, so that it ends a wait. */
  | { readonly op: "setTimer"; readonly delayNs: number }
  /** Starts vCPU `target` at the entry of program `program`; the call's status goes to `result`. */
  | {
      readonly op: "cpuUp";
      readonly target: number;
      readonly program: number;
      readonly arg: number;
      readonly result: Scratch;
    }
  /** Stops this vCPU. */
  | { readonly op: "cpuDown" }
  /** Interrupts another vCPU, so that it ends a wait. */
  | { readonly op: "ipi"; readonly target: number }
  | { readonly op: "shutdown"; readonly failure: boolean }
  | { readonly op: "reset" }
  /** At least one instruction without effect. */
  | { readonly op: "nop" }
  /** A loop for ever without exits. */
  | { readonly op: "spin" };

export type GuestOpName = GuestOp["op"];

/** Steps one after the other. A program does not run past its end: the last step is a spin or stops the vCPU. */
export type GuestProgram = readonly GuestOp[];
