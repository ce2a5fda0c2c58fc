import type { CoreApi } from "@hypercraft/engine";
import { VectorSet } from "../../../interrupts/vector-set.js";

/** Words of a posted-interrupt descriptor: 256 requests, and bit 0 says that there are some (SDM volume 3, table 30-1). */
const NOTIFICATION = 8;
const WORDS = 9;

/** Move what was posted in a descriptor, at a physical address, into VIRR. Gives the highest vector, -1 without one. */
export function takePosted(core: CoreApi, address: number, request: VectorSet): number {
  const offset = core.ramOffset(address, true);
  if (offset < 0) return -1;
  const { words } = core;
  const at = offset / 4;
  words[at + NOTIFICATION] = (words[at + NOTIFICATION] as number) & ~1;
  const posted = new VectorSet(words, at);
  const { highest } = posted;
  request.add(posted);
  posted.clear();
  core.ramWritten(offset, 4 * WORDS);
  return highest;
}
