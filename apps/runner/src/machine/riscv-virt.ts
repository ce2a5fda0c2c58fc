import {
  type AddressMapName,
  createRiscvVirt,
  restoreRiscvVirt,
} from "@hypercraft/machine/boards/riscv-virt";
import { virtBoard } from "./virt.js";

/** The RISC-V board. */
export const riscvVirtBoard = virtBoard({
  create: createRiscvVirt,
  restore: restoreRiscvVirt,
  options: ({ map, gic: _, semihosting: __, guestBios: ___, modules: ____, ...parts }, host) => ({
    ...parts,
    ...host,
    map: map as AddressMapName,
  }),
});
