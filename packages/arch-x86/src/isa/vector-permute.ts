import type { Value } from "@hypercraft/engine";
import type { X86Declaration } from "./declaration.js";
import type { X86Builder } from "./lifter.js";
import { type Lift, lanesOf, read, shuffle, simd, write } from "./vector-lifter.js";

// Which lanes of the operands make the result: shuffles, unpacking, alignment, insertion, extraction, blends, extension.

const sse = simd("SSE");
const mmxOfSse = simd("SSE", "mmx");
const sse2 = simd("SSE2");
const ssse3 = simd("SSSE3");
const mmxOfSsse3 = simd("SSSE3", "mmx");
const sse41 = simd("SSE4.1");

/** Two bits of the immediate for lane `i`. */
const pick = (b: X86Builder, i: number): number => (b.immediate >> (2 * (i & 3))) & 3;

/** Four lanes of 2^size bytes from `first` on by the immediate, the others as they are. */
const fourLanes =
  (size: number, first: number): Lift =>
  (b) => {
    const x = read(b, 1);
    write(
      b,
      0,
      shuffle(b, x, x, (i) => {
        const lane = (i - first) >> size;
        return i < first || lane > 3 ? i : first + (pick(b, lane) << size) + (i % (1 << size));
      }),
    );
  };

/** Lanes of 4 bytes: two of the first operand, two of the second, by the immediate. */
const shuffleSingles: Lift = (b) => {
  const [x, y] = [read(b, 0), read(b, 1)];
  write(
    b,
    0,
    shuffle(b, x, y, (i) => 4 * pick(b, i >> 2) + (i & 3) + (i < 8 ? 0 : 16)),
  );
};

const shuffleDoubles: Lift = (b) => {
  const [x, y] = [read(b, 0), read(b, 1)];
  write(
    b,
    0,
    shuffle(b, x, y, (i) => 8 * ((b.immediate >> (i >> 3)) & 1) + (i & 7) + (i < 8 ? 0 : 16)),
  );
};

/** Lanes of both operands' low or high halves by turns. */
const unpack =
  (bytes: number, half: number): Lift =>
  (b) => {
    const [x, y] = [read(b, 0), read(b, 1)];
    write(
      b,
      0,
      shuffle(b, x, y, (i) => {
        const lane = Math.floor(i / bytes);
        return 8 * half + (lane >> 1) * bytes + (i % bytes) + 16 * (lane & 1);
      }),
    );
  };

/** Bytes of the first operand (above) and the second side by side, from a byte on. */
const align: Lift = (b) => {
  const [x, y] = [read(b, 0), read(b, 1)];
  const lanes = lanesOf(b, 0);
  const bytes = lanes.width / 8;
  const from = b.immediate & 0xff;
  if (from >= 2 * bytes) return write(b, 0, lanes.zero);
  if (from >= bytes) {
    // The upper half of a MMX register's vector is zero.
    write(
      b,
      0,
      shuffle(b, x, lanes.zero, (i) => Math.min(i + from - bytes, 16)),
    );
    return;
  }
  write(
    b,
    0,
    shuffle(b, y, x, (i) => (i + from < bytes ? i + from : (i + from - bytes + 16) & 31)),
  );
};

const insert =
  (size: number): Lift =>
  (b) => {
    const value = b.raw(1);
    const lanes = lanesOf(b, size);
    write(b, 0, lanes.withLane(read(b, 0), b.immediate & (lanes.width / lanes.bits - 1), value));
  };

const extract =
  (size: number): Lift =>
  (b) => {
    const lanes = lanesOf(b, size, 1);
    b.write(0, lanes.lane(read(b, 1), b.immediate & (lanes.width / lanes.bits - 1)));
  };

/** INSERTPS: a lane of the second operand to a lane of the first; some become zero. */
const insertSingle: Lift = (b) => {
  const { ir } = b;
  const control = b.immediate;
  const source = read(b, 1);
  const lane = ir.i32x4.extract_lane(source, b.isMemory(1) ? 0 : (control >> 6) & 3);
  const all = ir.i32x4.replace_lane(read(b, 0), (control >> 4) & 3, lane);
  const kept = [0, 1, 2, 3].map((i) => ((control >> i) & 1 ? 0 : -1));
  write(b, 0, ir.v128.and(all, ir.v128.const(...(kept as [number, number, number, number]))));
};

/** Lanes of the second operand where the immediate has a bit. */
const blend =
  (bytes: number): Lift =>
  (b) => {
    const [x, y] = [read(b, 0), read(b, 1)];
    write(
      b,
      0,
      shuffle(b, x, y, (i) => i + 16 * ((b.immediate >> Math.floor(i / bytes)) & 1)),
    );
  };

/** Lanes of the second operand where XMM0's sign is set. */
const blendBySign =
  (size: number): Lift =>
  (b) => {
    const lanes = lanesOf(b, size);
    const [x, y, mask] = [read(b, 0), read(b, 1), read(b, 2)];
    write(b, 0, lanes.choose(lanes.negative(mask), y, x));
  };

