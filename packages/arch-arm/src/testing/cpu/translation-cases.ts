import fc from "fast-check";
import type { TranslationRegisters } from "./plain-walker.js";

// Random translation tables of all granules and both stages, and the registers they are walked with.

/** RAM by physical address. */
export interface TestRam {
  readonly ramBase: number;
  readonly ramBytes: number;
  read64(physical: number): bigint;
  write64(physical: number, value: bigint): void;
}

/** What the tables of a case need. */
export const RAM_BYTES = 4 << 20;

type Granule = 12 | 14 | 16;
const TG0: Readonly<Record<Granule, bigint>> = { 12: 0n, 14: 2n, 16: 1n };
const TG1: Readonly<Record<Granule, bigint>> = { 12: 2n, 14: 1n, 16: 3n };
const SIZES = [32, 36, 40, 42, 44, 48];

// --- Tables ------------------------------------------------------------------------------------

/** Hands out zeroed RAM. */
class Frames {
  next: number;
  private readonly ram: TestRam;

  constructor(ram: TestRam, from: number) {
    this.ram = ram;
    this.next = from;
  }

  allocate(bytes: number, alignment = bytes): number {
    const at = Math.ceil(this.next / alignment) * alignment;
    this.next = at + bytes;
    if (this.next > this.ram.ramBase + this.ram.ramBytes) throw new RangeError("the RAM is full");
    return at;
  }
}

interface Table {
  /** As descriptors have it. */
  readonly address: bigint;
  readonly host: number;
}

interface Shape {
  readonly grain: Granule;
  readonly inputBits: number;
  readonly startLevel: number;
}

/** log2 of what an entry stands for. */
const coverage = (grain: number, level: number): number => (3 - level) * (grain - 3) + grain;
const firstTableBytes = ({ grain, inputBits, startLevel }: Shape): number =>
  8 * 2 ** (inputBits - coverage(grain, startLevel));

/** One stage's tables, with the addresses of their entries, so that tests can spoil them. */
class Tables {
  readonly entries: number[] = [];
  private readonly ram: TestRam;
  private readonly shape: Shape;
  private readonly root: Table;
  private readonly make: () => { table: Table; attributes: bigint };
  private readonly made = new Map<number, Table>();

  constructor(ram: TestRam, shape: Shape, root: Table, make: () => { table: Table; attributes: bigint }) {
    this.ram = ram;
    this.shape = shape;
    this.root = root;
    this.make = make;
  }

  /** Map what an entry of `level` stands for at `input`, unless something else is there. */
  map(input: bigint, level: number, output: bigint, attributes: bigint): void {
    const { grain, startLevel } = this.shape;
    let table = this.root;
    for (let i = startLevel; i < level; i++) {
      const at = this.slot(table, input, i);
      let next = this.made.get(at);
      if (next === undefined) {
        if (this.ram.read64(at) !== 0n) return;
        const { table: made, attributes: limits } = this.make();
        next = made;
        this.made.set(at, made);
        this.ram.write64(at, made.address | limits | 3n);
        this.entries.push(at);
      }
      table = next;
    }
    const at = this.slot(table, input, level);
    if (this.ram.read64(at) !== 0n) return;
    const low = (1n << BigInt(coverage(grain, level))) - 1n;
    this.ram.write64(at, (output & ~low & 0xffff_ffff_ffffn) | attributes | (level === 3 ? 3n : 1n));
    this.entries.push(at);
  }

  private slot(table: Table, input: bigint, level: number): number {
    const { grain, startLevel, inputBits } = this.shape;
    const seen = input & ((1n << BigInt(inputBits)) - 1n);
    const index = seen >> BigInt(coverage(grain, level));
    const within = level === startLevel ? index : index & ((1n << BigInt(grain - 3)) - 1n);
    return table.host + Number(within) * 8;
  }
}

// --- Cases -------------------------------------------------------------------------------------

const granule = fc.constantFrom<Granule>(12, 12, 14, 16);
const rarely = <T>(usual: T, other: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 14, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });
const flag = (weight: number): fc.Arbitrary<boolean> =>
  fc.oneof({ weight, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) });

const half = fc.record({
  grain: granule,
  inputBits: fc.integer({ min: 25, max: 48 }),
  /** TnSZ as it is instead. */
  size: rarely<number | undefined>(undefined, fc.integer({ min: 0, max: 63 })),
  disabled: flag(20),
  ignoreTop: fc.boolean(),
});

