import type { Value } from "@hypercraft/engine";
import { Helper } from "../cpu/helper-ids.js";
import { V } from "../cpu/state.js";
import { type A64Builder, a64 } from "./lifter.js";

// What the instructions on the floating-point and Advanced SIMD registers share.

/** The fields such encodings may have. */
export interface VectorFields {
  readonly vd: number;
  readonly vn: number;
  readonly vm: number;
  readonly q: number;
  readonly vsize: number;
  readonly vbt: number;
  readonly vht: number;
  readonly vst: number;
  readonly vdt: number;
  readonly vqt: number;
  readonly vst2: number;
  readonly vdt2: number;
  readonly vqt2: number;
  readonly xnSp: number;
  readonly rm: number;
  readonly option: number;
  readonly scaled: number;
  readonly disp: number;
  readonly sdisp: number;
  readonly idisp: number;
  readonly offset: number;
  readonly xn: number;
  readonly wn: number;
  readonly xd: number;
  readonly wd: number;
  readonly imm5: number;
  readonly imm4: number;
  readonly immhb: number;
  readonly vsn: number;
  readonly vdn: number;
  readonly vsm: number;
  readonly vdm: number;
  readonly vsa: number;
  readonly vda: number;
  readonly immHigh: number;
  readonly immLow: number;
  readonly immShift: number;
  readonly upperN: number;
  readonly upperD: number;
  readonly cond: number;
}

/** Another text, and where it is used. */
type Alias = readonly [text: string, where: string];

export type VectorLift = (b: A64Builder, o: VectorFields) => void;

/** What the types of the declarations see of an encoding with `VectorFields`. */
type Pattern =
  "vd:1 vn:1 vm:1 q:1 vsize:1 vbt:1 vht:1 vst:1 vdt:1 vqt:1 vst2:1 vdt2:1 vqt2:1 xnSp:1 rm:1 option:1 scaled:1 disp:1 sdisp:1 idisp:1 offset:1 xn:1 wn:1 xd:1 wd:1 imm5:1 imm4:1 immhb:1 vsn:1 vdn:1 vsm:1 vdm:1 vsa:1 vda:1 immHigh:1 immLow:1 immShift:1 upperN:1 upperD:1 cond:1";

/** Declares instructions that trap where the access of these registers does. */
export function vectorInstructions(...features: readonly string[]) {
  const { insn } = a64(...features);
  return (
    pattern: string,
    text: string,
    lift: VectorLift,
    options: { readonly name: string; readonly where?: string; readonly aliases?: readonly Alias[] },
  ) =>
    insn(
      pattern as Pattern,
      text,
      (b, o) => {
        if (b.mode.fpTrapped) b.callAndDispatch(Helper.fpTrap);
        else lift(b, o as VectorFields);
      },
      options,
    );
}

/** All of a vector register. */
export const vector = (b: A64Builder, index: number): Value => b.ir.get(V[index]!);

export const setVector = (b: A64Builder, index: number, value: Value): void => b.ir.set(V[index]!, value);

/** The low half of a vector register. */
export const low64 = (b: A64Builder, index: number): Value => b.ir.i64x2.extract_lane(vector(b, index), 0);

export const zeroVector = (b: A64Builder): Value => b.ir.v128.const(0, 0, 0, 0);

/** Write an i64 to the low half; the rest becomes zero. */
export function setLow64(b: A64Builder, index: number, value: Value): void {
  setVector(b, index, b.ir.i64x2.replace_lane(zeroVector(b), 0, value));
}

/** Write a result of 64 (q = 0: the low half) or 128 bits. */
export function setArranged(b: A64Builder, q: number, index: number, value: Value): void {
  setVector(b, index, q === 1 ? value : b.ir.v128.and(value, b.ir.v128.const(-1, -1, 0, 0)));
}
