import { createArmVirt, restoreArmVirt } from "@hypercraft/machine/boards/arm-virt";
import { boardOf } from "./board.js";

/** The AArch64 board, which has one map. */
export const armVirtBoard = boardOf({
  create: createArmVirt,
  restore: restoreArmVirt,
  options: ({ map: _, guestBios: __, modules: ___, ...parts }, host) => ({ ...parts, ...host }),
});
