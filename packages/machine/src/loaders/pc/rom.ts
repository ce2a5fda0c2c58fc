import { bytesText, MachineError } from "../../errors.js";
import type { LoadPlan } from "../plan.js";
import type { PcBoot } from "./entry.js";

const FOUR_GIB = 0x1_0000_0000;
const MIB = 0x10_0000;
/** The part of a ROM's end that is below 1 MiB, too: all that is not video memory. It lies in RAM, as if shadowed. */
const LOW_PART = 0x4_0000;
const LARGEST = 16 * MIB;
const SEGMENT = 0x1_0000;

/** The place of a ROM: it ends at 4 GiB. @throws MachineError for a size that no ROM has. */
export function romRange(name: string, size: number): { readonly base: number; readonly size: number } {
  if (size === 0 || size > LARGEST || size % 4096 !== 0)
    throw new MachineError(
      "BadImage",
      `${name}: a ROM has a multiple of 4 KiB up to 16 MiB, not ${bytesText(size)}`,
    );
  return { base: FOUR_GIB - size, size };
}

/**
 * Puts a ROM where the processor starts after a reset, with its last 256 KiB below 1 MiB, too. The plan's RAM has to
 * include `romRange`.
 * @throws MachineError naming what overlaps.
 */
export function placeRom(plan: LoadPlan, name: string, bytes: Uint8Array): PcBoot {
  const { base, size } = romRange(name, bytes.length);
  plan.place({ name, address: base, bytes });
  const low = bytes.subarray(Math.max(0, size - LOW_PART));
  plan.place({ name: `${name} below 1 MiB`, address: MIB - low.length, bytes: low });
  return { entry: { kind: "reset" }, start: base, end: FOUR_GIB };
}

/** Puts an image for real mode at an address below 1 MiB, and starts it there, in segment 0 where that reaches. */
export function placeRealMode(plan: LoadPlan, name: string, bytes: Uint8Array, address: number): PcBoot {
  if (address >= MIB || address % 16 !== 0)
    throw new MachineError("OutOfRange", `${name}: real mode starts at a multiple of 16 below 1 MiB`);
  plan.place({ name, address, bytes });
  const cs = address < SEGMENT ? 0 : address / 16;
  return {
    entry: { kind: "real", cs, ip: address - 16 * cs, data: 0 },
    start: address,
    end: address + bytes.length,
  };
}
