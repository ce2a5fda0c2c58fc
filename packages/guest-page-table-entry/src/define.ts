import { fieldValue } from "./entry.js";
import type { MappingFlags } from "./flags.js";
import type { Access, Denial, GenericPte, PathDenial, PteField, PteKind } from "./pte.js";

/** What differs between the formats; `definePte` makes the rest of a `GenericPte` from it. */
export interface PteDefinition {
  readonly name: string;
  readonly presentMask: number;
  readonly frameShift: 10 | 12;
  readonly frameHighMask: number;
  /** Bits of the low and high half that `setFlags` replaces. */
  readonly ownedLow: number;
  readonly ownedHigh: number;
  /** Bits of a pointer to a table; the high half is zero. */
  readonly tableLow: number;
  leafLow(flags: MappingFlags, isHuge: boolean): number;
  leafHigh(flags: MappingFlags, isHuge: boolean): number;
  flagsOf(low: number, high: number): MappingFlags;
  effectiveFlags(flags: MappingFlags): MappingFlags;
  isHuge(low: number): boolean;
  readonly leafFields: readonly PteField[];
  readonly tableFields: readonly PteField[];
  readonly absence: Omit<Denial, "value">;
  malformed(entry: EntryView, kind: PteKind, pageShift: number): Denial | undefined;
  denies(path: readonly EntryView[], access: Access): PathDenial | undefined;
}

/** An entry under inspection, by bit numbers. */
export class EntryView {
  readonly #words: Uint32Array;
  readonly #index: number;

  constructor(words: Uint32Array, index: number) {
    this.#words = words;
    this.#index = index;
  }

  field(bit: number, width: number): number {
    return fieldValue(this.#words, this.#index, bit, width);
  }

  has(bit: number): boolean {
    return this.field(bit, 1) === 1;
  }

  /** A denial by the field at `bit`, with its value here. */
  denial(field: string, bit: number, rule: string, width = 1): Denial {
    return { field, bit, value: this.field(bit, width), rule };
  }

  /** A denial unless all of the bits are zero. */
  mustBeZero(field: string, bit: number, width: number, rule: string): Denial | undefined {
    return this.field(bit, width) === 0 ? undefined : this.denial(field, bit, rule, width);
  }
}

/** What the first entry on the path (the root's first) for which `deny` finds something says, with its level. */
export function firstDenial(
  path: readonly EntryView[],
  deny: (entry: EntryView, level: number) => Denial | undefined,
): PathDenial | undefined {
  for (const [level, entry] of path.entries()) {
    const denial = deny(entry, level);
    if (denial !== undefined) return { ...denial, level };
  }
  return undefined;
}

export function definePte(definition: PteDefinition): GenericPte {
  const { name, presentMask, frameShift, frameHighMask, ownedLow, ownedHigh, tableLow } = definition;
  const frameScale = 2 ** (32 - frameShift);
  const frameLowMask = (-1 << frameShift) >>> 0;

  /** The high half first: the low half, which holds the present bits, completes the entry. */
  function store(words: Uint32Array, index: number, paddr: number, low: number, high: number): void {
    const frame = paddr / 4096;
    words[index + 1] = high | ((frame / frameScale) & frameHighMask);
    words[index] = low | (frame << frameShift);
  }

  return {
    name,
    presentMask,
    frameShift,
    frameHighMask,

    newPage(words, index, paddr, flags, isHuge) {
      store(words, index, paddr, definition.leafLow(flags, isHuge), definition.leafHigh(flags, isHuge));
    },
    newTable(words, index, paddr) {
      store(words, index, paddr, tableLow, 0);
    },
    paddr(words, index) {
      const upper = (words[index + 1]! & frameHighMask) * frameScale;
      return (upper + (words[index]! >>> frameShift)) * 4096;
    },
    setPaddr(words, index, paddr) {
      store(words, index, paddr, words[index]! & ~frameLowMask, words[index + 1]! & ~frameHighMask);
    },
    flags(words, index) {
      return definition.flagsOf(words[index]!, words[index + 1]!);
    },
    setFlags(words, index, flags, isHuge) {
      const high = definition.leafHigh(flags, isHuge) & ownedHigh;
      words[index + 1] = (words[index + 1]! & ~ownedHigh) | high;
      words[index] = (words[index]! & ~ownedLow) | (definition.leafLow(flags, isHuge) & ownedLow);
    },
    isPresent(words, index) {
      return (words[index]! & presentMask) !== 0;
    },
    isHuge(words, index) {
      return (words[index]! & presentMask) !== 0 && definition.isHuge(words[index]!);
    },
    isUnused(words, index) {
      return (words[index]! | words[index + 1]!) === 0;
    },
    clear(words, index) {
      words[index] = 0;
      words[index + 1] = 0;
    },

    effectiveFlags: definition.effectiveFlags,
    fields(kind) {
      return kind === "leaf" ? definition.leafFields : definition.tableFields;
    },
    absence(words, index) {
      return { ...definition.absence, value: words[index]! & presentMask };
    },
    malformed(words, index, kind, pageShift) {
      return definition.malformed(new EntryView(words, index), kind, pageShift);
    },
    denies(words, path, access) {
      return definition.denies(
        path.map((index) => new EntryView(words, index)),
        access,
      );
    },
  };
}
