import { RIGHTS } from "./control-bits.js";

// What SYSCALL and its kin load CS and SS with, whatever descriptors say: all of 4 GiB (SDM volume 2). The DPL is added.

/** A code segment; it has to be told whether it is one of 64 or of 32 bits. */
export const FLAT_CODE =
  RIGHTS.granularity | RIGHTS.present | RIGHTS.segment | RIGHTS.code | RIGHTS.writable | RIGHTS.accessed;

/** A stack segment. */
export const FLAT_STACK =
  RIGHTS.granularity | RIGHTS.big | RIGHTS.present | RIGHTS.segment | RIGHTS.writable | RIGHTS.accessed;