// AP, SH, AttrIndx, nG, contiguous, PXN, UXN: mostly permissive.
const leafBits = fc
  .record({
    ap: fc.constantFrom(0n, 1n, 1n, 1n, 2n, 3n),
    sh: fc.bigInt({ min: 0n, max: 3n }),
    attribute: fc.constantFrom(0n, 0n, 0n, 0n, 1n, 2n, 3n),
    global: fc.boolean(),
    access: rarely(true, fc.constant(false)),
    never: fc.constantFrom(0n, 0n, 0n, 1n, 2n, 3n, 4n),
  })
  .map(
    ({ ap, sh, attribute, global, access, never }) =>
      (ap << 6n) |
      (sh << 8n) |
      (attribute << 2n) |
      (global ? 0n : 1n << 11n) |
      (access ? 1n << 10n : 0n) |
      (never << 52n),
  );
// S2AP, SH, MemAttr, XN.
const guestBits = fc
  .record({
    ap: fc.constantFrom(3n, 3n, 3n, 3n, 1n, 2n, 0n),
    sh: fc.bigInt({ min: 0n, max: 3n }),
    type: fc.constantFrom(15n, 15n, 15n, 5n, 10n, 14n, 0n, 1n, 3n),
    access: rarely(true, fc.constant(false)),
    never: rarely(0n, fc.constant(1n)),
  })
  .map(
    ({ ap, sh, type, access, never }) =>
      (ap << 6n) | (sh << 8n) | (type << 2n) | (access ? 1n << 10n : 0n) | (never << 54n),
  );
const tableGuestBits = fc.oneof(
  { weight: 8, arbitrary: fc.constant((3n << 6n) | (15n << 2n) | (1n << 10n)) },
  { weight: 1, arbitrary: guestBits },
);
/** APTable, UXNTable, PXNTable, NSTable. */
const limits = rarely(
  0n,
  fc.bigInt({ min: 0n, max: 31n }).map((n) => n << 59n),
);
const level = fc.constantFrom(3, 3, 3, 2, 1);
const address = fc.bigInt({ min: 0n, max: (1n << 48n) - 1n });

export const cases = fc.record({
  halves: fc.tuple(half, half),
  output: fc.constantFrom(4, 4, 5, 5, 2, 0, 7),
  stage1: fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  wxn: flag(5),
  /** VM, DC, TGE, PTW. */
  vm: fc.boolean(),
  defaultCacheable: flag(9),
  tge: flag(12),
  protectedWalk: flag(3),
  guest: fc.record({
    grain: granule,
    inputBits: fc.integer({ min: 25, max: 44 }),
    /** How many levels lower than needed walks begin, with concatenated tables. */
    later: fc.boolean(),
    output: fc.constantFrom(4, 4, 4, 5, 2, 0),
    vtcr: rarely<bigint | undefined>(undefined, fc.bigInt({ min: 0n, max: 0x7_ffffn })),
  }),
  pages: fc.array(
    fc.record({
      upper: fc.boolean(),
      level,
      guestLevel: level,
      high: address,
      guestHigh: address,
      bits: leafBits,
      guestBits,
    }),
    { minLength: 2, maxLength: 3 },
  ),
  tables: fc.array(fc.record({ level, high: address, bits: tableGuestBits, limits }), {
    minLength: 1,
    maxLength: 3,
  }),
  /** Where the root is, if nowhere good: bits to flip in bases. */
  misplaced: rarely(
    0n,
    fc.integer({ min: 0, max: 47 }).map((n) => 1n << BigInt(n)),
  ),
  spoiled: fc.array(fc.record({ entry: fc.nat(), flip: fc.integer({ min: 0, max: 63 }) }), { maxLength: 2 }),
});
export type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never;

export interface Built {
  readonly registers: TranslationRegisters;
  /** Addresses that are mapped, with zeros below the page. */
  readonly pages: readonly bigint[];
  readonly entries: readonly number[];
  /** RAM that is used: up to here. */
  readonly end: number;
}

/** First level that inputs of that size need. */
const startLevel = (grain: Granule, inputBits: number): number =>
  4 - Math.ceil((inputBits - grain) / (grain - 3));

/** Upper half of the address space for a program: its 2 MiB of memory at an address of their own. */
export const PROGRAM_OFFSET = 0xffff_ff80_0000_0000n;
const PROGRAM_SHAPE: Shape = { grain: 12, inputBits: 39, startLevel: 1 };
/** Read-only at EL1 and EL0, Normal, inner shareable, accessed. */
const PROGRAM_LEAF = (3n << 6n) | (3n << 8n) | (1n << 10n);
const PROGRAM_GUEST = (3n << 6n) | (15n << 2n) | (3n << 8n) | (1n << 10n);
/** Bytes of the program that the second stage maps. */
const PROGRAM_BYTES = 1 << 16;

