import type { ExitAnswer, VmExitKind, VmExitOf } from "./exit.js";
import type { VmRunResult } from "./run-result.js";
import type { VCpu } from "./vcpu.js";

/**
 * What a handler makes of an exit: an answer for the vCPU; `resume`, where none is due or the handler gave it
 * itself; `end`, which ends the VM's run with that result.
 */
export type ExitOutcome =
  | ExitAnswer
  | { readonly kind: "resume" }
  | { readonly kind: "end"; readonly result: VmRunResult };

/** Handles exits of one kind; undefined passes the exit on to the VM's own handling. Must not throw. */
export type ExitHandler<K extends VmExitKind, V extends VCpu = VCpu> = (
  exit: VmExitOf<K>,
  vcpu: V,
) => ExitOutcome | undefined;

/** Handlers by exit kind; they come before what the VM does by itself. */
export type ExitHandlers<V extends VCpu = VCpu> = { readonly [K in VmExitKind]?: ExitHandler<K, V> };

/** Shorthands for outcomes without a payload, shared so that exits do not allocate. */
export const RESUME: ExitOutcome = { kind: "resume" };
export const DONE: ExitAnswer = { kind: "done" };
export const RETRY: ExitAnswer = { kind: "retry" };
export const FAULT: ExitAnswer = { kind: "fault" };
