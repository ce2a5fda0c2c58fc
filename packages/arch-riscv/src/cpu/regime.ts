/**
 * How addresses of one kind of access are translated right now: filled from the CSRs when they change, so
 * that a walk reads plain fields. Page numbers are of physical pages (up to 44 bits).
 */
export class Regime {
  /** PMP applies the rules of M-mode. */
  machine = true;
  /** V=1: the second stage applies, and addresses are guest virtual. */
  guest = false;
  /** Effective privilege is U or VU. */
  user = false;
  /** S-mode may access U pages. */
  sum = false;
  /** Executable pages are readable in the first stage. */
  mxr = false;
  /** Executable pages are readable in the second stage. */
  guestMxr = false;
  /** Levels of the first stage, 0 when it is Bare. */
  levels = 0;
  root = 0;
  /** Hardware sets A and D in the first stage. */
  adue = false;
  /** Levels of the second stage, 0 when it is Bare. */
  guestLevels = 0;
  guestRoot = 0;
  /** Hardware sets A and D in the second stage. */
  guestAdue = false;
}
