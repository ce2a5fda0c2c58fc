import type { PeVCpu } from "@hypercraft/arch-arm";
import { Semihosting } from "../../devices/semihosting.js";
import type { BoardContext } from "../common/assemble.js";
import { DEFAULT_EPOCH_NS } from "../common/options.js";
import type { ArmVirtOptions } from "./options.js";

/** Lets the guest call the host by HLT; a PE that waits for input goes on when there is some. */
export function connectSemihosting(
  vcpus: readonly PeVCpu[],
  options: ArmVirtOptions,
  { input, end }: BoardContext,
): void {
  const { console: sink, clock, epochNs = DEFAULT_EPOCH_NS, append } = options;
  const semihosting = new Semihosting({
    ...{ sink, source: input, clock, epochNs },
    ...(append !== undefined && { commandLine: append }),
    onExit: (code) => end({ kind: "exit", code }),
  });
  for (const { pe } of vcpus) pe.semihosting = semihosting;
}
