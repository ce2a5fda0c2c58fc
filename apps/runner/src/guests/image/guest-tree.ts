import { type LoadedModule, modulesDep } from "../kernel/modules.js";
import { busyboxApplets } from "./busybox.js";
import { FileTree } from "./file-tree.js";
import { initramfsInit, inittab, LOAD_ORDER, profile, startScript } from "./scripts.js";

export interface GuestParts {
  /** Statically linked busybox of the guest's architecture. */
  readonly busybox: Uint8Array;
  /** `uname -r` of the kernel. */
  readonly kernelRelease: string;
  /** Modules the initramfs loads for a root on disk, in load order. */
  readonly rootModules: readonly LoadedModule[];
  /** Modules that are only there for modprobe. */
  readonly extraModules: readonly LoadedModule[];
}

/** The initramfs: the userland, the modules and the /init that finds the root. */
export function initramfsTree(parts: GuestParts): FileTree {
  const order = parts.rootModules.map((module) => `${module.path}\n`).join("");
  return userland(parts)
    .file("init", initramfsInit, 0o755)
    .directory("newroot")
    .file(`lib/modules/${parts.kernelRelease}/${LOAD_ORDER}`, order);
}

/** The root file system of the disk. */
export function diskTree(parts: GuestParts): FileTree {
  return userland(parts);
}

function userland(parts: GuestParts): FileTree {
  const tree = new FileTree()
    .file("bin/busybox", parts.busybox, 0o755)
    .symlink("sbin", "bin")
    .symlink("usr/bin", "../bin")
    .symlink("usr/sbin", "../bin")
    .device("dev/console", "character", 5, 1)
    .device("dev/null", "character", 1, 3, 0o666)
    .directory("proc", 0o555)
    .directory("sys", 0o555)
    .directory("run")
    .directory("mnt")
    .directory("var/log")
    .directory("root", 0o700)
    .directory("tmp", 0o1777)
    .file("etc/inittab", inittab)
    .file("etc/init.d/rcS", startScript, 0o755)
    .file("etc/profile", profile)
    .file("etc/hostname", "hypercraft\n")
    .file("etc/passwd", "root::0:0:root:/root:/bin/sh\n")
    .file("etc/group", "root:x:0:\n");
  for (const applet of busyboxApplets(parts.busybox)) {
    if (applet !== "busybox") tree.symlink(`bin/${applet}`, "busybox");
  }
  addModules(tree, parts);
  return tree;
}

function addModules(tree: FileTree, parts: GuestParts): void {
  const folder = `lib/modules/${parts.kernelRelease}`;
  const names = new Set<string>();
  const modules = [...parts.rootModules, ...parts.extraModules].filter(
    ({ name }) => !names.has(name) && names.add(name),
  );
  for (const module of modules) tree.file(`${folder}/${module.path}`, module.content);
  tree.file(`${folder}/modules.dep`, modulesDep(modules));
}
