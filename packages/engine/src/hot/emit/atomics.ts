import type { AtomicSize, Node } from "../../ir/node.js";
import { Op, RMW_NAMES, type RmwName } from "../../ir/ops.js";
import { ENGINE_STATE as E } from "../../state/layout.js";
import { VECTOR_OPERATIONS } from "../../wasm/vectors.js";
import { type FunctionWriter, W } from "../function-writer.js";
import type { RegionBlock } from "../region.js";
import type { Emission } from "./emission.js";
import type { TlbProbe } from "./tlb-probe.js";
import type { Values } from "./values.js";

/** An atomic access being written. */
interface Atomic {
  readonly emission: Emission;
  readonly values: Values;
  readonly n: Node;
  /** Locals: host address and the value that was there. */
  readonly host: number;
  readonly old: number;
}

/** Regions run while no other core does: an atomic access is a load and a store. */
export function writeAtomic(
  emission: Emission,
  values: Values,
  probe: TlbProbe,
  block: RegionBlock,
  n: Node,
): void {
  const { w } = emission;
  probe.translate(block, n);
  if (n.size === 16) return writeWide(emission, values, probe, n);
  const host = values.temporary("i32");
  const old = values.temporary("i64");
  probe.pushHost();
  w.tee(host);
  const signed = isSigned(n);
  w.memory(signed ? LOAD_SIGNED[sizeOf(n)] : LOAD_UNSIGNED[sizeOf(n)], 0);
  w.set(old);
  const atomic = { emission, values, n, host, old };
  if (n.op === Op.rmw) writeReadModifyWrite(atomic);
  else if (n.op === Op.cas) writeCompareAndSwap(atomic);
  else if (n.op === Op.loadReserved) writeReservation(atomic);
  else writeStoreConditional(atomic);
  if (signed && !n.signed && n.op !== Op.storeConditional && n.size < 8) {
    w.get(old);
    zeroExtend(w, n.size);
    w.set(old);
  }
  n.slot = old;
}

/** The same of 16 bytes. */
function writeWide(emission: Emission, values: Values, probe: TlbProbe, n: Node): void {
  const { w, plan } = emission;
  const host = values.temporary("i32");
  probe.pushHost();
  w.set(host);
  if (n.op === Op.storeConditional) return writeWideConditional(emission, values, n, host);
  const old = values.temporary("v128");
  w.get(host);
  w.memory(W.v128Load, 0);
  w.set(old);
  if (n.op === Op.cas) {
    w.get(old);
    values.push(n.b as Node);
    w.vector(VECTOR_OPERATIONS.v128.xor.code);
    w.vector(VECTOR_OPERATIONS.v128.any_true.code);
    w.op(W.i32Eqz);
    w.open(W.if);
    w.get(host);
    values.push(n.c as Node);
    w.memory(W.v128Store, 0);
    w.close();
  } else {
    w.i32(0);
    w.get(host);
    w.op(W.extendU);
    w.memory(W.i64Store, plan.state + E.reservation);
    for (const [half, offset] of RESERVED_HALVES) {
      w.i32(0);
      w.get(host);
      w.memory(W.i64Load, half);
      w.memory(W.i64Store, plan.state + offset);
    }
  }
  n.slot = old;
}

const RESERVED_HALVES = [
  [0, E.reservedValue],
  [8, E.reservedHigh],
] as const;

function writeWideConditional({ w, plan }: Emission, values: Values, n: Node, host: number): void {
  const failed = values.temporary("i64");
  w.i64(1, 0);
  w.set(failed);
  w.load(W.i64Load, plan.state + E.reservation);
  w.get(host);
  w.op(W.extendU);
  w.op(W.i64Eq);
  for (const [half, offset] of RESERVED_HALVES) {
    w.load(W.i64Load, plan.state + offset);
    w.get(host);
    w.memory(W.i64Load, half);
    w.op(W.i64Eq);
    w.op(W.i32And);
  }
  w.open(W.if);
  w.get(host);
  values.push(n.b as Node);
  w.memory(W.v128Store, 0);
  w.i64(0, 0);
  w.set(failed);
  w.close();
  w.i32(0);
  w.i64(-1, -1);
  w.memory(W.i64Store, plan.state + E.reservation);
  n.slot = failed;
}

/**
 * How memory's value and what it is compared with are extended. Signed comparisons need the sign; a reservation has
 * one form whatever the load gives, since cold code may look at it.
 */
