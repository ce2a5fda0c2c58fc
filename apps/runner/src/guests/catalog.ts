/**
 * The guests that can be pulled, as data: adding an architecture is adding a row. Nothing else in this
 * folder names one.
 */
export interface GuestRecipe {
  /** Name on the command line. */
  readonly name: string;
  readonly title: string;
  /** Debian's name of the architecture. */
  readonly architecture: string;
  /** Pinned Debian suite; the host's own suite is never used. */
  readonly suite: string;
  /** Meta package whose dependency names the current versioned kernel package. */
  readonly kernelPackage: string;
  /** Start of the kernel's file name in `boot/` of the versioned package. */
  readonly kernelFile: string;
  readonly busyboxPackage: string;
  /** Modules the initramfs loads, with their dependencies, to mount an ext4 root on virtio-blk. */
  readonly rootModules: readonly string[];
  /** Modules that are there for `modprobe` and not loaded by themselves. */
  readonly extraModules: readonly string[];
  /** Console device of the kernel command line. */
  readonly console: string;
  /** Whether hypercraft has a machine that boots it by now; pulling works in any case. */
  readonly bootable: boolean;
}

/** What all Debian guests have in common. */
const debian = {
  suite: "trixie",
  busyboxPackage: "busybox-static",
  rootModules: ["virtio_mmio", "virtio_blk", "ext4"],
  extraModules: ["virtio_rng", "virtio_net"],
} as const;

export const guestCatalog: readonly GuestRecipe[] = [
  {
    ...debian,
    name: "debian-riscv64",
    title: "Debian 13 kernel for 64-bit RISC-V with a busybox userland",
    architecture: "riscv64",
    kernelPackage: "linux-image-riscv64",
    kernelFile: "vmlinux-",
    console: "ttyS0",
    bootable: true,
  },
  {
    ...debian,
    name: "debian-arm64",
    title: "Debian 13 kernel for AArch64 with a busybox userland",
    architecture: "arm64",
    kernelPackage: "linux-image-arm64",
    kernelFile: "vmlinuz-",
    console: "ttyAMA0",
    bootable: true,
  },
  {
    ...debian,
    name: "debian-amd64",
    title: "Debian 13 kernel for x86-64 with a busybox userland",
    architecture: "amd64",
    kernelPackage: "linux-image-amd64",
    kernelFile: "vmlinuz-",
    console: "ttyS0",
    bootable: true,
  },
];
