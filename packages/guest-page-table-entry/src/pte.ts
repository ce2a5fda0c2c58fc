import type { MappingFlags } from "./flags.js";

/** What an entry is: the end of a walk (a page of any size) or a pointer to the next table. */
export type PteKind = "leaf" | "table";

/** A named part of an entry. */
export interface PteField {
  readonly name: string;
  /** The lowest bit, 0 to 63. */
  readonly bit: number;
  /** Bits in the field. */
  readonly width: number;
  /** What the values mean, from 0 on, where the number alone says little. */
  readonly values?: readonly string[];
}

/** A field with what an entry holds in it. */
export interface DecodedField extends PteField {
  readonly value: number;
  /** What the value means, where the format has a word for it. */
  readonly meaning?: string;
}

/** The part of an entry that stops an access, and the rule it breaks. */
export interface Denial {
  /** The field's name in the architecture's manual. */
  readonly field: string;
  /** The field's lowest bit. */
  readonly bit: number;
  /** What the entry holds in the field. */
  readonly value: number;
  /** The rule in words. */
  readonly rule: string;
}

/** A denial by permission, with the level (0 is the root) of the entry that denies. */
export interface PathDenial extends Denial {
  readonly level: number;
}

/** An access to be checked against entries, with the machine state that the formats' rules depend on. */
export interface Access {
  readonly kind: "read" | "write" | "execute";
  /** From unprivileged code (U, EL0, CPL 3); default no. A second stage does not look at it. */
  readonly user?: boolean;
  /**
   * Privileged code may read and write user pages: RISC-V `SUM` = 1, x86 SMAP off or `AC` = 1, Arm `PAN` = 0.
   * Default: no on RISC-V, yes on x86 and Arm (the reset state).
   */
  readonly supervisorUserData?: boolean;
  /** x86: privileged code may execute user pages (SMEP off); default yes. */
  readonly supervisorUserCode?: boolean;
  /** x86: `CR0.WP`, read-only pages bind privileged code too; default yes. */
  readonly supervisorWriteProtect?: boolean;
  /** RISC-V: `MXR`, what may be executed may be read; default no. */
  readonly executableIsReadable?: boolean;
  /**
   * RISC-V and Arm: hardware sets the accessed and dirty state itself (Svadu, FEAT_HAFDBS), so that a
   * clear bit stops nothing; default no. x86 always does.
   */
  readonly hardwareAccessedDirty?: boolean;
}

/**
 * The format of one 64-bit entry.
 *
 * An entry is a place in memory: `words[index]` is its low half, `words[index + 1]` its high half. Nothing
 * here allocates, and a half-written entry is never present: the half with the present bits is written last
 * and cleared first.
 */
export interface GenericPte {
  /** The format's name, for messages. */
  readonly name: string;

  /** An entry is present when any of these bits of the low half is set. */
  readonly presentMask: number;
  /** Bit of the entry at which the frame number (physical address / 4096) starts. */
  readonly frameShift: 10 | 12;
  /** Bits of the high half that hold the frame number's upper part. */
  readonly frameHighMask: number;

  /**
   * Makes the entry a mapping to `paddr` (a multiple of the page's size). `isHuge`: the page is larger than
   * 4 KiB. The mapping gets `effectiveFlags(flags)`; without READ, WRITE and EXECUTE it is not present.
   */
  newPage(words: Uint32Array, index: number, paddr: number, flags: MappingFlags, isHuge: boolean): void;
  /** Makes the entry a pointer to the next table, at `paddr` (a multiple of 4096). */
  newTable(words: Uint32Array, index: number, paddr: number): void;
  /** The physical address in the entry: of the page or of the next table. */
  paddr(words: Uint32Array, index: number): number;
  /** Replaces the physical address and keeps everything else. */
  setPaddr(words: Uint32Array, index: number, paddr: number): void;
  /** What a leaf allows. */
  flags(words: Uint32Array, index: number): MappingFlags;
  /** Replaces what a leaf allows; keeps the address, accessed and dirty state, and what software stored. */
  setFlags(words: Uint32Array, index: number, flags: MappingFlags, isHuge: boolean): void;
  /** Hardware would go on with this entry. */
  isPresent(words: Uint32Array, index: number): boolean;
  /** A present entry above the last level maps a huge page. Says nothing about entries of the last level. */
  isHuge(words: Uint32Array, index: number): boolean;
  /** All 64 bits are zero. */
  isUnused(words: Uint32Array, index: number): boolean;
  /** Sets all 64 bits to zero. */
  clear(words: Uint32Array, index: number): void;

  /**
   * The flags that a mapping asked to have `flags` really gets: what the format cannot say is dropped (USER
   * in a second stage, DEVICE on RISC-V without Svpbmt), what hardware implies is added (READ by WRITE).
   */
  effectiveFlags(flags: MappingFlags): MappingFlags;

  /** The named parts of an entry, lowest bit first. */
  fields(kind: PteKind): readonly PteField[];
  /** The denial that an entry which is not present stands for. */
  absence(words: Uint32Array, index: number): Denial;
  /**
   * What makes a present entry malformed (reserved bits, reserved combinations, misaligned large pages), if
   * anything. `pageShift`: log2 of the bytes that the entry covers.
   */
  malformed(words: Uint32Array, index: number, kind: PteKind, pageShift: number): Denial | undefined;
  /**
   * What denies `access` through well-formed, present entries, if anything. `path` holds the word index of
   * each level's entry, from the root to the leaf.
   */
  denies(words: Uint32Array, path: readonly number[], access: Access): PathDenial | undefined;
}