/** The low lanes, extended to a size that is 2^steps times as large. */
const extend =
  (size: number, steps: number, signed: boolean): Lift =>
  (b) => {
    let x = read(b, 1);
    for (let i = 0; i < steps; i++) x = lanesOf(b, size + i).extended(x, 0, signed);
    write(b, 0, x);
  };

const EXTENSIONS: readonly (readonly [suffix: string, memory: string, size: number, steps: number])[] = [
  ["bw", "Wq", 0, 1],
  ["bd", "Wd", 0, 2],
  ["bq", "Ww", 0, 3],
  ["wd", "Wq", 1, 1],
  ["wq", "Wd", 1, 2],
  ["dq", "Wq", 2, 1],
];

const extensions = (["s", "z"] as const).flatMap((sign, which) =>
  EXTENSIONS.map(([suffix, memory, size, steps], i) =>
    sse41(
      `pmov${sign}x${suffix} Vdq, ${memory}`,
      `66 0F 38 ${which === 0 ? 2 : 3}${i} /r`,
      extend(size, steps, sign === "s"),
    ),
  ),
);

/** ZF: no bit in common; CF: the second operand has no bit that the first has not. */
const testBits: Lift = (b) => {
  const { ir, i32, i64 } = b;
  const [x, y] = [read(b, 0), read(b, 1)];
  const none = (v: Value): Value => i32.eqz(ir.v128.any_true(v));
  const zero = i32.shl(none(ir.v128.and(x, y)), i32.const(6));
  b.flags.explicit(i64.extend_i32_u(i32.or(zero, none(ir.v128.andnot(y, x)))));
};

export const vectorPermutations: readonly X86Declaration<X86Builder>[] = [
  mmxOfSse("pshufw Pq, Qq, Ib", "NP 0F 70 /r", fourLanes(1, 0)),
  sse2("pshufd Vdq, Wdq, Ib", "66 0F 70 /r", fourLanes(2, 0)),
  sse2("pshufhw Vdq, Wdq, Ib", "F3 0F 70 /r", fourLanes(1, 8)),
  sse2("pshuflw Vdq, Wdq, Ib", "F2 0F 70 /r", fourLanes(1, 0)),
  sse("shufps Vps, Wps, Ib", "NP 0F C6 /r", shuffleSingles),
  sse2("shufpd Vpd, Wpd, Ib", "66 0F C6 /r", shuffleDoubles),
  sse("unpcklps Vps, Wps", "NP 0F 14 /r", unpack(4, 0)),
  sse("unpckhps Vps, Wps", "NP 0F 15 /r", unpack(4, 1)),
  sse2("unpcklpd Vpd, Wpd", "66 0F 14 /r", unpack(8, 0)),
  sse2("unpckhpd Vpd, Wpd", "66 0F 15 /r", unpack(8, 1)),
  mmxOfSsse3("palignr Pq, Qq, Ib", "NP 0F 3A 0F /r", align),
  ssse3("palignr Vdq, Wdq, Ib", "66 0F 3A 0F /r", align),
  mmxOfSse("pinsrw Pq, RdMw, Ib", "NP 0F C4 /r", insert(1)),
  sse2("pinsrw Vdq, RdMw, Ib", "66 0F C4 /r", insert(1)),
  sse41("pinsrb Vdq, RdMb, Ib", "66 0F 3A 20 /r", insert(0)),
  sse41("pinsrd Vdq, Ed, Ib", "66 REX.W0 0F 3A 22 /r", insert(2)),
  sse41("pinsrq Vdq, Eq, Ib", "66 REX.W 0F 3A 22 /r", insert(3)),
  sse41("insertps Vps, Wd, Ib", "66 0F 3A 21 /r", insertSingle),
  mmxOfSse("pextrw Gd, Nq, Ib", "NP 0F C5 /r", extract(1)),
  sse2("pextrw Gd, Udq, Ib", "66 0F C5 /r", extract(1)),
  sse41("pextrb RdMb, Vdq, Ib", "66 0F 3A 14 /r", extract(0)),
  sse41("pextrw RdMw, Vdq, Ib", "66 0F 3A 15 /r", extract(1)),
  sse41("pextrd Ed, Vdq, Ib", "66 REX.W0 0F 3A 16 /r", extract(2)),
  sse41("pextrq Eq, Vdq, Ib", "66 REX.W 0F 3A 16 /r", extract(3)),
  sse41("extractps Ed, Vdq, Ib", "66 0F 3A 17 /r", extract(2)),
  sse41("blendps Vps, Wps, Ib", "66 0F 3A 0C /r", blend(4)),
  sse41("blendpd Vpd, Wpd, Ib", "66 0F 3A 0D /r", blend(8)),
  sse41("pblendw Vdq, Wdq, Ib", "66 0F 3A 0E /r", blend(2)),
  sse41("pblendvb Vdq, Wdq, xmm0", "66 0F 38 10 /r", blendBySign(0)),
  sse41("blendvps Vps, Wps, xmm0", "66 0F 38 14 /r", blendBySign(2)),
  sse41("blendvpd Vpd, Wpd, xmm0", "66 0F 38 15 /r", blendBySign(3)),
  ...extensions,
  sse41("ptest Vdq, Wdq", "66 0F 38 17 /r", testBits),
];
