import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { buildGuest } from "./build.js";
import {
  cacheRoot,
  downloadFolder,
  type Environment,
  type GuestManifest,
  guestFolder,
  installGuest,
  MANIFEST_FORMAT,
  type PulledGuest,
  readPulledGuest,
  withPullLock,
} from "./cache.js";
import { type GuestRecipe, guestCatalog } from "./catalog.js";
import { type OpenedSuite, openSuite } from "./debian/archive.js";
import { DebFiles } from "./debian/deb.js";
import { mirrorCandidates } from "./debian/mirror.js";
import { findPackage, kernelPackageOf, type PackageRecord } from "./debian/packages.js";
import { type DownloadContext, download } from "./download.js";
import { GuestError } from "./errors.js";
import { type Fetch, useProxiesFromEnvironment } from "./http.js";
import { formatBytes, type Progress, silentProgress } from "./progress.js";

export interface GuestOptions {
  /** Environment variables; those of the process by default. */
  readonly env?: Environment | undefined;
  /** Guests to choose from; {@link guestCatalog} by default. */
  readonly catalog?: readonly GuestRecipe[] | undefined;
}

export interface PullOptions extends GuestOptions {
  /** Base address of the mirror to use, instead of `HYPERCRAFT_MIRROR` or the host's apt sources. */
  readonly mirror?: string | undefined;
  /** Ask the mirror again even when the guest is in the cache. */
  readonly refresh?: boolean | undefined;
  /** Keyring for the mirror's signature, instead of Debian's. */
  readonly keyring?: string | undefined;
  /** Signature checker, `gpgv` by default. */
  readonly gpgv?: string | undefined;
  readonly progress?: Progress | undefined;
  readonly fetch?: Fetch | undefined;
  /** The host's apt configuration, `/etc/apt` by default. */
  readonly aptFolder?: string | undefined;
  /** Milliseconds before the first retry of a broken connection. */
  readonly retryDelayMs?: number | undefined;
}

export interface GuestStatus {
  readonly recipe: GuestRecipe;
  /** What is in the cache, if anything. */
  readonly pulled: PulledGuest | undefined;
}

/** Every guest that can be pulled, with what is in the cache of it. */
export async function listGuests(options: GuestOptions = {}): Promise<GuestStatus[]> {
  const root = cacheRoot(options.env ?? process.env);
  const catalog = options.catalog ?? guestCatalog;
  return Promise.all(
    catalog.map(async (recipe) => ({ recipe, pulled: await readPulledGuest(root, recipe.name) })),
  );
}

/** A guest in the cache. Throws `UnknownGuest`, or `NotPulled` when it is not there. */
export async function findGuest(name: string, options: GuestOptions = {}): Promise<PulledGuest> {
  const recipe = recipeOf(name, options);
  const guest = await readPulledGuest(cacheRoot(options.env ?? process.env), recipe.name);
  if (guest === undefined) {
    throw new GuestError("NotPulled", `${name} is not pulled yet: run "hypercraft guests pull ${name}"`);
  }
  return guest;
}

/**
 * Fetches a guest from a Debian mirror and makes its kernel, initramfs and root disk in the cache; one
 * that is there already is only looked up, unless `refresh` is set. Throws {@link GuestError}; what was
 * in the cache before is then still there, and what was downloaded is kept for the next try.
 */
export async function pullGuest(name: string, options: PullOptions = {}): Promise<PulledGuest> {
  const recipe = recipeOf(name, options);
  const env = options.env ?? process.env;
  const root = cacheRoot(env);
  const existing = await readPulledGuest(root, name);
  if (existing !== undefined && options.refresh !== true) return existing;
  const undoProxies = useProxiesFromEnvironment(env);
  try {
    return await withPullLock(root, name, () => pullInto(root, recipe, env, options));
  } finally {
    undoProxies();
  }
}

function recipeOf(name: string, options: GuestOptions): GuestRecipe {
  const catalog = options.catalog ?? guestCatalog;
  const recipe = catalog.find((row) => row.name === name);
  if (recipe === undefined) {
    const known = catalog.map((row) => row.name).join(", ");
    throw new GuestError("UnknownGuest", `there is no guest ${JSON.stringify(name)}; there is ${known}`);
  }
  return recipe;
}

