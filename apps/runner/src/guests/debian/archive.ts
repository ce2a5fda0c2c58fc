import { createReadStream } from "node:fs";
import { join } from "node:path";
import { decompress } from "../archive/decompress.js";
import { type DownloadContext, download } from "../download.js";
import { GuestError } from "../errors.js";
import { request, STALL_MS } from "../http.js";
import type { MirrorCandidate } from "./mirror.js";
import { type PackageRecord, readPackages } from "./packages.js";
import { clearsignedText, parseRelease, type Release } from "./release.js";
import { checkSignature, type SignatureCheck, type SignatureOptions } from "./signature.js";

/** A suite of a mirror whose index was fetched and checked. */
export interface OpenedSuite {
  readonly mirror: MirrorCandidate;
  readonly release: Release;
  readonly signature: SignatureCheck;
  readonly packages: ReadonlyMap<string, PackageRecord>;
}

export interface SuiteRequest {
  readonly suite: string;
  readonly architecture: string;
  /** Names of packages worth keeping from the index. */
  readonly wanted: (name: string) => boolean;
  /** Folder for the index on its way. */
  readonly folder: string;
  readonly signature: SignatureOptions;
}

/** More than any InRelease file ever had. */
const MAX_RELEASE_BYTES = 8 * 2 ** 20;

/**
 * Opens the suite at the first mirror that has it. Where a mirror was named there is only that one; of
 * those found in the host's apt sources, one that cannot be reached or is not Debian's is passed over.
 * A wrong signature or digest is never passed over.
 */
export async function openSuite(
  candidates: readonly MirrorCandidate[],
  wanted: SuiteRequest,
  context: DownloadContext,
): Promise<OpenedSuite> {
  let failure: unknown;
  for (const mirror of candidates) {
    try {
      return await openSuiteAt(mirror, wanted, context);
    } catch (error) {
      const skippable =
        error instanceof GuestError &&
        ["Offline", "HttpStatus", "BadRelease", "MissingPackage"].includes(error.code);
      if (!skippable) throw error;
      failure ??= error;
      if (candidates.length > 1) context.progress.line(`mirror ${mirror.url} is of no use: ${error.message}`);
    }
  }
  throw failure ?? new GuestError("BadMirror", "no mirror to ask");
}

async function openSuiteAt(
  mirror: MirrorCandidate,
  wanted: SuiteRequest,
  context: DownloadContext,
): Promise<OpenedSuite> {
  const base = `${mirror.url}/dists/${wanted.suite}`;
  const message = await fetchSmall(`${base}/InRelease`, context);
  const release = parseRelease(clearsignedText(new TextDecoder().decode(message)));
  if (release.origin !== "Debian" || release.codename !== wanted.suite) {
    const found = `${release.origin || "unknown"} ${release.codename}`.trimEnd();
    throw new GuestError("BadRelease", `${base} is not Debian ${wanted.suite} but ${found}`);
  }
  const signature = await checkSignature(message, wanted.signature);
  const packages = await fetchIndex(base, release, wanted, context);
  return { mirror, release, signature, packages };
}

async function fetchIndex(
  base: string,
  release: Release,
  wanted: SuiteRequest,
  context: DownloadContext,
): Promise<Map<string, PackageRecord>> {
  const folder = `main/binary-${wanted.architecture}`;
  const suffix = [".xz", ".gz", ""].find((end) => release.files.has(`${folder}/Packages${end}`));
  const digest = suffix === undefined ? undefined : release.files.get(`${folder}/Packages${suffix}`);
  if (suffix === undefined || digest === undefined) {
    throw new GuestError("MissingPackage", `${base} has no packages for ${wanted.architecture}`);
  }
  const byHash = `${base}/${folder}/by-hash/SHA256/${digest.sha256}`;
  const byName = `${base}/${folder}/Packages${suffix}`;
  const file = join(wanted.folder, `Packages-${digest.sha256.slice(0, 16)}${suffix}`);
  const label = `package index ${wanted.suite}/${wanted.architecture}`;
  await download(
    { urls: release.acquireByHash ? [byHash, byName] : [byName], file, label, ...digest },
    context,
  );
  return readPackages(decompress(file, createReadStream(file)), wanted.wanted);
}

async function fetchSmall(url: string, context: DownloadContext): Promise<Uint8Array> {
  const response = await request(context.fetch, url, {}, AbortSignal.timeout(STALL_MS * 2));
  try {
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (bytes.length > MAX_RELEASE_BYTES) throw new GuestError("BadRelease", `${url} is too large`);
    return bytes;
  } catch (cause) {
    if (cause instanceof GuestError) throw cause;
    throw new GuestError("Offline", `connection lost while reading ${url}`, { cause });
  }
}
