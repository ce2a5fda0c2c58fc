/** What the process ends with. */
export const EXIT = {
  /** The guest shut down, or what was waited for came. */
  ok: 0,
  /** The guest failed. */
  failure: 1,
  /** Called wrongly, or with bad input. */
  usage: 2,
  /** A limit of time or instructions was reached first, as with timeout(1). */
  limit: 124,
} as const;

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGPIPE: 13, SIGTERM: 15 } as const;
export type EndingSignal = keyof typeof SIGNALS;

/** What a shell reports for a process that a signal ended. */
export function signalExitCode(signal: EndingSignal): number {
  return 128 + SIGNALS[signal];
}