function isSigned(n: Node): boolean {
  if (n.op === Op.loadReserved || n.op === Op.storeConditional) return true;
  const name = n.op === Op.rmw ? RMW_NAMES[n.sub] : undefined;
  return n.signed || name === "min_s" || name === "max_s";
}

function zeroExtend(w: FunctionWriter, size: number): void {
  w.i64(size === 4 ? -1 : size === 2 ? 0xffff : 0xff, 0);
  w.op(W.i64And);
}

function writeReadModifyWrite(atomic: Atomic): void {
  const { emission, values, n, host } = atomic;
  const { w } = emission;
  const operand = values.temporary("i64");
  pushNarrow(atomic, n.b as Node);
  w.set(operand);
  w.get(host);
  combine(atomic, RMW_NAMES[n.sub] as RmwName, operand);
  w.memory(storeCode(n), 0);
}

function writeCompareAndSwap(atomic: Atomic): void {
  const { emission, values, n, host, old } = atomic;
  const { w } = emission;
  w.get(old);
  pushNarrow(atomic, n.b as Node);
  w.op(W.i64Eq);
  w.open(W.if);
  w.get(host);
  values.push(n.c as Node);
  w.memory(storeCode(n), 0);
  w.close();
}

function writeReservation({ emission: { w, plan }, host, old }: Atomic): void {
  w.i32(0);
  w.get(host);
  w.op(W.extendU);
  w.memory(W.i64Store, plan.state + E.reservation);
  w.store(W.i64Store, plan.state + E.reservedValue, old);
}

/** The address and the value must be those of the load-reserved. */
function writeStoreConditional({ emission: { w, plan }, values, n, host, old }: Atomic): void {
  w.load(W.i64Load, plan.state + E.reservation);
  w.get(host);
  w.op(W.extendU);
  w.op(W.i64Eq);
  w.load(W.i64Load, plan.state + E.reservedValue);
  w.get(old);
  w.op(W.i64Eq);
  w.op(W.i32And);
  w.open(W.if);
  w.get(host);
  values.push(n.b as Node);
  w.memory(storeCode(n), 0);
  w.i64(0, 0);
  w.set(old);
  w.else();
  w.i64(1, 0);
  w.set(old);
  w.close();
  w.i32(0);
  w.i64(-1, -1);
  w.memory(W.i64Store, plan.state + E.reservation);
}

/** Push an operand in the form that memory's value has. */
function pushNarrow({ emission: { w }, values, n }: Atomic, value: Node): void {
  values.push(value);
  const size = sizeOf(n);
  if (size === 8) return;
  if (isSigned(n)) w.op(EXTEND[size]);
  else zeroExtend(w, size);
}

const sizeOf = (n: Node): AtomicSize => n.size as AtomicSize;

const LOAD_SIGNED = { 1: W.i64Load8S, 2: W.i64Load16S, 4: W.i64Load32S, 8: W.i64Load } as const;
const LOAD_UNSIGNED = { 1: W.i64Load8U, 2: W.i64Load16U, 4: W.i64Load32U, 8: W.i64Load } as const;
const STORE = { 1: W.i64Store8, 2: W.i64Store16, 4: W.i64Store32, 8: W.i64Store } as const;
const EXTEND = { 1: W.extend8S, 2: W.extend16S, 4: W.extend32S } as const;

const storeCode = (n: Node): number => STORE[sizeOf(n)];

/** Operations that are one instruction, and comparisons that say whether the old value stays. */
const DIRECT: Partial<Record<RmwName, number>> = {
  add: W.i64Add,
  sub: W.i64Sub,
  and: W.i64And,
  or: W.i64Or,
  xor: W.i64Xor,
};
const PICK: Partial<Record<RmwName, number>> = {
  min_s: W.i64LtS,
  max_s: W.i64GtS,
  min_u: W.i64LtU,
  max_u: W.i64GtU,
};

/** Push what a read-modify-write stores. */
function combine({ emission: { w }, old }: Atomic, name: RmwName, operand: number): void {
  const both = (): void => {
    w.get(old);
    w.get(operand);
  };
  const pick = PICK[name];
  if (name === "xchg") {
    w.get(operand);
  } else if (pick !== undefined) {
    both();
    both();
    w.op(pick);
    w.op(W.select);
  } else if (name === "clear") {
    both();
    w.i64(-1, -1);
    w.op(W.i64Xor);
    w.op(W.i64And);
  } else {
    both();
    w.op(DIRECT[name] as number);
  }
}
