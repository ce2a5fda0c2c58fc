import { RESUME } from "../../cold/micro-ops.js";
import { ENGINE_STATE as E } from "../../state/layout.js";
import type { ValType } from "../../wasm/opcodes.js";
import { W } from "../function-writer.js";
import type { Emission } from "./emission.js";

/** Give up where the budget does not last for one pass; else bring into locals what lives in them. */
export function writePrologue({ w, plan, locals }: Emission, instructions: number): void {
  w.load(W.i32Load, plan.state + E.budget);
  w.tee(locals.budget);
  w.i32(instructions);
  w.op(W.i32LtS);
  w.hint("unlikely");
  w.open(W.if);
  w.i32(plan.entryCopy);
  w.op(W.return);
  w.close();
  for (const [local, offset, code] of [
    [locals.tlb, E.tlb, W.i32Load],
    [locals.context, E.dataContext, W.i64Load],
    [locals.page, E.pcBase, W.i64Load],
  ] as const) {
    w.load(code, plan.state + offset);
    w.set(local);
  }
  w.get(locals.page);
  w.set(locals.base);
  for (const [field, local] of locals.registers) {
    w.load(loadOf(w.typeOf(local)), plan.state + field.offset);
    w.set(local);
  }
}

/** The shared exit: what lives in locals goes back to the state, and control to where the result says. */
export function writeEpilogue(emission: Emission): void {
  const { w, plan, locals } = emission;
  for (const field of locals.written) {
    const local = locals.register(field);
    w.store(storeOf(w.typeOf(local)), plan.state + field.offset, local);
  }
  w.store(W.i32Store, plan.state + E.block, locals.entry);
  w.store(W.i64Store, plan.state + E.pcBase, locals.base);
  w.store(W.i32Store, plan.state + E.budget, locals.budget);
  writeChaining(emission);
  w.get(locals.result);
}

/** A block to enter may be the entry of another region: go there without the interpreter. */
function writeChaining({ w, plan, locals }: Emission): void {
  w.get(locals.result);
  w.i32(RESUME);
  w.op(W.i32And);
  w.get(locals.result);
  w.op(W.i32Eqz);
  w.op(W.i32Or);
  w.op(W.i32Eqz);
  w.open(W.if);
  w.get(locals.result);
  w.i32(12);
  w.op(W.i32Sub);
  w.memory(W.i32Load, 0);
  w.tee(locals.entry);
  w.open(W.if);
  w.get(locals.entry);
  w.op(W.returnCallIndirect);
  w.out.u32(plan.regionType);
  w.out.u32(0);
  w.close();
  w.close();
}

const LOADS = { i32: W.i32Load, i64: W.i64Load, f32: W.i32Load, f64: W.f64Load, v128: W.v128Load } as const;
const STORES = {
  i32: W.i32Store,
  i64: W.i64Store,
  f32: W.i32Store,
  f64: W.f64Store,
  v128: W.v128Store,
} as const;
export const loadOf = (type: ValType): number => LOADS[type];
export const storeOf = (type: ValType): number => STORES[type];