async function pullInto(
  root: string,
  recipe: GuestRecipe,
  env: Environment,
  options: PullOptions,
): Promise<PulledGuest> {
  const progress = options.progress ?? silentProgress;
  const fetcher: Fetch = options.fetch ?? ((url, init) => fetch(url, init));
  const context: DownloadContext = { fetch: fetcher, progress, retryDelayMs: options.retryDelayMs };
  const downloads = downloadFolder(root, recipe.name);
  const candidates = await mirrorCandidates(options.mirror, env, options.aptFolder);
  const suite = await openSuite(
    candidates,
    {
      suite: recipe.suite,
      architecture: recipe.architecture,
      wanted: (name) => name.startsWith("linux-image-") || name === recipe.busyboxPackage,
      folder: downloads,
      signature: { keyring: options.keyring, gpgv: options.gpgv },
    },
    context,
  );
  progress.line(`Debian ${suite.release.version} (${recipe.suite}) at ${suite.mirror.url}`);
  progress.line(`signature of the index: ${describeSignature(suite)}`);

  const kernel = kernelPackageOf(suite.packages, recipe.kernelPackage);
  const busybox = findPackage(suite.packages, recipe.busyboxPackage);
  const kernelDeb = await downloadPackage(kernel, suite.mirror.url, downloads, context);
  const busyboxDeb = await downloadPackage(busybox, suite.mirror.url, downloads, context);
  await keepOnly(downloads, [kernelDeb, busyboxDeb]);

  const scratch = `${guestFolder(root, recipe.name)}.new`;
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { recursive: true });
  try {
    progress.line("unpacking the kernel and making initramfs and root disk");
    const built = await unpackAndBuild(recipe, kernelDeb, busyboxDeb, scratch);
    const manifest: GuestManifest = {
      format: MANIFEST_FORMAT,
      name: recipe.name,
      architecture: recipe.architecture,
      suite: recipe.suite,
      suiteVersion: suite.release.version,
      kernelRelease: built.kernelRelease,
      mirror: suite.mirror.url,
      signature: describeSignature(suite),
      packages: [kernel, busybox].map(({ name, version, sha256 }) => ({ name, version, sha256 })),
      files: built.files,
      commandLines: {
        initramfs: `console=${recipe.console}`,
        disk: `console=${recipe.console} root=/dev/vda rw`,
      },
    };
    await writeFile(join(scratch, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
    await installGuest(root, recipe.name, scratch);
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    throw error;
  }
  return findGuest(recipe.name, options);
}

function describeSignature({ signature }: OpenedSuite): string {
  if (!signature.checked) return `not checked: ${signature.reason}`;
  return `verified: ${signature.signers.map((signer) => signer.replace(/ <.*>$/, "")).join(", ")}`;
}

async function downloadPackage(
  record: PackageRecord,
  mirror: string,
  folder: string,
  context: DownloadContext,
): Promise<string> {
  const file = join(folder, `${record.sha256.slice(0, 16)}-${basename(record.filename)}`);
  const { sha256, size, name } = record;
  context.progress.line(`${name} ${record.version} (${formatBytes(size)})`);
  await download({ urls: [`${mirror}/${record.filename}`], file, sha256, size, label: name }, context);
  return file;
}

/** Removes what earlier pulls downloaded and nobody needs now. */
async function keepOnly(folder: string, files: readonly string[]): Promise<void> {
  const keep = new Set(files.map((file) => basename(file)));
  for (const name of await readdir(folder)) {
    if (!keep.has(name)) await rm(join(folder, name), { force: true });
  }
}

async function unpackAndBuild(
  recipe: GuestRecipe,
  kernelDeb: string,
  busyboxDeb: string,
  folder: string,
): ReturnType<typeof buildGuest> {
  const scratch = [join(folder, "kernel.tar"), join(folder, "busybox.tar")] as const;
  const open: DebFiles[] = [];
  try {
    const kernelFiles = await DebFiles.open(kernelDeb, scratch[0]);
    open.push(kernelFiles);
    const busyboxFiles = await DebFiles.open(busyboxDeb, scratch[1]);
    open.push(busyboxFiles);
    return await buildGuest(recipe, kernelFiles, busyboxFiles, folder);
  } finally {
    for (const files of open) await files.close();
    for (const file of scratch) await rm(file, { force: true });
  }
}
