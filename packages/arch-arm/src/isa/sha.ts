import type { Value } from "@hypercraft/engine";
import type { A64Builder } from "./lifter.js";
import { setLow64, setVector, vector, vectorInstructions } from "./vector-lifter.js";

// SHA1 and SHA256 (FEAT_SHA1, FEAT_SHA256): four rounds of the functions of FIPS 180-4, or four words of their schedules,
// at a time.

const sha1 = vectorInstructions("SHA1");
const sha256 = vectorInstructions("SHA256");

/** A function of three words. */
type Mix = (b: A64Builder, x: Value, y: Value, z: Value) => Value;

const chosen: Mix = ({ i32 }, x, y, z) => i32.xor(i32.and(i32.xor(y, z), x), z);
const parity: Mix = ({ i32 }, x, y, z) => i32.xor(i32.xor(x, y), z);
const majority: Mix = ({ i32 }, x, y, z) => i32.or(i32.and(x, y), i32.and(i32.or(x, y), z));

const left = ({ i32 }: A64Builder, x: Value, n: number): Value => i32.rotl(x, i32.const(n));
/** The word turned to the right by three distances. */
const sigma = ({ i32 }: A64Builder, x: Value, ...by: readonly [number, number, number]): Value => {
  const [p, q, r] = by.map((n) => i32.rotr(x, i32.const(n))) as [Value, Value, Value];
  return i32.xor(i32.xor(p, q), r);
};

type Four = readonly [Value, Value, Value, Value];
const wordsOf = ({ ir }: A64Builder, x: Value): Four =>
  [0, 1, 2, 3].map((i) => ir.i32x4.extract_lane(x, i)) as unknown as Four;
const vectorOf = ({ ir }: A64Builder, [first, ...others]: Four): Value =>
  others.reduce((all, word, i) => ir.i32x4.replace_lane(all, i + 1, word), ir.i32x4.splat(first));

/** Words of two vectors side by side. */
const words = ({ ir }: A64Builder, x: Value, y: Value, ...numbers: readonly number[]): Value =>
  ir.i8x16.shuffle(
    x,
    y,
    numbers.flatMap((n) => [4 * n, 4 * n + 1, 4 * n + 2, 4 * n + 3]),
  );

/** Each word turned to the left. */
function turned({ ir, i32 }: A64Builder, x: Value, n: number): Value {
  const { i32x4, v128 } = ir;
  return v128.or(i32x4.shl(x, i32.const(n)), i32x4.shr_u(x, i32.const(32 - n)));
}

// --- SHA1 --------------------------------------------------------------------------------------------

function rounds1(b: A64Builder, mix: Mix, start: Four, last: Value, schedule: Four): Value {
  const { i32 } = b;
  let [[a, second, c, d], e] = [start, last];
  for (const word of schedule) {
    const sum = i32.add(i32.add(e, left(b, a, 5)), i32.add(mix(b, second, c, d), word));
    [a, second, c, d, e] = [sum, a, left(b, second, 30), c, d];
  }
  return vectorOf(b, [a, second, c, d]);
}

const hashes1 = (
  [
    ["sha1c", "000", chosen],
    ["sha1p", "001", parity],
    ["sha1m", "010", majority],
  ] as const
).map(([name, opcode, mix]) =>
  sha1(
    `01011110 00 0 vm:5 0 ${opcode} 00 vn:5 vd:5`,
    `${name} quadD, wordN, wordsM`,
    (b, o) => {
      const [start, e] = [wordsOf(b, vector(b, o.vd)), b.ir.i32x4.extract_lane(vector(b, o.vn), 0)];
      setVector(b, o.vd, rounds1(b, mix, start, e, wordsOf(b, vector(b, o.vm))));
    },
    { name: `${name}.v` },
  ),
);

