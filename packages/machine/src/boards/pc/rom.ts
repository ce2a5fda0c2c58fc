import { bytesText, MachineError } from "../../errors.js";
import type { LoadPlan, RamRange } from "../../loaders/plan.js";
import type { NamedBytes } from "../virt/options.js";
import { FIRMWARE } from "./address-map.js";

const GIB_4 = 2 ** 32;
const FRAME = 4096;
const MAX_ROM = 16 << 20;

/** A ROM at the end of the first 4 GiB, where the reset vector is. */
export interface Rom extends RamRange {
  place(plan: LoadPlan): void;
}

/**
 * Where firmware goes; the end of it is also found at the end of the first MiB. It is memory that can be written.
 * Throws MachineError for what is too large.
 */
export function romRegion({ name, bytes }: NamedBytes): Rom {
  if (bytes.length === 0) throw new MachineError("Truncated", `${name}: is empty`);
  if (bytes.length > MAX_ROM)
    throw new MachineError(
      "OutOfRange",
      `${name}: a ROM of ${bytesText(bytes.length)}, which is over ${bytesText(MAX_ROM)}`,
    );
  const size = Math.ceil(bytes.length / FRAME) * FRAME;
  return {
    base: GIB_4 - size,
    size,
    place(plan) {
      plan.place({ name, address: GIB_4 - bytes.length, bytes });
      const copy = bytes.subarray(Math.max(0, bytes.length - FIRMWARE.size));
      plan.place({
        name: `${name} in the first MiB`,
        address: FIRMWARE.base + FIRMWARE.size - copy.length,
        bytes: copy,
      });
    },
  };
}