/**
 * Make the tables of a case, from an address on. EL2 has the lower half's, without a second stage. With the address of a
 * `program`, the upper half is the program's: nothing is spoiled on its way in the first stage.
 */
export function build(ram: TestRam, any: Case, from = ram.ramBase, program?: number): Built {
  const c = program === undefined ? any : withProgram(any);
  const frames = new Frames(ram, from);
  const two = (c.vm || c.defaultCacheable) && !(c.defaultCacheable && !c.stage1 && !c.vm);
  const { guest: g } = c;
  const natural = startLevel(g.grain, g.inputBits);
  const below = coverage(g.grain, natural);
  // Up to 16 tables may take the place of a level.
  const concatenated = c.guest.later && natural < 2 && g.inputBits - below <= 4;
  const lowest = g.grain === 12 ? 0 : 1;
  const s2Shape: Shape = {
    grain: g.grain,
    inputBits: g.inputBits,
    startLevel: concatenated || natural < lowest ? natural + 1 : natural,
  };
  const s2Bytes = firstTableBytes(s2Shape);
  const s2Host = frames.allocate(s2Bytes, Math.max(s2Bytes, 64));
  const granuleFrame = (grain: Granule): number => frames.allocate(2 ** grain);
  const guest = two
    ? new Tables(ram, s2Shape, { address: BigInt(s2Host), host: s2Host }, () => {
        const host = granuleFrame(g.grain);
        return { table: { address: BigInt(host), host }, attributes: 0n };
      })
    : undefined;

  /** The intermediate physical address of memory. */
  const guestAddress = (
    host: number,
    bytes: number,
    leafLevel: number,
    high: bigint,
    bits: bigint,
  ): bigint => {
    if (guest === undefined) return BigInt(host);
    const at = Math.max(leafLevel, s2Shape.startLevel, g.grain === 12 ? 1 : 2);
    const shift = coverage(g.grain, at);
    const low = (1n << BigInt(Math.max(shift, Math.log2(bytes)))) - 1n;
    const limit = (1n << BigInt(Math.min(g.inputBits, SIZES[c.output] ?? 48, 44))) - 1n;
    const ipa = (high & limit & ~low) | (BigInt(host) & low);
    for (let i = 0n; i < BigInt(bytes); i += 1n << BigInt(shift))
      guest.map(ipa + i, at, BigInt(host) + i, bits);
    return ipa;
  };
  let count = 0;
  const table = (bytes: number) => () => {
    const { level: leafLevel, high, bits, limits: attributes } = c.tables[count++ % c.tables.length]!;
    const host = frames.allocate(bytes, Math.max(bytes, 64));
    return { table: { address: guestAddress(host, bytes, leafLevel, high, bits), host }, attributes };
  };
  const ranges = c.halves.map(({ grain, inputBits }) => {
    const shape: Shape = { grain, inputBits, startLevel: startLevel(grain, inputBits) };
    const root = table(firstTableBytes(shape))().table;
    return { shape, root, tables: new Tables(ram, shape, root, table(2 ** grain)) };
  });
  const pages = c.pages.map(
    ({ upper, level: leafLevel, guestLevel, high, guestHigh, bits, guestBits: s2 }) => {
      const host = frames.allocate(4096);
      const ipa = guestAddress(host, 4096, guestLevel, guestHigh, s2);
      if (!c.stage1) return ipa;
      const { shape, tables } = ranges[upper ? 1 : 0]!;
      const at = Math.max(leafLevel, shape.startLevel, shape.grain === 12 ? 1 : 2);
      const low = (1n << BigInt(coverage(shape.grain, at))) - 1n;
      const input = (1n << BigInt(shape.inputBits)) - 1n;
      const va = ((high & ~low) | (ipa & low)) & input;
      tables.map(va, at, ipa, bits);
      return (upper ? BigInt.asUintN(64, va | ~input) : va) & ~0xfffn;
    },
  );
  const entries = [...ranges.flatMap(({ tables }) => tables.entries), ...(guest?.entries ?? [])];
  for (const { entry, flip } of entries.length === 0 ? [] : c.spoiled) {
    const at = entries[entry % entries.length]!;
    ram.write64(at, ram.read64(at) ^ (1n << BigInt(flip)));
  }
  if (program !== undefined) {
    const [first, second] = [frames.allocate(4096), frames.allocate(4096)];
    const tables = new Tables(ram, PROGRAM_SHAPE, { address: BigInt(first), host: first }, () => {
      return { table: { address: BigInt(second), host: second }, attributes: 0n };
    });
    tables.map(BigInt(program), 2, BigInt(program), PROGRAM_LEAF);
    ranges[1] = { shape: PROGRAM_SHAPE, root: { address: BigInt(first), host: first }, tables };
    const page = 2 ** g.grain;
    const mapped = [
      first,
      second,
      ...Array.from({ length: PROGRAM_BYTES / page }, (_, i) => program + i * page),
    ];
    for (const at of mapped) guest?.map(BigInt(at), 3, BigInt(at), PROGRAM_GUEST);
  }

  const [low, high] = c.halves;
  const control = (c.stage1 ? 1n : 0n) | (c.wxn ? 1n << 19n : 0n);
  const size = (range: typeof low): bigint => BigInt(range.size ?? 64 - range.inputBits);
  const sl0 = BigInt((g.grain === 12 ? 2 : 3) - s2Shape.startLevel);
  const vtcr = BigInt(64 - g.inputBits) | (sl0 << 6n) | (TG0[g.grain] << 14n) | (BigInt(g.output) << 16n);
  const base = (root: { readonly address: bigint }): bigint => root.address ^ (c.misplaced & ~1n);
  // Normal memory, Device-nGnRnE, Normal non-cacheable, Device-GRE.
  const mair = 0x0c4400ffn;
  const registers: TranslationRegisters = {
    SCTLR_EL1: control,
    TCR_EL1:
      size(low) |
      (low.disabled ? 1n << 7n : 0n) |
      (TG0[low.grain] << 14n) |
      (size(high) << 16n) |
      (high.disabled ? 1n << 23n : 0n) |
      (TG1[high.grain] << 30n) |
      (BigInt(c.output) << 32n) |
      (low.ignoreTop ? 1n << 37n : 0n) |
      (high.ignoreTop ? 1n << 38n : 0n),
    MAIR_EL1: mair,
    TTBR0_EL1: base(ranges[0]!.root),
    TTBR1_EL1: (program === undefined ? base(ranges[1]!.root) : ranges[1]!.root.address) | (5n << 48n),
    HCR_EL2:
      (1n << 31n) |
      (c.vm ? 1n : 0n) |
      (c.protectedWalk ? 4n : 0n) |
      (c.defaultCacheable ? 1n << 12n : 0n) |
      (c.tge ? 1n << 27n : 0n),
    VTCR_EL2: g.vtcr ?? vtcr,
    VTTBR_EL2: base({ address: BigInt(s2Host) }) | (7n << 48n),
    SCTLR_EL2: control,
    TCR_EL2:
      size(low) | (TG0[low.grain] << 14n) | (BigInt(c.output) << 16n) | (low.ignoreTop ? 1n << 20n : 0n),
    MAIR_EL2: mair,
    TTBR0_EL2: base(ranges[0]!.root),
  };
  return { registers, pages, entries, end: frames.next };
}

