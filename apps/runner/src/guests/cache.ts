import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { GuestError } from "./errors.js";

/** Raised when pulled guests of an older puller must be built again. */
export const MANIFEST_FORMAT = 1;

/** File names inside a pulled guest's folder. */
export const GUEST_FILES = {
  kernel: "kernel",
  initrd: "initrd.cpio",
  disk: "disk.ext4",
  config: "kernel-config",
};
export type GuestFile = keyof typeof GUEST_FILES;

export interface FileDigest {
  /** Bytes. */
  readonly size: number;
  readonly sha256: string;
}

/** `manifest.json` of a pulled guest. */
export interface GuestManifest {
  readonly format: number;
  readonly name: string;
  /** Debian's name of the architecture. */
  readonly architecture: string;
  readonly suite: string;
  /** Release of the suite, such as "13.7". */
  readonly suiteVersion: string;
  /** `uname -r` of the kernel. */
  readonly kernelRelease: string;
  /** Base address of the mirror it came from. */
  readonly mirror: string;
  /** "verified: signer; ..." or "not checked: reason". */
  readonly signature: string;
  readonly packages: readonly { readonly name: string; readonly version: string; readonly sha256: string }[];
  readonly files: Readonly<Record<GuestFile, FileDigest>>;
  /** Kernel command lines: for the shell in the initramfs, and for the root on the disk. */
  readonly commandLines: { readonly initramfs: string; readonly disk: string };
}

/** A guest in the cache, with absolute paths. */
export interface PulledGuest {
  readonly manifest: GuestManifest;
  readonly folder: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly disk: string;
  readonly config: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The user's cache folder for hypercraft: `HYPERCRAFT_CACHE`, else `hypercraft` in `XDG_CACHE_HOME`
 * (when absolute, as the XDG base directory specification asks), else `~/.cache/hypercraft`.
 */
export function cacheRoot(env: Environment): string {
  if (env.HYPERCRAFT_CACHE) return env.HYPERCRAFT_CACHE;
  const xdg = env.XDG_CACHE_HOME;
  return join(xdg && isAbsolute(xdg) ? xdg : join(env.HOME || homedir(), ".cache"), "hypercraft");
}

export function guestFolder(root: string, name: string): string {
  return join(root, "guests", name);
}

export function downloadFolder(root: string, name: string): string {
  return join(root, "downloads", name);
}

/** The guest in the cache, or undefined when it is not there, incomplete or of another format. */
export async function readPulledGuest(root: string, name: string): Promise<PulledGuest | undefined> {
  const folder = guestFolder(root, name);
  const text = await readFile(join(folder, "manifest.json"), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const manifest = parseManifest(text);
  if (manifest?.format !== MANIFEST_FORMAT || manifest.name !== name) return undefined;
  const path = (file: GuestFile): string => join(folder, GUEST_FILES[file]);
  return {
    manifest,
    folder,
    kernel: path("kernel"),
    initrd: path("initrd"),
    disk: path("disk"),
    config: path("config"),
  };
}

function parseManifest(text: string): GuestManifest | undefined {
  try {
    return JSON.parse(text) as GuestManifest;
  } catch {
    return undefined;
  }
}

/** Puts a finished folder in the place of the guest's old one, which is gone only after that. */
export async function installGuest(root: string, name: string, finished: string): Promise<void> {
  const folder = guestFolder(root, name);
  const old = `${folder}.old`;
  await rm(old, { recursive: true, force: true });
  await rename(folder, old).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  await rename(finished, folder);
  await rm(old, { recursive: true, force: true });
}

/**
 * Runs `work` while no other process pulls the same guest. A lock left by a process that is gone is
 * taken over. Throws `Busy`.
 */
export async function withPullLock<T>(root: string, name: string, work: () => Promise<T>): Promise<T> {
  const lock = `${guestFolder(root, name)}.lock`;
  await mkdir(join(root, "guests"), { recursive: true });
  await takeLock(lock, name);
  try {
    return await work();
  } finally {
    heldLocks.delete(lock);
    await rm(lock, { force: true });
  }
}

const heldLocks = new Set<string>();

async function takeLock(lock: string, name: string): Promise<void> {
  // The file appears with its content in it: nobody ever reads an empty one.
  const claim = `${lock}.${process.pid}`;
  await writeFile(claim, `${process.pid}\n`);
  try {
    while (!(await linkNew(claim, lock))) {
      const owner = Number(await readFile(lock, "utf8").catch(() => ""));
      const busy = owner === process.pid ? heldLocks.has(lock) : isRunning(owner);
      if (busy)
        throw new GuestError("Busy", `process ${owner} is pulling ${name}; wait for it, or remove ${lock}`);
      await rm(lock, { force: true });
    }
    heldLocks.add(lock);
  } finally {
    await rm(claim, { force: true });
  }
}

/** False when the new name is taken. */
async function linkNew(existing: string, name: string): Promise<boolean> {
  try {
    await link(existing, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function isRunning(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
