import type { Node } from "../../ir/node.js";
import { Op, RMW_NAMES, type RmwName } from "../../ir/ops.js";
import { ENGINE_STATE as E } from "../../state/layout.js";
import { W } from "../function-writer.js";
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
  const host = values.temporary("i32");
  const old = values.temporary("i64");
  probe.pushHost();
  w.tee(host);
  w.memory(n.size === 4 ? W.i64Load32S : W.i64Load, 0);
  w.set(old);
  const atomic = { emission, values, n, host, old };
  if (n.op === Op.rmw) writeReadModifyWrite(atomic);
  else if (n.op === Op.cas) writeCompareAndSwap(atomic);
  else if (n.op === Op.loadReserved) writeReservation(atomic);
  else writeStoreConditional(atomic);
  n.slot = old;
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

/** Push an operand in the form that memory's value has: 32 bits sign-extended. */
function pushNarrow({ emission: { w }, values, n }: Atomic, value: Node): void {
  values.push(value);
  if (n.size === 4) w.op(W.extend32S);
}

const storeCode = (n: Node): number => (n.size === 4 ? W.i64Store32 : W.i64Store);

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
  } else {
    both();
    w.op(DIRECT[name] as number);
  }
}
