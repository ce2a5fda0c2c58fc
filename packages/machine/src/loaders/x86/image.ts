import { MachineError } from "../../errors.js";
import { type ElfFile, looksLikeElf, readElf } from "../elf.js";
import { type BzImage, isBzImage, readBzImage } from "./bzimage.js";
import { findMultiboot, type MultibootHeader } from "./multiboot.js";
import { findPvhEntry } from "./pvh.js";

/** EM_386 and EM_X86_64. */
const MACHINES = [3, 62];

/** A kernel for x86, by the boot protocol that it is made for. */
export type X86Image =
  | { readonly format: "bzImage"; readonly name: string; readonly image: BzImage }
  | { readonly format: "pvh"; readonly name: string; readonly elf: ElfFile; readonly entry: number }
  | {
      readonly format: "multiboot";
      readonly name: string;
      readonly header: MultibootHeader;
      readonly bytes: Uint8Array;
      /** Undefined: the header says where everything goes. */
      readonly elf: ElfFile | undefined;
    }
  | { readonly format: "real"; readonly name: string; readonly bytes: Uint8Array };

/**
 * Tells what a file is: a bzImage, an ELF file with a PVH note, a multiboot image, or else code for real mode.
 * Throws MachineError naming the file.
 */
export function readX86Image(bytes: Uint8Array, name: string): X86Image {
  if (bytes.length === 0) throw new MachineError("Truncated", `${name}: is empty`);
  if (isBzImage(bytes)) return { format: "bzImage", name, image: readBzImage(bytes, name) };
  const isElf = looksLikeElf(bytes);
  // First, as QEMU does it with files that have both.
  const header = findMultiboot(bytes, name);
  if (header !== undefined) {
    const elf = isElf && header.addresses === undefined ? read(bytes, name) : undefined;
    if (elf === undefined && header.addresses === undefined)
      throw new MachineError("BadImage", `${name}: a multiboot image that is neither ELF nor has addresses`);
    return { format: "multiboot", name, header, bytes, elf };
  }
  if (!isElf) return { format: "real", name, bytes };
  const elf = read(bytes, name);
  const entry = findPvhEntry(bytes);
  if (entry === undefined)
    throw new MachineError("BadImage", `${name}: an ELF file with neither a multiboot header nor a PVH note`);
  return { format: "pvh", name, elf, entry };
}

function read(bytes: Uint8Array, name: string): ElfFile {
  const elf = readElf(bytes, name);
  if (MACHINES.includes(elf.machine)) return elf;
  throw new MachineError("WrongArchitecture", `${name}: is not for x86, but this machine is`);
}
