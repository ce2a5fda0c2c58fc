import type { Value } from "@hypercraft/engine";
import {
  absolute,
  compute,
  type Float,
  formatOf,
  laneCount,
  laneOf,
  makeLanes,
  maskOf,
  negated,
  readFloat,
  writeFloat,
} from "./float-lifter.js";
import { elementIndex } from "./float-operands.js";
import type { A64Builder } from "./lifter.js";
import { setVector, vector, vectorInstructions } from "./vector-lifter.js";

// Advanced SIMD floating point with two sources: three same, scalar three same, by element.

interface Fields {
  readonly q: number;
  readonly double: number;
  readonly fvd: number;
  readonly fvn: number;
  readonly fvm: number;
  readonly fd: number;
  readonly fn: number;
  readonly fm: number;
  readonly vm: number;
}

const insn = vectorInstructions<Fields>("AdvSIMD", "FP");

/** On a lane of each source, and of the destination as it was. */
type Lane = (b: A64Builder, f: Float, x: Value, y: Value, d: Value) => Value;

const plain =
  (name: string): Lane =>
  (b, f, x, y) =>
    compute(b, f, name, x, y);

const fused: Lane = (b, f, x, y, d) => compute(b, f, "fma", x, y, d);
const fusedNegated: Lane = (b, f, x, y, d) => compute(b, f, "fma", negated(b, f, x), y, d);

/** All ones if y compares so with x, which is x greater (or equal) y. */
const compared =
  (name: "eq" | "le" | "lt", absolutes = false): Lane =>
  (b, f, x, y) => {
    const [p, q] = absolutes ? [absolute(b, f, y), absolute(b, f, x)] : [y, x];
    return maskOf(b, f, compute(b, f, name, p, q));
  };

interface Same {
  readonly name: string;
  /** U and the upper bit of size. */
  readonly u: 0 | 1;
  readonly a: 0 | 1;
  readonly opcode: string;
  readonly lane: Lane;
  /** There is a scalar form. */
  readonly scalar?: true;
  /** Neighbours are combined, of the sources side by side. */
  readonly pairs?: true;
}

const SAME: readonly Same[] = [
  { name: "fmaxnm", u: 0, a: 0, opcode: "11000", lane: plain("maxNum") },
  { name: "fmla", u: 0, a: 0, opcode: "11001", lane: fused },
  { name: "fadd", u: 0, a: 0, opcode: "11010", lane: plain("add") },
  { name: "fmulx", u: 0, a: 0, opcode: "11011", lane: plain("mulExtended"), scalar: true },
  { name: "fcmeq", u: 0, a: 0, opcode: "11100", lane: compared("eq"), scalar: true },
  { name: "fmax", u: 0, a: 0, opcode: "11110", lane: plain("maximum") },
  { name: "frecps", u: 0, a: 0, opcode: "11111", lane: plain("reciprocalStep"), scalar: true },
  { name: "fminnm", u: 0, a: 1, opcode: "11000", lane: plain("minNum") },
  { name: "fmls", u: 0, a: 1, opcode: "11001", lane: fusedNegated },
  { name: "fsub", u: 0, a: 1, opcode: "11010", lane: plain("sub") },
  { name: "fmin", u: 0, a: 1, opcode: "11110", lane: plain("minimum") },
  { name: "frsqrts", u: 0, a: 1, opcode: "11111", lane: plain("reciprocalRootStep"), scalar: true },
  { name: "fmaxnmp", u: 1, a: 0, opcode: "11000", lane: plain("maxNum"), pairs: true },
  { name: "faddp", u: 1, a: 0, opcode: "11010", lane: plain("add"), pairs: true },
  { name: "fmul", u: 1, a: 0, opcode: "11011", lane: plain("mul") },
  { name: "fcmge", u: 1, a: 0, opcode: "11100", lane: compared("le"), scalar: true },
  { name: "facge", u: 1, a: 0, opcode: "11101", lane: compared("le", true), scalar: true },
  { name: "fmaxp", u: 1, a: 0, opcode: "11110", lane: plain("maximum"), pairs: true },
  { name: "fdiv", u: 1, a: 0, opcode: "11111", lane: plain("div") },
  { name: "fminnmp", u: 1, a: 1, opcode: "11000", lane: plain("minNum"), pairs: true },
  {
    ...{ name: "fabd", u: 1, a: 1, opcode: "11010", scalar: true },
    lane: (b, f, x, y) => absolute(b, f, compute(b, f, "sub", x, y)),
  },
  { name: "fcmgt", u: 1, a: 1, opcode: "11100", lane: compared("lt"), scalar: true },
  { name: "facgt", u: 1, a: 1, opcode: "11101", lane: compared("lt", true), scalar: true },
  { name: "fminp", u: 1, a: 1, opcode: "11110", lane: plain("minimum"), pairs: true },
];

