import type { DebugStopExit } from "./exit.js";
import type { ExitReport } from "./report.js";

/**
 * Why a run of a VM ended. After `stopped`, `budget`, `idle` and `debug` it can be run on; the others are
 * the end of the VM.
 *
 * - `shutdown`, `reset`: the guest asked for it.
 * - `halted`: the last vCPU was powered off.
 * - `failed`: something that nobody handles; the report says what.
 * - `stopped`: `stop()` was called or the run was aborted.
 * - `budget`: `maxInstructions` were run.
 * - `idle`: every vCPU waits and no deadline is ahead, and the options say not to wait for the world.
 * - `debug`: a debugger's condition holds on that vCPU.
 */
export type VmRunResult =
  | { readonly kind: "shutdown"; readonly vcpuId: number; readonly failure: boolean; readonly code: number }
  | {
      readonly kind: "reset";
      readonly vcpuId: number;
      readonly warm: boolean;
      readonly failure: boolean;
      readonly code: number;
    }
  | { readonly kind: "halted" }
  | { readonly kind: "failed"; readonly report: ExitReport }
  | { readonly kind: "stopped" }
  | { readonly kind: "budget" }
  | { readonly kind: "idle" }
  | { readonly kind: "debug"; readonly vcpuId: number; readonly exit: DebugStopExit };

/** Whether the VM can be run on after this result. */
export function isResumable(result: VmRunResult): boolean {
  return ["stopped", "budget", "idle", "debug"].includes(result.kind);
}
