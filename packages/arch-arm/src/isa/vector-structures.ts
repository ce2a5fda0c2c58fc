import { type AccessSize, gather, type Value } from "@hypercraft/engine";
import type { A64Builder } from "./lifter.js";
import { structureBytes, structureLane } from "./structure-operands.js";
import { arrangedLanes, type Lanes } from "./vector-lanes.js";
import { setVector, vector, vectorInstructions, zeroVector } from "./vector-lifter.js";

// Loads and stores of structures: LD1 to LD4, ST1 to ST4, LD1R to LD4R. Element e of register r is the r-th member of
// the e-th structure in memory. Arm ARM, C4.1 "Loads and Stores".

interface Fields {
  readonly q: number;
  readonly structureSize: number;
  readonly vt: number;
  readonly xnSp: number;
  readonly postRm?: number;
}

const insn = vectorInstructions<Fields>("AdvSIMD");

/** What a whole-register access is: registers, and whether their elements alternate in memory. */
interface Layout {
  readonly registers: number;
  readonly alternates: boolean;
}

const register = (o: Fields, i: number): number => (o.vt + i) % 32;
const count = (n: number): readonly number[] => Array.from({ length: n }, (_, i) => i);

/** Place of a byte of a register in memory. */
function placeOf({ registers, alternates }: Layout, o: Fields, r: number, byte: number): number {
  if (!alternates) return r * (8 << o.q) + byte;
  const element = byte >> o.structureSize;
  return ((element * registers + r) << o.structureSize) + (byte % (1 << o.structureSize));
}

/** Bytes are accessed 16 at a time, the last 8 alone. */
const chunksOf = (layout: Layout, o: Fields): readonly { at: number; size: AccessSize }[] => {
  const bytes = layout.registers * (8 << o.q);
  return count(Math.ceil(bytes / 16)).map((i) => ({ at: 16 * i, size: bytes - 16 * i < 16 ? 8 : 16 }));
};

function loadChunk(b: A64Builder, size: AccessSize, address: Value): Value {
  const value = b.ir.load(size, false, address);
  return size === 16 ? value : b.ir.i64x2.replace_lane(zeroVector(b), 0, value);
}

function loadWhole(b: A64Builder, layout: Layout, o: Fields, base: Value): void {
  const chunks = chunksOf(layout, o).map(({ at, size }) => loadChunk(b, size, b.displaced(base, at)));
  for (const r of count(layout.registers)) {
    const bytes = count(16).map((i) => (i < 8 << o.q ? placeOf(layout, o, r, i) : undefined));
    arrangedLanes(b, 0, o.q).set(register(o, r), gather(b, chunks, bytes));
  }
}

function storeWhole(b: A64Builder, layout: Layout, o: Fields, base: Value): void {
  const sources = count(layout.registers).map((r) => vector(b, register(o, r)));
  const origin: number[] = [];
  for (const r of count(layout.registers))
    for (const i of count(8 << o.q)) origin[placeOf(layout, o, r, i)] = 16 * r + i;
  for (const { at, size } of chunksOf(layout, o)) {
    const value = gather(
      b,
      sources,
      count(16).map((i) => origin[at + i]),
    );
    const stored = size === 16 ? value : b.ir.i64x2.extract_lane(value, 0);
    b.ir.store(size, b.displaced(base, at), stored);
  }
}

/** Element by element, each of which has to be aligned: bytes always are, wherever 16 of them lie. */
function eachElement(
  b: A64Builder,
  layout: Layout,
  o: Fields,
  base: Value,
  access: (address: Value, r: number, element: number) => void,
): void {
  for (const element of count((8 << o.q) >> o.structureSize))
    for (const r of count(layout.registers))
      access(b.displaced(base, placeOf(layout, o, r, element << o.structureSize)), r, element);
}

const loadElement = (l: Lanes, address: Value): Value =>
  l.b.load((1 << l.size) as AccessSize, false, address);

const storeElement = (l: Lanes, address: Value, x: Value, index: number): void =>
  l.b.store((1 << l.size) as AccessSize, address, l.lane(x, index));

