import { fileErrorText } from "../errors.js";
import { EXIT, signalExitCode } from "../exit-codes.js";
import type { MachineEnd } from "../machine/contract.js";
import type { StopReason } from "./stop-switch.js";

/** How a run ended: by its guest, from outside, or at a limit. */
export type RunOutcome =
  | StopReason
  | Extract<MachineEnd, { readonly kind: "shutdown" | "exit" | "reset" | "failed" }>
  /** `--max-instructions` are done. */
  | { readonly kind: "budget" }
  /** Every CPU waits, no timer runs and no input can come. */
  | { readonly kind: "deadlock" }
  /** The snapshot that was all the run was for is saved. */
  | { readonly kind: "saved" };

/** What the process makes of it: its exit code, and a text for standard error where there is something to say. */
export function concludeRun(outcome: RunOutcome): { readonly exitCode: number; readonly text?: string } {
  switch (outcome.kind) {
    case "matched":
    case "quit":
    case "reset":
    case "saved":
      return { exitCode: EXIT.ok };
    case "shutdown":
      if (!outcome.failure) return { exitCode: EXIT.ok };
      return say(
        EXIT.failure,
        `the guest shut down with a failure${outcome.code === 0 ? "" : `, code ${outcome.code}`}`,
      );
    case "exit":
      return { exitCode: outcome.code & 0xff };
    case "failed":
      return { exitCode: EXIT.failure, text: outcome.report };
    case "deadlock":
      return say(EXIT.failure, "the guest waits for ever: no timer runs, and no more input can come");
    case "timeout":
      return say(EXIT.limit, "the time of --timeout is over");
    case "budget":
      return say(EXIT.limit, "the instructions of --max-instructions are done");
    case "signal":
      return { exitCode: signalExitCode(outcome.signal) };
    case "output":
      // Nobody reads any more: what SIGPIPE would have said.
      if (outcome.error.code === "EPIPE") return { exitCode: signalExitCode("SIGPIPE") };
      return say(EXIT.failure, `standard output cannot be written: ${fileErrorText(outcome.error)}`);
  }
}

function say(exitCode: number, what: string) {
  return { exitCode, text: `hypercraft: ${what}\n` };
}