/** The case with a first stage whose upper half is not its own. */
function withProgram(c: Case): Case {
  const [low, high] = c.halves;
  const { grain, inputBits } = PROGRAM_SHAPE;
  return {
    ...c,
    stage1: true,
    defaultCacheable: false,
    tge: false,
    halves: [low, { ...high, grain, inputBits, size: undefined, disabled: false }],
    guest: { ...c.guest, inputBits: Math.max(c.guest.inputBits, 32) },
    pages: c.pages.map((page) => ({ ...page, upper: false })),
  };
}

/** How one access is made. */
export const accesses = fc.record({
  page: fc.nat(2),
  offset: fc.integer({ min: 0, max: 4080 }),
  /** log2 of its size. */
  size: fc.integer({ min: 0, max: 4 }),
  how: fc.constantFrom("read", "write", "rmw", "fetch", "clean", "invalidate", "zero"),
  el: fc.constantFrom<(0 | 1 | 2)[]>(0, 1, 1, 2),
  pan: fc.boolean(),
  /** LDTR and STTR. */
  unprivileged: flag(3),
  beyond: rarely(
    0n,
    fc.integer({ min: 12, max: 63 }).map((n) => 1n << BigInt(n)),
  ),
  tag: rarely(
    0n,
    fc.bigInt({ min: 0n, max: 255n }).map((n) => n << 56n),
  ),
} as const);
export type AccessCase = typeof accesses extends fc.Arbitrary<infer T> ? T : never;
