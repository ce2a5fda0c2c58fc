import type { RegionWatch } from "@hypercraft/engine";
import type { Console, HyperCraftHal } from "@hypercraft/hypercraft";
import type { BlockBackEnd } from "../../disk/back-end.js";
import type { MachineBuilder } from "../../machine/builder.js";
import type { MachineClock } from "../../time/clock.js";
import type { BoardHost } from "./host.js";

/** A file's contents and the name that messages call it. */
export interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What a board is made of, whatever its architecture. */
export interface BoardOptions {
  /** `vm` (default): a guest under the TypeScript hypervisor. `bare`: the guest owns the hypervisor's level, too. */
  readonly mode?: "vm" | "bare";
  /** Bytes of RAM, a multiple of 4 KiB. Default 128 MiB. */
  readonly memory?: number;
  /** CPUs, 1 to 8. Default 1. */
  readonly cpus?: number;
  readonly kernel?: NamedBytes;
  /** Firmware, which is entered instead of the kernel; bare mode only, but for PCs. */
  readonly firmware?: NamedBytes;
  readonly initrd?: NamedBytes;
  /** Kernel command line. */
  readonly append?: string;
  /** Use this device tree instead of the board's; command line, initrd and memory are patched in. */
  readonly dtb?: NamedBytes;
  /** Further images at addresses of their own. */
  readonly loads?: readonly (NamedBytes & { readonly address: number })[];
  /** Start here instead of at the kernel's entry. */
  readonly entry?: number;
  readonly disks?: readonly BlockBackEnd[];
  /**
   * A virtio-gpu, keyboard and mouse, which nobody sees or moves unless the host does. Default: only with a
   * flat kernel image, whose drivers often insist on them.
   */
  readonly graphics?: boolean;
  /** How guest code is executed: `auto` (default) compiles what runs often; `cold` interprets; `hot` compiles early, for tests. */
  readonly tier?: "auto" | "cold" | "hot";
  /** Milliseconds by any monotonic clock, for statistics of compile time; it has no influence on the guest. */
  readonly now?: () => number;
  /** Tells of compiled regions as they are made; see `Engine.regionWatch`. */
  readonly regionWatch?: RegionWatch;
  /**
   * Where virtio devices are: `mmio` at addresses of their own, `pci` on a PCI bus. Default: `mmio`; on a PC only for
   * kernels that are handed ACPI's tables (bzImage, PVH), as others have no way to know of that.
   */
  readonly virtio?: "mmio" | "pci";
  /** Virtio register layout of all transports in memory; see `VirtioMmio`. Default: the map's; 1 with a flat kernel image. */
  readonly virtioVersion?: 1 | 2;
  /**
   * Where virtio devices go: `first` fills the transports from the first one up; `last` from the last one
   * down, as QEMU does with devices for which its command line names no bus; `both` does the latter and shows
   * the first disk at the first transport, too, where other command lines for QEMU put it. Default: `both`
   * with a flat kernel image, which looks in one place or the other, else `first`.
   */
  readonly virtioSlots?: "first" | "last" | "both";
  /**
   * A virtio console through which test programs end the machine, as QEMU's `testdev`: "1q" ends it with code
   * (1 << 1) | 1. Default false.
   */
  readonly testConsole?: boolean;
  readonly console: Console;
  readonly clock: MachineClock;
  /** Where the machine lives, beside others. Default: a host of its own. */
  readonly host?: BoardHost;
  /** What reports and messages call the machine. Default: the board's name. */
  readonly name?: string;
  /** Add devices of one's own, or memory, before the machine is built. */
  readonly extend?: (builder: MachineBuilder) => void;
  /** Sees every exit before the machine serves it; see `HyperCraftHal.onVmExit`. */
  readonly onVmExit?: NonNullable<HyperCraftHal["onVmExit"]>;
  /** Seed of the entropy device and of the device tree's rng-seed. Default 1. */
  readonly seed?: number;
  /** Nanoseconds since 1970 at machine start, for the real-time clock. Default 2024-01-01. */
  readonly epochNs?: bigint;
}

export const DEFAULT_MEMORY = 128 << 20;
export const MAX_CPUS = 8;
export const DEFAULT_EPOCH_NS = 1_704_067_200_000_000_000n;

/** What of a machine is the host's and so not in a snapshot. */
export type HostParts = Pick<
  BoardOptions,
  "console" | "clock" | "host" | "name" | "disks" | "extend" | "onVmExit" | "tier" | "now" | "regionWatch"
>;
