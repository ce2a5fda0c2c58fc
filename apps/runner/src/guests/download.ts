import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { GuestError } from "./errors.js";
import { type Fetch, HttpStatusError, networkReason, request, STALL_MS } from "./http.js";
import type { Progress } from "./progress.js";

export interface DownloadContext {
  readonly fetch: Fetch;
  readonly progress: Progress;
  /** Milliseconds before the first retry of a broken connection; doubles each time. */
  readonly retryDelayMs?: number | undefined;
}

export interface DownloadRequest {
  /** Addresses of the same bytes, tried in order while the server says that one is not there. */
  readonly urls: readonly string[];
  /** Where the file goes once it is complete and checked; `.part` beside it until then. */
  readonly file: string;
  /** Expected digest and length in bytes. */
  readonly sha256: string;
  readonly size: number;
  /** How progress names it. */
  readonly label: string;
}

const ATTEMPTS = 5;

/**
 * Downloads a file of known digest, going on where an earlier attempt stopped. A file that is there and
 * whole is not fetched again. Broken connections are retried; what was received stays in `.part` for
 * the next time. Throws `Offline`, `HttpStatus`, `Truncated` or `ChecksumMismatch`.
 */
export async function download(job: DownloadRequest, context: DownloadContext): Promise<void> {
  if ((await sha256OfFile(job.file)) === job.sha256) return;
  await mkdir(dirname(job.file), { recursive: true });
  const part = `${job.file}.part`;
  let resumed = (await sizeOf(part)) > 0;
  for (;;) {
    try {
      await fetchWithRetries(job, part, context);
    } finally {
      context.progress.end();
    }
    const digest = await sha256OfFile(part);
    if (digest === job.sha256) break;
    await rm(part, { force: true });
    // A leftover of another day may be damaged: one try from the start tells.
    if (!resumed) throw mismatch(job, digest);
    context.progress.line(`${job.label}: what an earlier download left is damaged, starting again`);
    resumed = false;
  }
  await rename(part, job.file);
}

/** Hex digest of a file, or undefined when there is none. */
export async function sha256OfFile(file: string): Promise<string | undefined> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 20 }))
      hash.update(chunk as Buffer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  return hash.digest("hex");
}

function mismatch(job: DownloadRequest, digest: string | undefined): GuestError {
  return new GuestError(
    "ChecksumMismatch",
    `${job.label}: the SHA-256 of what was downloaded is ${digest}, the index promises ${job.sha256}`,
  );
}

async function fetchWithRetries(job: DownloadRequest, part: string, context: DownloadContext): Promise<void> {
  let delay = context.retryDelayMs ?? 500;
  for (let attempt = 1; ; attempt++) {
    const before = await sizeOf(part);
    try {
      return await fetchFromAny(job, part, context);
    } catch (error) {
      const progressed = (await sizeOf(part)) > before;
      if (!worthRetrying(error, progressed) || attempt >= ATTEMPTS) throw error;
      context.progress.line(`${job.label}: ${(error as Error).message}; trying again`);
    }
    await sleep(delay);
    delay *= 2;
  }
}

/** A server that was never reached is offline; one that broke off, or is overloaded, may come back. */
function worthRetrying(error: unknown, progressed: boolean): boolean {
  if (error instanceof HttpStatusError) return error.status >= 500 || error.status === 429;
  if (!(error instanceof GuestError)) return false;
  return error.code === "Truncated" || (error.code === "Offline" && progressed);
}

async function fetchFromAny(job: DownloadRequest, part: string, context: DownloadContext): Promise<void> {
  for (const [index, url] of job.urls.entries()) {
    try {
      return await fetchRest(url, job, part, context);
    } catch (error) {
      const absent = error instanceof HttpStatusError && error.status === 404;
      if (!absent || index === job.urls.length - 1) throw error;
    }
  }
}

async function fetchRest(
  url: string,
  job: DownloadRequest,
  part: string,
  context: DownloadContext,
): Promise<void> {
  let have = await sizeOf(part);
  if (have > job.size) {
    await rm(part);
    have = 0;
  }
  if (have === job.size) return;
  const stall = new StallGuard(url);
  try {
    const headers: Record<string, string> = have > 0 ? { range: `bytes=${have}-` } : {};
    const response = await request(context.fetch, url, headers, stall.signal);
    const start = response.status === 206 ? rangeStart(response) : 0;
    // A server without ranges sends everything again, and that is what the file then becomes.
    if (start !== 0 && start !== have) {
      await response.body?.cancel();
      throw new GuestError("Truncated", `${url}: the server sent another range than asked for`);
    }
    await receive(response, start, job, part, context, stall);
  } finally {
    stall.stop();
  }
}

async function receive(
  response: Response,
  start: number,
  job: DownloadRequest,
  part: string,
  context: DownloadContext,
  stall: StallGuard,
): Promise<void> {
  const file = await open(part, start === 0 ? "w" : "r+");
  let at = start;
  try {
    context.progress.bytes(job.label, at, job.size);
    for await (const chunk of body(response)) {
      stall.alive();
      if (at + chunk.length > job.size) {
        throw new GuestError(
          "ChecksumMismatch",
          `${job.label}: the server sends more than the ${job.size} bytes promised`,
        );
      }
      await file.write(chunk, 0, chunk.length, at);
      at += chunk.length;
      context.progress.bytes(job.label, at, job.size);
    }
  } catch (cause) {
    if (cause instanceof GuestError || !isNetworkError(cause)) throw cause;
    const why = stall.signal.aborted ? "no data for too long" : networkReason(cause);
    throw new GuestError("Truncated", `connection lost after ${at} of ${job.size} bytes (${why})`, { cause });
  } finally {
    await file.close();
  }
  if (at < job.size) throw new GuestError("Truncated", `connection lost after ${at} of ${job.size} bytes`);
}

/** Errors of the disk have an errno name and a system call; what fetch reports has neither of its own. */
function isNetworkError(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).syscall === undefined;
}

function body(response: Response): AsyncIterable<Uint8Array> {
  return response.body === null
    ? (async function* () {})()
    : (response.body as unknown as AsyncIterable<Uint8Array>);
}

function rangeStart(response: Response): number {
  return Number(/^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1] ?? Number.NaN);
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    (info) => info.size,
    () => 0,
  );
}

/** Aborts a request that stands still. */
class StallGuard {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(url: string) {
    this.#timer = setTimeout(
      () => this.#controller.abort(new Error(`${url}: no data for too long`)),
      STALL_MS,
    );
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  alive(): void {
    this.#timer.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