function lift({ lane, pairs }: Same, b: A64Builder, o: Fields): void {
  const f = formatOf(o.double);
  const count = laneCount(f, o.q);
  const [x, y, d] = [vector(b, o.fvn), vector(b, o.fvm), vector(b, o.fvd)];
  const side = (index: number): Value =>
    index < count ? laneOf(b, f, x, index) : laneOf(b, f, y, index - count);
  const result = makeLanes(b, f, count, (i) =>
    pairs
      ? lane(b, f, side(2 * i), side(2 * i + 1), d)
      : lane(b, f, laneOf(b, f, x, i), laneOf(b, f, y, i), laneOf(b, f, d, i)),
  );
  setVector(b, o.fvd, result);
}

const vectors = SAME.map((same) =>
  insn(
    `0 q:1 ${same.u} 01110 ${same.a} double:1 1 fvm:5 ${same.opcode} 1 fvn:5 fvd:5`,
    `${same.name} fvd, fvn, fvm`,
    (b, o) => lift(same, b, o),
    { name: `${same.name}.vector.v`, where: "floatShape == 1" },
  ),
);

const scalars = SAME.filter(({ scalar }) => scalar).map(({ name, u, a, opcode, lane }) =>
  insn(
    `01 ${u} 11110 ${a} double:1 1 fm:5 ${opcode} 1 fn:5 fd:5`,
    `${name} fd, fn, fm`,
    (b, o) => {
      const f = formatOf(o.double);
      const x = readFloat(b, f, o.fn);
      writeFloat(b, f, o.fd, lane(b, f, x, readFloat(b, f, o.fm), x));
    },
    { name: `${name}.scalar.v` },
  ),
);

// --- By element ------------------------------------------------------------------------------------

const ELEMENT: readonly (readonly [string, 0 | 1, string, Lane])[] = [
  ["fmla", 0, "0001", fused],
  ["fmls", 0, "0101", fusedNegated],
  ["fmul", 0, "1001", plain("mul")],
  ["fmulx", 1, "1001", plain("mulExtended")],
];

const tail = (opcode: string): string => `double:1 elementLow:1 vm:5 ${opcode} elementHigh:1 0`;

const elements = ELEMENT.flatMap(([name, u, opcode, lane]) => [
  insn(
    `0 q:1 ${u} 01111 1 ${tail(opcode)} fvn:5 fvd:5`,
    `${name} fvd, fvn, element`,
    (b, o) => {
      const f = formatOf(o.double);
      const [x, d] = [vector(b, o.fvn), vector(b, o.fvd)];
      const y = laneOf(b, f, vector(b, o.vm), elementIndex(b.bits));
      const of = (from: Value, i: number) => laneOf(b, f, from, i);
      setVector(
        b,
        o.fvd,
        makeLanes(b, f, laneCount(f, o.q), (i) => lane(b, f, of(x, i), y, of(d, i))),
      );
    },
    { name: `${name}.element.v`, where: "elementShape == 1" },
  ),
  insn(
    `01 ${u} 11111 1 ${tail(opcode)} fn:5 fd:5`,
    `${name} fd, fn, element`,
    (b, o) => {
      const f = formatOf(o.double);
      const y = laneOf(b, f, vector(b, o.vm), elementIndex(b.bits));
      writeFloat(b, f, o.fd, lane(b, f, readFloat(b, f, o.fn), y, readFloat(b, f, o.fd)));
    },
    { name: `${name}.scalar.element.v`, where: "elementShape == 1" },
  ),
]);

export const vectorFloatSame = [...vectors, ...scalars, ...elements];
