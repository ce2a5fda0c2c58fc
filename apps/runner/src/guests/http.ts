import * as http from "node:http";
import { GuestError } from "./errors.js";

/** The part of `fetch` the puller uses, so that tests and embedders can bring their own. */
export type Fetch = (
  url: string,
  init: { headers: Record<string, string>; signal: AbortSignal },
) => Promise<Response>;

/** No byte for this long counts as a broken connection. */
export const STALL_MS = 30_000;

/**
 * One GET request. Throws `Offline` when the server cannot be reached, in one line that says why, and
 * `HttpStatus` for an answer other than 200 or 206.
 */
export async function request(
  fetcher: Fetch,
  url: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Response> {
  let response: Response;
  try {
    // Identity: sizes, ranges and digests are those of the file as it is stored.
    response = await fetcher(url, { headers: { "accept-encoding": "identity", ...headers }, signal });
  } catch (cause) {
    throw new GuestError(
      "Offline",
      `cannot reach ${new URL(url).host} (${networkReason(cause)}): is this machine offline?`,
      {
        cause,
      },
    );
  }
  if (response.status !== 200 && response.status !== 206) {
    await response.body?.cancel();
    throw new HttpStatusError(url, response.status, response.statusText);
  }
  return response;
}

export class HttpStatusError extends GuestError {
  readonly status: number;

  constructor(url: string, status: number, text: string) {
    super("HttpStatus", `${url}: the server answers ${status} ${text}`.trimEnd());
    this.name = "HttpStatusError";
    this.status = status;
  }
}

/** The innermost cause of a failed fetch, as its system error code or message. */
export function networkReason(error: unknown): string {
  let current = error;
  while (current instanceof Error) {
    const code = (current as NodeJS.ErrnoException).code;
    const next = current instanceof AggregateError ? (current.errors[0] as unknown) : current.cause;
    if (typeof code === "string" && code !== "ABORT_ERR") return code;
    if (next === undefined) return current.message;
    current = next;
  }
  return String(current);
}

/**
 * Makes `fetch` use the proxies of the environment (`http_proxy`, `https_proxy`, `no_proxy`), which Node
 * does not do by itself; an older Node that cannot goes without. Gives a function that undoes it.
 */
export function useProxiesFromEnvironment(env: Readonly<Record<string, string | undefined>>): () => void {
  const names = ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"];
  if (!names.some((name) => (env[name] ?? "") !== "")) return () => {};
  const { setGlobalProxyFromEnv } = http as { setGlobalProxyFromEnv?: (env: object) => () => void };
  return setGlobalProxyFromEnv?.(env) ?? (() => {});
}
