import { createArmVirt, restoreArmVirt } from "@hypercraft/machine/boards/arm-virt";
import { virtBoard } from "./virt.js";

/** The AArch64 board, which has one map. */
export const armVirtBoard = virtBoard({
  create: createArmVirt,
  restore: restoreArmVirt,
  options: ({ map: _, guestBios: __, modules: ___, ...parts }, host) => ({ ...parts, ...host }),
});
