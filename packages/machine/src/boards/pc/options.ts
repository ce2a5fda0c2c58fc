import type { BootModule } from "../../loaders/pc/entry.js";
import type { BoardOptions, HostParts, NamedBytes } from "../common/options.js";

/**
 * What a PC is made of. Its kernel may be a bzImage, an ELF file with a PVH note, a multiboot image, or code for real
 * mode, which is entered at 0000:7C00 if it is a boot sector, else at 0000:8000. Firmware is a ROM, which ends at
 * 4 GiB, in either mode. What is loaded and entered below 1 MiB by `loads` and `entry` starts in real mode. With a
 * guest BIOS the kernel is a flat image at 0x20_0000, whatever else it might be. What is said of flat images below is not
 * about PCs: they have no virtio-gpu unless asked, and fill virtio transports of layout 2 from the first one up.
 */
export interface PcOptions extends Omit<BoardOptions, "dtb"> {
  /** Put at 0x8000 and started there in real mode, as small hypervisors do, to enter the kernel at 0x20_0000. */
  readonly guestBios?: NamedBytes;
  /** Bytes of ROM without firmware, for what comes from a snapshot. Default: as many as the BIOS has. */
  readonly romSize?: number;
  /** What goes along with a kernel that is started by Multiboot or PVH, behind its `initrd`. */
  readonly modules?: readonly BootModule[];
  /** Where the second serial port's output goes; default: nowhere. */
  readonly secondConsole?: { write(bytes: Uint8Array): void };
}

/** What of a machine is the host's and so not in a snapshot. */
export type PcHost = HostParts & Pick<PcOptions, "secondConsole">;