const others1 = [
  sha1(
    "01011110 00 10100 00000 10 vn:5 vd:5",
    "sha1h wordD, wordN",
    (b, o) => {
      const word = b.ir.i32x4.extract_lane(vector(b, o.vn), 0);
      setLow64(b, o.vd, b.i64.extend_i32_u(left(b, word, 30)));
    },
    { name: "sha1h.v" },
  ),
  sha1(
    "01011110 00 0 vm:5 0 011 00 vn:5 vd:5",
    "sha1su0 wordsD, wordsN, wordsM",
    (b, o) => {
      const d = vector(b, o.vd);
      const { v128 } = b.ir;
      setVector(b, o.vd, v128.xor(v128.xor(words(b, d, vector(b, o.vn), 2, 3, 4, 5), d), vector(b, o.vm)));
    },
    { name: "sha1su0.v" },
  ),
  sha1(
    "01011110 00 10100 00001 10 vn:5 vd:5",
    "sha1su1 wordsD, wordsN",
    (b, o) => {
      const { v128 } = b.ir;
      const zero = v128.const(0, 0, 0, 0);
      const x = v128.xor(vector(b, o.vd), words(b, vector(b, o.vn), zero, 1, 2, 3, 4));
      // The last word needs the first one of these.
      const first = words(b, turned(b, x, 2), zero, 4, 4, 4, 0);
      setVector(b, o.vd, v128.xor(turned(b, x, 1), first));
    },
    { name: "sha1su1.v" },
  ),
];

// --- SHA256 ------------------------------------------------------------------------------------------

/** Four rounds on the halves a to d and e to h of the state. */
function rounds256(b: A64Builder, upper: Four, lower: Four, schedule: Four): readonly [Four, Four] {
  const { i32 } = b;
  let [x, y] = [upper, lower];
  for (const word of schedule) {
    const choice = i32.add(sigma(b, y[0], 6, 11, 25), chosen(b, y[0], y[1], y[2]));
    const first = i32.add(i32.add(y[3], word), choice);
    const second = i32.add(sigma(b, x[0], 2, 13, 22), majority(b, x[0], x[1], x[2]));
    const next = i32.add(x[3], first);
    [x, y] = [
      [i32.add(first, second), x[0], x[1], x[2]],
      [next, y[0], y[1], y[2]],
    ];
  }
  return [x, y];
}

/** SHA256H gives the upper half, whose register it overwrites; SHA256H2 the lower. */
const hashes256 = (["sha256h", "sha256h2"] as const).map((name, part) =>
  sha256(
    `01011110 00 0 vm:5 0 10${part} 00 vn:5 vd:5`,
    `${name} quadD, quadN, wordsM`,
    (b, o) => {
      const [upper, lower] = part === 0 ? [o.vd, o.vn] : [o.vn, o.vd];
      const of = (register: number): Four => wordsOf(b, vector(b, register));
      setVector(b, o.vd, vectorOf(b, rounds256(b, of(upper), of(lower), of(o.vm))[part] as Four));
    },
    { name: `${name}.v` },
  ),
);

/** Each word turned to the right by two distances, and shifted by a third. */
function scheduled(b: A64Builder, x: Value, p: number, q: number, shift: number): Value {
  const { v128, i32x4 } = b.ir;
  const both = v128.xor(turned(b, x, 32 - p), turned(b, x, 32 - q));
  return v128.xor(both, i32x4.shr_u(x, b.i32.const(shift)));
}

const schedules256 = [
  sha256(
    "01011110 00 10100 00010 10 vn:5 vd:5",
    "sha256su0 wordsD, wordsN",
    (b, o) => {
      const d = vector(b, o.vd);
      const x = words(b, d, vector(b, o.vn), 1, 2, 3, 4);
      setVector(b, o.vd, b.ir.i32x4.add(scheduled(b, x, 7, 18, 3), d));
    },
    { name: "sha256su0.v" },
  ),
  sha256(
    "01011110 00 0 vm:5 0 110 00 vn:5 vd:5",
    "sha256su1 wordsD, wordsN, wordsM",
    (b, o) => {
      const [n, m] = [vector(b, o.vn), vector(b, o.vm)];
      const { i32x4 } = b.ir;
      const sum = i32x4.add(vector(b, o.vd), words(b, n, m, 1, 2, 3, 4));
      // The upper two words are made of the new lower ones.
      const low = i32x4.add(sum, scheduled(b, words(b, m, m, 2, 3, 2, 3), 17, 19, 10));
      const high = i32x4.add(sum, scheduled(b, words(b, low, low, 0, 1, 0, 1), 17, 19, 10));
      setVector(b, o.vd, words(b, low, high, 0, 1, 6, 7));
    },
    { name: "sha256su1.v" },
  ),
];

export const sha = [...hashes1, ...others1, ...hashes256, ...schedules256];
