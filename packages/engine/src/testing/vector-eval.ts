// Vector operations on bigints of 128 bits, by the words of the WebAssembly specification: lanes are taken apart,
// computed one by one, and put together again.

type Lanes = readonly bigint[];

const unsigned = (bits: number, v: bigint): bigint => BigInt.asUintN(bits, v);
const signed = (bits: number, v: bigint): bigint => BigInt.asIntN(bits, v);

function lanesOf(value: bigint, bits: number): bigint[] {
  return Array.from({ length: 128 / bits }, (_, i) => unsigned(bits, value >> BigInt(bits * i)));
}

export function fromLanes(lanes: Lanes, bits: number): bigint {
  return lanes.reduce((all, lane, i) => all | (unsigned(bits, lane) << BigInt(bits * i)), 0n);
}

const clamp = (v: bigint, low: bigint, high: bigint): bigint => (v < low ? low : v > high ? high : v);
const clampSigned = (bits: number, v: bigint): bigint =>
  clamp(v, -(1n << BigInt(bits - 1)), (1n << BigInt(bits - 1)) - 1n);
const clampUnsigned = (bits: number, v: bigint): bigint => clamp(v, 0n, (1n << BigInt(bits)) - 1n);

const COMPARE: Record<string, (a: bigint, b: bigint) => boolean> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  gt: (a, b) => a > b,
  le: (a, b) => a <= b,
  ge: (a, b) => a >= b,
};

/** Operations lane by lane of two, by the part of their name before the sign; operands are extended by that sign. */
const LANEWISE: Record<string, (a: bigint, b: bigint) => bigint> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  min: (a, b) => [a, b][a < b ? 0 : 1] as bigint,
  max: (a, b) => [a, b][a < b ? 1 : 0] as bigint,
  avgr: (a, b) => (a + b + 1n) >> 1n,
};

/** Lane by lane of one. */
const SINGLE: Record<string, (a: bigint) => bigint> = {
  neg: (a) => -a,
  abs: (a) => (a < 0n ? -a : a),
};

function whole(name: string, a: bigint, b: bigint, c: bigint): bigint {
  switch (name) {
    case "not":
      return ~a;
    case "and":
      return a & b;
    case "andnot":
      return a & ~b;
    case "or":
      return a | b;
    case "xor":
      return a ^ b;
    case "bitselect":
      return (a & c) | (b & ~c);
    case "any_true":
      return a === 0n ? 0n : 1n;
    default:
      throw new Error(`no meaning for v128.${name}`);
  }
}

/** Extension of narrower lanes: which of them, and as what. */
function widened(value: bigint, bits: number, name: string): bigint[] {
  const extend = name.endsWith("_s") ? signed : unsigned;
  const lanes = lanesOf(value, bits).map((lane) => extend(bits, lane));
  if (name.includes("_low_")) return lanes.slice(0, lanes.length / 2);
  return name.includes("_high_") ? lanes.slice(lanes.length / 2) : lanes;
}

const pairs = (lanes: Lanes): bigint[] =>
  Array.from({ length: lanes.length / 2 }, (_, i) => (lanes[2 * i] as bigint) + (lanes[2 * i + 1] as bigint));
const products = (a: Lanes, b: Lanes): bigint[] => a.map((lane, i) => lane * (b[i] as bigint));

/** An operation without immediates, by its full name. All values are unsigned. */
export function evaluateVector(fullName: string, a: bigint, b: bigint, c: bigint): bigint {
  const [shape, name] = fullName.split(".") as [string, string];
  if (shape === "v128") return whole(name, a, b, c);
  const bits = Number(/^i(\d+)/.exec(shape)?.[1]);
  const lanes = lanesOf(a, bits);
  const others = lanesOf(b, bits);
  const narrower = bits / 2;
  const put = (list: Lanes): bigint => fromLanes(list, bits);
  switch (name) {
    case "splat":
      return put(Array<bigint>(128 / bits).fill(a));
    case "swizzle":
      return put(others.map((i) => (i < 16n ? (lanes[Number(i)] as bigint) : 0n)));
    case "popcnt":
      return put(lanes.map((lane) => BigInt(lane.toString(2).replaceAll("0", "").length)));
    case "all_true":
      return lanes.includes(0n) ? 0n : 1n;
    case "bitmask":
      return lanes.reduce((mask, lane, i) => mask | ((lane >> BigInt(bits - 1)) << BigInt(i)), 0n);
    case "q15mulr_sat_s":
      return put(
        products(
          lanes.map((v) => signed(16, v)),
          others.map((v) => signed(16, v)),
        ).map((v) => clampSigned(16, (v + 0x4000n) >> 15n)),
      );
    case "dot_i16x8_s":
      return put(pairs(products(widened(a, 16, "_s"), widened(b, 16, "_s"))));
    case "shl":
      return put(lanes.map((lane) => lane << (b % BigInt(bits))));
    case "shr_u":
      return put(lanes.map((lane) => lane >> (b % BigInt(bits))));
    case "shr_s":
      return put(lanes.map((lane) => signed(bits, lane) >> (b % BigInt(bits))));
  }
  if (name.startsWith("extadd_pairwise")) return put(pairs(widened(a, narrower, name)));
  if (name.startsWith("extmul")) return put(products(widened(a, narrower, name), widened(b, narrower, name)));
  if (name.startsWith("extend")) return put(widened(a, narrower, name));
  if (name.startsWith("narrow")) {
    const limit = name.endsWith("_s") ? clampSigned : clampUnsigned;
    const wide = [...lanesOf(a, 2 * bits), ...lanesOf(b, 2 * bits)];
    return put(wide.map((lane) => limit(bits, signed(2 * bits, lane))));
  }
  const single = SINGLE[name];
  if (single !== undefined) return put(lanes.map((lane) => single(signed(bits, lane))));
  const [, operation, saturates, sign] = /^([a-z]+)(_sat)?(_s|_u)?$/.exec(name) as unknown as string[];
  const extend = sign === "_s" ? signed : unsigned;
  const [x, y] = [lanes.map((v) => extend(bits, v)), others.map((v) => extend(bits, v))];
  const compare = COMPARE[operation as string];
  if (compare !== undefined) return put(x.map((v, i) => (compare(v, y[i] as bigint) ? -1n : 0n)));
  const lanewise = LANEWISE[operation as string];
  if (lanewise === undefined) throw new Error(`no meaning for ${fullName}`);
  const results = x.map((v, i) => lanewise(v, y[i] as bigint));
  if (saturates === undefined) return put(results);
  return put(results.map((v) => (sign === "_s" ? clampSigned(bits, v) : clampUnsigned(bits, v))));
}

/** One lane, extended by the sign if the name says so. */
export function evaluateExtract(name: string, a: bigint, lane: number): bigint {
  const bits = Number(/^i(\d+)/.exec(name)?.[1]);
  const value = lanesOf(a, bits)[lane] as bigint;
  return name.endsWith("_s") ? signed(bits, value) : value;
}

export function evaluateReplace(name: string, a: bigint, value: bigint, lane: number): bigint {
  const bits = Number(/^i(\d+)/.exec(name)?.[1]);
  return fromLanes(lanesOf(a, bits).with(lane, value), bits);
}

export function evaluateShuffle(a: bigint, b: bigint, lanes: ArrayLike<number>): bigint {
  const all = [...lanesOf(a, 8), ...lanesOf(b, 8)];
  return fromLanes(
    Array.from(lanes, (lane) => all[lane] as bigint),
    8,
  );
}
