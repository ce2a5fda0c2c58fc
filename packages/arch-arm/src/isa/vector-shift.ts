import type { Value } from "@hypercraft/engine";
import { arrangedLanes, type Lanes, scalarLane } from "./vector-lanes.js";
import { setVector, type VectorFields, vector, vectorInstructions } from "./vector-lifter.js";
import { roundedRight, type Saturation, saturatedForNarrow, saturatedLeft } from "./vector-shifting.js";

// Advanced SIMD shift by immediate, and scalar shift by immediate. immh:immb is 8 << size plus the amount to the left, or
// twice that less the amount to the right.

const insn = vectorInstructions("AdvSIMD");

const sizeOf = (immhb: number): number => 31 - Math.clz32(immhb >> 3);
const leftOf = (immhb: number): number => immhb - (8 << sizeOf(immhb));
const rightOf = (immhb: number): number => (16 << sizeOf(immhb)) - immhb;

type Shift = (l: Lanes, x: Value, amount: number, d: Value) => Value;

const right =
  (signed: boolean): Shift =>
  (l, x, amount) =>
    l.shr(x, amount, signed);
const rounded =
  (signed: boolean): Shift =>
  (l, x, amount) =>
    roundedRight(l, x, amount, signed);
const left: Shift = (l, x, amount) => l.shl(x, amount);
const saturated =
  (kind: Saturation): Shift =>
  (l, x, amount) =>
    saturatedLeft(l, x, amount, kind);
const accumulated =
  (shift: Shift): Shift =>
  (l, x, amount, d) =>
    l.add(d, shift(l, x, amount, d));

const insertedRight: Shift = (l, x, amount, d) =>
  l.choose(l.ones(l.bits - amount), l.shr(x, amount, false), d);
const insertedLeft: Shift = (l, x, amount, d) => l.choose(l.ones(amount), d, l.shl(x, amount));

type Row = readonly [
  name: string,
  u: number,
  opcode: string,
  shift: Shift,
  direction: "right" | "left",
  scalar: "d" | "all",
];

const SHIFTS: readonly Row[] = [
  ["sshr", 0, "00000", right(true), "right", "d"],
  ["ushr", 1, "00000", right(false), "right", "d"],
  ["ssra", 0, "00010", accumulated(right(true)), "right", "d"],
  ["usra", 1, "00010", accumulated(right(false)), "right", "d"],
  ["srshr", 0, "00100", rounded(true), "right", "d"],
  ["urshr", 1, "00100", rounded(false), "right", "d"],
  ["srsra", 0, "00110", accumulated(rounded(true)), "right", "d"],
  ["ursra", 1, "00110", accumulated(rounded(false)), "right", "d"],
  ["sri", 1, "01000", insertedRight, "right", "d"],
  ["shl", 0, "01010", left, "left", "d"],
  ["sli", 1, "01010", insertedLeft, "left", "d"],
  ["sqshlu", 1, "01100", saturated("signed to unsigned"), "left", "all"],
  ["sqshl", 0, "01110", saturated("signed"), "left", "all"],
  ["uqshl", 1, "01110", saturated("unsigned"), "left", "all"],
];

const shifts = SHIFTS.flatMap(([name, u, opcode, shift, direction, scalar]) => {
  const amountOf = direction === "left" ? leftOf : rightOf;
  const lift = (l: Lanes, o: VectorFields): void => {
    const x = vector(l.b, o.vn);
    l.set(o.vd, shift(l, x, amountOf(o.immhb), vector(l.b, o.vd)));
  };
  return [
    insn(
      `0 q:1 ${u} 011110 immhb:7 ${opcode} 1 vn:5 vd:5`,
      `${name} shiftD, shiftN, ${direction}By`,
      (b, o) => lift(arrangedLanes(b, sizeOf(o.immhb), o.q), o),
      { name: `${name}.imm.v`, where: "shiftShape == 1" },
    ),
    insn(
      `01 ${u} 111110 immhb:7 ${opcode} 1 vn:5 vd:5`,
      `${name} shiftScalarD, shiftScalarN, ${direction}By`,
      (b, o) => lift(scalarLane(b, sizeOf(o.immhb)), o),
      { name: `${name}.imm.scalar.v`, where: scalar === "d" ? "shiftSize == 3" : "shiftSize != -1" },
    ),
  ];
});

/** Mnemonic, U, opcode, rounded, saturation if any; those that saturate are scalar too. */
const NARROWING: readonly (readonly [string, number, string, boolean, Saturation?])[] = [
  ["shrn", 0, "10000", false],
  ["rshrn", 0, "10001", true],
  ["sqshrun", 1, "10000", false, "signed to unsigned"],
  ["sqrshrun", 1, "10001", true, "signed to unsigned"],
  ["sqshrn", 0, "10010", false, "signed"],
  ["sqrshrn", 0, "10011", true, "signed"],
  ["uqshrn", 1, "10010", false, "unsigned"],
  ["uqrshrn", 1, "10011", true, "unsigned"],
];

const narrowing = NARROWING.flatMap(([name, u, opcode, rounds, saturation]) => {
  const lift = (l: Lanes, o: VectorFields, q: number): void => {
    const { wider } = l;
    const [x, amount, signed] = [
      vector(l.b, o.vn),
      rightOf(o.immhb),
      saturation?.startsWith("signed") === true,
    ];
    const shifted = rounds ? roundedRight(wider, x, amount, signed) : wider.shr(x, amount, signed);
    l.setNarrow(o.vd, q, saturation === undefined ? shifted : saturatedForNarrow(l, shifted, saturation));
  };
  return [
    insn(
      `0 q:1 ${u} 011110 immhb:7 ${opcode} 1 vn:5 vd:5`,
      `${name}{second} shiftD, shiftWideN, rightBy`,
      (b, o) => lift(arrangedLanes(b, sizeOf(o.immhb), o.q), o, o.q),
      { name: `${name}.v`, where: "resizable == 1" },
    ),
    ...(saturation === undefined
      ? []
      : [
          insn(
            `01 ${u} 111110 immhb:7 ${opcode} 1 vn:5 vd:5`,
            `${name} shiftScalarD, shiftScalarWideN, rightBy`,
            (b, o) => lift(scalarLane(b, sizeOf(o.immhb)), o, 0),
            { name: `${name}.scalar.v`, where: "resizable == 1" },
          ),
        ]),
  ];
});

const widening = (["s", "u"] as const).map((sign, u) =>
  insn(
    `0 q:1 ${u} 011110 immhb:7 10100 1 vn:5 vd:5`,
    `${sign}shll{second} shiftWideD, shiftN, leftBy`,
    (b, o) => {
      const l = arrangedLanes(b, sizeOf(o.immhb), o.q);
      const wide = l.extended(vector(b, o.vn), o.q, sign === "s");
      setVector(b, o.vd, l.wider.shl(wide, leftOf(o.immhb)));
    },
    {
      name: `${sign}shll.v`,
      where: "resizable == 1",
      aliases: [[`${sign}xtl{second} shiftWideD, shiftN`, "unshifted == 1"]],
    },
  ),
);

export const vectorShift = [...shifts, ...narrowing, ...widening];
