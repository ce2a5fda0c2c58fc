/** The core crystal clock, by which the local APIC's timer counts, too: SDM volume 3, 12.5.4. */
export const CRYSTAL_HZ = 1_000_000_000;
/** The time-stamp counter. Fast, so that two readings of it tell short times apart. */
export const TSC_HZ = 4_000_000_000;
