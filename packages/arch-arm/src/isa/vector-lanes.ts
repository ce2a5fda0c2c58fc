import { Lanes as EngineLanes, type Value } from "@hypercraft/engine";
import { FPSR_QC } from "../cpu/state.js";
import type { A64Builder } from "./lifter.js";
import { setVector, vector } from "./vector-lifter.js";

/** The lanes an instruction works on, and how results get into registers. */
export class Lanes extends EngineLanes<A64Builder> {
  /** Write a result; the rest of the register becomes zero. */
  set(register: number, x: Value): void {
    setVector(this.b, register, this.cut(x));
  }

  /** The low halves of lanes of twice this size: the low half of the register, or (q = 1) the high half beside what is there. */
  setNarrow(register: number, q: number, x: Value): void {
    const { b } = this;
    const lanes = this.alternate(x, this.zero, 0);
    if (this.width < 64) this.set(register, lanes);
    else if (q === 0) setVector(b, register, lanes);
    else {
      const high = b.ir.i64x2.extract_lane(lanes, 0);
      setVector(b, register, b.ir.i64x2.replace_lane(vector(b, register), 1, high));
    }
  }

  /** Set FPSR.QC if the mask has a bit among those that count. */
  saturatedWhere(mask: Value): void {
    const { ir, i32 } = this.b;
    ir.set(FPSR_QC, i32.or(ir.get(FPSR_QC), ir.v128.any_true(this.cut(mask))));
  }
}

/** Lanes of a vector arrangement: Q says whether 64 or 128 bits. */
export const arrangedLanes = (b: A64Builder, size: number, q: number): Lanes =>
  new Lanes(b, size, q === 1 ? 128 : 64);

/** The lowest lane alone. */
export const scalarLane = (b: A64Builder, size: number): Lanes => new Lanes(b, size, 8 << size);
