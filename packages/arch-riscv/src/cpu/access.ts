import { PMP_R, PMP_W, PMP_X } from "./pmp.js";

/** What an access needs; the first four are the engine's `Access`. */
export const Need = {
  read: 0,
  write: 1,
  rmw: 2,
  fetch: 3,
  /** HLVX: a load that needs execute permission in place of read permission. */
  executeRead: 4,
  /** CBO.INVAL, CLEAN, FLUSH: whatever a load may access, but faults are a store's. */
  cacheBlock: 5,
} as const;
export type Need = (typeof Need)[keyof typeof Need];

/** How a walk ended. */
export const Fault = { none: 0, page: 1, access: 2, guestPage: 3 } as const;
export type Fault = (typeof Fault)[keyof typeof Fault];

/** PMP permissions by `Need`. */
export const PMP_NEEDS: readonly number[] = [PMP_R, PMP_W, PMP_R | PMP_W, PMP_X, PMP_R | PMP_X, PMP_R];

/** Values of mtinst and htinst for the accesses that a walk of the first stage makes, on RV64. */
export const PSEUDO_READ = 0x3000;
export const PSEUDO_WRITE = 0x3020;

/** Does the access set D? */
export function isWrite(need: Need): boolean {
  return need === Need.write || need === Need.rmw;
}
