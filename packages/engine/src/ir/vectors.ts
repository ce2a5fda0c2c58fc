import { LANE_OPERATIONS, VECTOR_OPERATION_LIST, type VECTOR_OPERATIONS } from "../wasm/vectors.js";
import type { Node } from "./node.js";
import { Op, opCode } from "./ops.js";

/** Who makes the nodes. */
export interface VectorSink {
  /** `lane`: number of a lane; `bytes`: an immediate of four words. */
  vector(
    op: number,
    a: Node | null,
    b: Node | null,
    c: Node | null,
    lane: number,
    bytes: Int32Array | null,
  ): Node;
}

type Method<T> = T extends { readonly operands: readonly [unknown, unknown, unknown] }
  ? (a: Node, b: Node, c: Node) => Node
  : T extends { readonly operands: readonly [unknown, unknown] }
    ? (a: Node, b: Node) => Node
    : (a: Node) => Node;
type Methods<S extends keyof typeof VECTOR_OPERATIONS> = {
  readonly [K in keyof (typeof VECTOR_OPERATIONS)[S]]: Method<(typeof VECTOR_OPERATIONS)[S][K]>;
};

class Shape {
  protected readonly sink: VectorSink;

  constructor(sink: VectorSink) {
    this.sink = sink;
  }

  protected lane(name: keyof typeof LANE_OPERATIONS, a: Node, value: Node | null, lane: number): Node {
    if (lane < 0 || lane >= 16 / LANE_OPERATIONS[name].bytes)
      throw new RangeError(`${name} has no lane ${lane}`);
    return this.sink.vector(opCode(name), a, value, null, lane, null);
  }
}

class Whole extends Shape {
  /** A constant: two unsigned or signed 64-bit halves, the low one first, or four 32-bit words. */
  const(...parts: readonly [lo: bigint, hi: bigint] | readonly [number, number, number, number]): Node {
    const words =
      parts.length === 4
        ? parts
        : parts.flatMap((half) => [Number(BigInt.asIntN(32, half)), Number(BigInt.asIntN(32, half >> 32n))]);
    return this.sink.vector(Op.constVector, null, null, null, 0, Int32Array.from(words));
  }
}

class Bytes extends Shape {
  extract_lane_s(a: Node, lane: number): Node {
    return this.lane("i8x16.extract_lane_s", a, null, lane);
  }
  extract_lane_u(a: Node, lane: number): Node {
    return this.lane("i8x16.extract_lane_u", a, null, lane);
  }
  /** `value`: an i32. */
  replace_lane(a: Node, lane: number, value: Node): Node {
    return this.lane("i8x16.replace_lane", a, value, lane);
  }
  /** Lane i of the result is lane `lanes[i]` of `a` and `b` side by side: 0..31. */
  shuffle(a: Node, b: Node, lanes: readonly number[]): Node {
    if (lanes.length !== 16 || lanes.some((lane) => lane < 0 || lane > 31))
      throw new RangeError("a shuffle takes 16 lanes of 0..31");
    return this.sink.vector(Op.shuffle, a, b, null, 0, new Int32Array(Uint8Array.from(lanes).buffer));
  }
}

class Halves extends Shape {
  extract_lane_s(a: Node, lane: number): Node {
    return this.lane("i16x8.extract_lane_s", a, null, lane);
  }
  extract_lane_u(a: Node, lane: number): Node {
    return this.lane("i16x8.extract_lane_u", a, null, lane);
  }
  /** `value`: an i32. */
  replace_lane(a: Node, lane: number, value: Node): Node {
    return this.lane("i16x8.replace_lane", a, value, lane);
  }
}

class Words extends Shape {
  extract_lane(a: Node, lane: number): Node {
    return this.lane("i32x4.extract_lane", a, null, lane);
  }
  /** `value`: an i32. */
  replace_lane(a: Node, lane: number, value: Node): Node {
    return this.lane("i32x4.replace_lane", a, value, lane);
  }
}

class Doubles extends Shape {
  extract_lane(a: Node, lane: number): Node {
    return this.lane("i64x2.extract_lane", a, null, lane);
  }
  /** `value`: an i64. */
  replace_lane(a: Node, lane: number, value: Node): Node {
    return this.lane("i64x2.replace_lane", a, value, lane);
  }
}

const CLASSES = { v128: Whole, i8x16: Bytes, i16x8: Halves, i32x4: Words, i64x2: Doubles } as const;

for (const [name] of VECTOR_OPERATION_LIST) {
  const [shape, method] = name.split(".") as [keyof typeof CLASSES, string];
  const op = opCode(name);
  const value = function (this: Shape & { sink: VectorSink }, a: Node, b?: Node, c?: Node): Node {
    return this.sink.vector(op, a, b ?? null, c ?? null, 0, null);
  };
  Object.defineProperty(CLASSES[shape].prototype, method, { value });
}

/** What can be done with the lanes of v128 values: names and meaning are those of WebAssembly. */
export interface VectorOperations {
  readonly v128: Whole & Methods<"v128">;
  readonly i8x16: Bytes & Methods<"i8x16">;
  readonly i16x8: Halves & Methods<"i16x8">;
  readonly i32x4: Words & Methods<"i32x4">;
  readonly i64x2: Doubles & Methods<"i64x2">;
}

export function vectorOperations(sink: VectorSink): VectorOperations {
  return {
    v128: new Whole(sink) as VectorOperations["v128"],
    i8x16: new Bytes(sink) as VectorOperations["i8x16"],
    i16x8: new Halves(sink) as VectorOperations["i16x8"],
    i32x4: new Words(sink) as VectorOperations["i32x4"],
    i64x2: new Doubles(sink) as VectorOperations["i64x2"],
  };
}
