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
}

export const guestCatalog: readonly GuestRecipe[] = [
  {
    name: "debian-riscv64",
    title: "Debian 13 (trixie) kernel for 64-bit RISC-V with a busybox userland",
    architecture: "riscv64",
    suite: "trixie",
    kernelPackage: "linux-image-riscv64",
    kernelFile: "vmlinux-",
    busyboxPackage: "busybox-static",
    rootModules: ["virtio_mmio", "virtio_blk", "ext4"],
    extraModules: ["virtio_rng", "virtio_net"],
    console: "ttyS0",
  },
];
