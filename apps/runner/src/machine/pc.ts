import { createPc, restorePc } from "@hypercraft/machine/boards/pc";
import { boardOf } from "./board.js";

/** The PC, which has one map and no device tree. */
export const pcBoard = boardOf({
  create: createPc,
  restore: restorePc,
  options: ({ map: _, gic: __, semihosting: ___, dtb: ____, ...parts }, host) => ({ ...parts, ...host }),
});