function transferWhole(b: A64Builder, layout: Layout, load: boolean, o: Fields, base: Value): void {
  if (!b.mode.alignmentChecked) return load ? loadWhole(b, layout, o, base) : storeWhole(b, layout, o, base);
  const l = arrangedLanes(b, o.structureSize, o.q);
  const values = count(layout.registers).map((r) => (load ? l.zero : vector(b, register(o, r))));
  eachElement(b, layout, o, base, (address, r, element) => {
    const value = values[r] as Value;
    if (load) values[r] = l.withLane(value, element, loadElement(l, address));
    else storeElement(l, address, value, element);
  });
  if (load) for (const [r, value] of values.entries()) setVector(b, register(o, r), value);
}

/** One element of each register, or one for all of its elements. */
function transferLane(b: A64Builder, load: boolean, o: Fields, base: Value): void {
  const { size, registers, index, replicates } = structureLane(b.bits);
  const l = arrangedLanes(b, size, o.q);
  const address = (r: number): Value => b.displaced(base, r << size);
  if (!load) {
    for (const r of count(registers)) storeElement(l, address(r), vector(b, register(o, r)), index);
    return;
  }
  const values = count(registers).map((r) => loadElement(l, address(r)));
  for (const [r, value] of values.entries()) {
    if (replicates) l.set(register(o, r), l.splat(value));
    else setVector(b, register(o, r), l.withLane(vector(b, register(o, r)), index, value));
  }
}

/** Both addressing modes of a load or store: the base as it is, or moved afterwards. */
function declare(
  name: string,
  text: string,
  pattern: (post: "0" | "1", rm: string) => string,
  where: string,
  transfer: (b: A64Builder, o: Fields, base: Value) => void,
) {
  return [
    insn(pattern("0", "00000"), `${text}, [xnSp]`, (b, o) => transfer(b, o, b.base(o.xnSp)), { name, where }),
    insn(
      pattern("1", "postRm:5"),
      `${text}, [xnSp], postRm`,
      (b, o) => {
        const base = b.base(o.xnSp);
        transfer(b, o, base);
        const moved = o.postRm as number;
        const next = moved === 31 ? b.displaced(base, structureBytes(b.bits)) : b.i64.add(base, b.x(moved));
        b.setXSp(o.xnSp, next);
      },
      { name: `${name}.post`, where },
    ),
  ];
}

/** Number in the mnemonic, registers, opcode. */
const WHOLE = [
  [1, 1, "0111"],
  [1, 2, "1010"],
  [1, 3, "0110"],
  [1, 4, "0010"],
  [2, 2, "1000"],
  [3, 3, "0100"],
  [4, 4, "0000"],
] as const;

const LOADS = [
  ["st", "0"],
  ["ld", "1"],
] as const;

const whole = LOADS.flatMap(([stem, l]) =>
  WHOLE.flatMap(([number, registers, opcode]) => {
    const layout: Layout = { registers, alternates: number > 1 };
    return declare(
      `${stem}${number}${number === 1 && registers > 1 ? `.x${registers}` : ""}`,
      `${stem}${number} structure`,
      (post, rm) => `0 q:1 001100 ${post} ${l} 0 ${rm} ${opcode} structureSize:2 xnSp:5 vt:5`,
      number === 1 ? "" : "structureShape == 1",
      (b, o, base) => transferWhole(b, layout, stem === "ld", o, base),
    );
  }),
);

const lanes = LOADS.flatMap(([stem, l]) =>
  count(4).flatMap((i) =>
    declare(
      `${stem}${i + 1}.lane`,
      `${stem}${i + 1} structureLanes`,
      (post, rm) =>
        `0 q:1 001101 ${post} ${l} ${i % 2} ${rm} scale:2 ${i >> 1} laneBit:1 structureSize:2 xnSp:5 vt:5`,
      "oneLane == 1",
      (b, o, base) => transferLane(b, stem === "ld", o, base),
    ),
  ),
);

const replicated = count(4).flatMap((i) =>
  declare(
    `ld${i + 1}r`,
    `ld${i + 1}r structureLanes`,
    (post, rm) => `0 q:1 001101 ${post} 1 ${i % 2} ${rm} 11 ${i >> 1} 0 structureSize:2 xnSp:5 vt:5`,
    "",
    (b, o, base) => transferLane(b, true, o, base),
  ),
);

export const vectorStructures = [...whole, ...lanes, ...replicated];
