import {
  type AddressMapName,
  createRiscvVirt,
  restoreRiscvVirt,
} from "@hypercraft/machine/boards/riscv-virt";
import { boardOf } from "./board.js";

/** The RISC-V board. */
export const riscvVirtBoard = boardOf({
  create: createRiscvVirt,
  restore: restoreRiscvVirt,
  options: ({ map, gic: _, semihosting: __, guestBios: ___, modules: ____, ...parts }, host) => ({
    ...parts,
    ...host,
    map: map as AddressMapName,
  }),
});
