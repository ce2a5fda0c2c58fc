import { type EndingSignal, signalExitCode } from "../exit-codes.js";
import type { CliIo } from "../io.js";

const SIGNALS: readonly EndingSignal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Takes the signals that end a process, so that it ends in order. The second signal ends it at once.
 * @returns the function that stops taking them.
 */
export function onEndingSignals(
  io: Pick<CliIo, "events" | "exit">,
  onSignal: (signal: EndingSignal) => void,
): () => void {
  let seen = false;
  const listeners = SIGNALS.map((signal) => ({
    signal,
    listener: () => {
      if (seen) io.exit(signalExitCode(signal));
      seen = true;
      onSignal(signal);
    },
  }));
  for (const { signal, listener } of listeners) io.events.on(signal, listener);
  return () => {
    for (const { signal, listener } of listeners) io.events.off(signal, listener);
  };
}
