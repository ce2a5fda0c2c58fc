/** Where the puller tells a person how far it is. */
export interface Progress {
  /** A line that stays. */
  line(text: string): void;
  /** Bytes of one download so far; `total` is its length in bytes. */
  bytes(label: string, done: number, total: number): void;
  /** The download is over; wipes a line in progress. */
  end(): void;
}

export const silentProgress: Progress = { line() {}, bytes() {}, end() {} };

export interface ProgressTarget {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
}

const TTY_INTERVAL_MS = 100;
const LOG_INTERVAL_MS = 10_000;

/**
 * Progress on a terminal as one line that is redrawn, and elsewhere as a line every ten seconds.
 *
 * @param now milliseconds, monotonic.
 */
export function streamProgress(
  target: ProgressTarget,
  now: () => number = () => performance.now(),
): Progress {
  const terminal = target.isTTY === true;
  let label = "";
  let startedAt = 0;
  let startedWith = 0;
  let shownAt = 0;
  let drawn = false;
  const wipe = (): void => {
    if (drawn) target.write("\r\x1b[K");
    drawn = false;
  };
  return {
    line(text) {
      wipe();
      target.write(`${text}\n`);
    },
    bytes(name, done, total) {
      const time = now();
      if (name !== label) {
        label = name;
        startedAt = time;
        startedWith = done;
        shownAt = terminal ? Number.NEGATIVE_INFINITY : time;
      }
      if (time - shownAt < (terminal ? TTY_INTERVAL_MS : LOG_INTERVAL_MS)) return;
      shownAt = time;
      const text = describe(name, done, total, (done - startedWith) / ((time - startedAt) / 1000));
      target.write(terminal ? `\r\x1b[K${text}` : `${text}\n`);
      drawn = terminal;
    },
    end() {
      wipe();
      label = "";
    },
  };
}

/** Bytes as a person reads them. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 2 ** 20 ? `${(bytes / 1024).toFixed(0)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function describe(label: string, done: number, total: number, rate: number): string {
  const percent = Math.floor((done / total) * 100);
  const base = `${label}: ${formatBytes(done)} of ${formatBytes(total)} (${percent} %)`;
  if (!(rate > 0) || !Number.isFinite(rate)) return base;
  return `${base}, ${formatBytes(rate)}/s, ${Math.ceil((total - done) / rate)} s left`;
}
