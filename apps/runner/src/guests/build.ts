import { createHash } from "node:crypto";
import { open, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeCpio } from "./archive/cpio.js";
import { decompressBytes } from "./archive/decompress.js";
import { type FileDigest, GUEST_FILES, type GuestFile } from "./cache.js";
import type { GuestRecipe } from "./catalog.js";
import type { DebFiles } from "./debian/deb.js";
import { sha256OfFile } from "./download.js";
import { GuestError } from "./errors.js";
import { Ext4Error, type Ext4Image, ext4Image } from "./ext4/index.js";
import type { FileTree } from "./image/file-tree.js";
import { diskTree, type GuestParts, initramfsTree } from "./image/guest-tree.js";
import { plainKernel } from "./kernel/image.js";
import { builtinModules, type ModuleStore, resolveModules } from "./kernel/modules.js";

export interface BuiltGuest {
  readonly kernelRelease: string;
  readonly files: Record<GuestFile, FileDigest>;
}

/** Bytes of the root disk; sparse, so that only what is used takes space. */
const DISK_SIZE = 64 * 2 ** 20;

/**
 * Makes kernel, initramfs and root disk of a guest out of its unpacked packages, as files in `folder`.
 * The same packages give the same bytes: time stamps are the kernel file's own, the disk's UUID is made
 * of its content.
 */
export async function buildGuest(
  recipe: GuestRecipe,
  kernelPackage: DebFiles,
  busyboxPackage: DebFiles,
  folder: string,
): Promise<BuiltGuest> {
  const kernelEntry = kernelPackage.find(new RegExp(`^boot/${recipe.kernelFile}[^/]+$`));
  const kernelRelease = kernelEntry.path.slice(`boot/${recipe.kernelFile}`.length);
  const store = await moduleStore(kernelPackage, kernelRelease);
  const parts: GuestParts = {
    busybox: await busyboxPackage.read(busyboxPackage.find(/^(?:usr\/)?bin\/busybox$/)),
    kernelRelease,
    rootModules: await resolveModules(store, recipe.rootModules),
    extraModules: await resolveModules(store, recipe.extraModules),
  };
  const config = kernelPackage.find(/^boot\/config-[^/]+$/);
  const path = (file: GuestFile): string => join(folder, GUEST_FILES[file]);
  await writeFile(path("kernel"), await plainKernel(await kernelPackage.read(kernelEntry)));
  await writeFile(path("config"), await kernelPackage.read(config));
  await writeFile(path("initrd"), writeCpio(initramfsTree(parts), kernelEntry.mtime));
  await writeSparse(path("disk"), rootDisk(diskTree(parts), kernelEntry.mtime));
  return {
    kernelRelease,
    files: {
      kernel: await digestOf(path("kernel")),
      initrd: await digestOf(path("initrd")),
      disk: await digestOf(path("disk")),
      config: await digestOf(path("config")),
    },
  };
}

async function moduleStore(kernelPackage: DebFiles, release: string): Promise<ModuleStore> {
  const marker = kernelPackage.find(
    new RegExp(`^(?:usr/)?lib/modules/${escapeRegExp(release)}/modules\\.builtin$`),
  );
  const folder = marker.path.slice(0, -"modules.builtin".length);
  const modules = new Map(
    kernelPackage.entries
      .filter(({ path }) => path.startsWith(folder) && /\.ko(?:\.(?:xz|gz|zst))?$/.test(path))
      .map((entry) => [entry.path.slice(folder.length), entry]),
  );
  return {
    paths: [...modules.keys()],
    builtin: builtinModules(new TextDecoder().decode(await kernelPackage.read(marker))),
    async read(path) {
      const entry = modules.get(path);
      if (entry === undefined)
        throw new GuestError("MissingPackage", `the kernel package has no module ${path}`);
      return decompressBytes(path, await kernelPackage.read(entry));
    },
  };
}

function rootDisk(tree: FileTree, time: number): Ext4Image {
  try {
    return ext4Image(tree, { size: DISK_SIZE, uuid: contentUuid(tree), time, label: "hypercraft" });
  } catch (cause) {
    if (!(cause instanceof Ext4Error)) throw cause;
    throw new GuestError("NoSpace", `the root disk cannot be made: ${cause.message}`, { cause });
  }
}

/** A UUID of version 8 (RFC 9562) from the digest of the tree. */
function contentUuid(tree: FileTree): Uint8Array {
  const hash = createHash("sha256");
  for (const { path, node } of tree.walk()) {
    const { type, ...rest } = node;
    hash.update(`${type} ${path}\0`);
    if (node.type === "file") hash.update(`${node.mode} ${node.content.length}\0`).update(node.content);
    else if (node.type === "directory") hash.update(`${node.mode}\0`);
    else hash.update(`${JSON.stringify(rest)}\0`);
  }
  const uuid = new Uint8Array(hash.digest()).slice(0, 16);
  uuid[6] = ((uuid[6] ?? 0) & 0x0f) | 0x80;
  uuid[8] = ((uuid[8] ?? 0) & 0x3f) | 0x80;
  return uuid;
}

async function writeSparse(path: string, image: Ext4Image): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.truncate(image.size);
    for (const { offset, bytes } of image.writes) await file.write(bytes, 0, bytes.length, offset);
  } finally {
    await file.close();
  }
}

async function digestOf(path: string): Promise<FileDigest> {
  return { size: (await stat(path)).size, sha256: (await sha256OfFile(path)) ?? "" };
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
