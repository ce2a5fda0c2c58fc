import { createPc, restorePc } from "@hypercraft/machine/boards/pc";
import { virtBoard } from "./virt.js";

/** The PC, which has one map and no device tree. */
export const pcBoard = virtBoard({
  create: createPc,
  restore: restorePc,
  options: ({ map: _, gic: __, semihosting: ___, dtb: ____, ...parts }, host) => ({ ...parts, ...host }),
});
