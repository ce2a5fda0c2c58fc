import type { Field } from "../state/layout.js";
import { type IrType, Op } from "./ops.js";

/** Bytes of a data access; of 16 are loads and stores of vectors. */
export type AccessSize = 1 | 2 | 4 | 8 | 16;
/** Bytes of an atomic access of a scalar. */
export type AtomicSize = 1 | 2 | 4 | 8;

/** A state write that a pass delayed: what the field holds if the block is left at this point. */
export interface Pending {
  readonly field: Field;
  readonly value: Node;
}

/**
 * One operation and, at the same time, the value it computes. All nodes have the same shape, so
 * that the translator's inner loops stay monomorphic.
 */
export interface Node {
  op: number;
  type: IrType;
  a: Node | null;
  b: Node | null;
  c: Node | null;
  /**
   * Constant in two halves; `pc` offset; branch target; helper argument; lane; of an indirect jump, whether it is a
   * return. What it means depends on `op`.
   */
  lo: number;
  hi: number;
  field: Field | null;
  /** Vectors: an immediate of 16 bytes, four words. */
  bytes: Int32Array | null;
  /** load/store/rmw: bytes accessed. */
  size: AccessSize;
  /** load, rmw, cas, load_reserved: the result is sign-extended; probe: for writing. */
  signed: boolean;
  /** load/store: the address must be a multiple of the size. */
  aligned: boolean;
  /** rmw: operation index; fp: function name index; call: helper id; set: `OVERWRITTEN`, or 0. */
  sub: number;
  /** Index of the guest instruction within the block. */
  insn: number;
  /** Exit recipe beyond program counter and count: delayed state writes. */
  pending: readonly Pending[] | null;
  /** Scratch of the back end. */
  slot: number;
  /** How many operands of the block's nodes this value is. The builder counts, and passes keep the count right. */
  uses: number;
  /** Scratch of the back end: index of the last node that uses the value. */
  last: number;
}

/** Makes a node with nothing in it; the builder fills it in. All of them are made here, so they have one shape. */
export function blankNode(): Node {
  return {
    op: 0,
    type: "void",
    a: null,
    b: null,
    c: null,
    lo: 0,
    hi: 0,
    field: null,
    bytes: null,
    size: 8,
    signed: false,
    aligned: false,
    sub: 0,
    insn: 0,
    pending: null,
    slot: -1,
    uses: 0,
    last: -1,
  };
}

/** A translated basic block before lowering. */
export interface IrBlock {
  readonly nodes: Node[];
  /** Page offset of each guest instruction's first byte. */
  readonly offsets: number[];
  /** Page offset just past the last instruction (may exceed the page size when it crosses). */
  end: number;
  /** Fields of which writes were left to exits because later ones follow: between instructions, they may hold older values. */
  delayed?: readonly Field[];
}

/** `sub` of a state write: another one follows in the block, and in between only exits read the field. */
export const OVERWRITTEN = 1;

/** Does the block end by returning from a call? */
export const isReturn = ({ op, lo }: Node): boolean => op === Op.jumpIndirect && lo !== 0;

/** Is the value known when a block is built? Its halves are `lo` and, of an i64, `hi`. */
export const isConstant = ({ op }: Node): boolean => op === Op.const;
