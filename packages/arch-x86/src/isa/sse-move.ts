import { Helper } from "../cpu/helper-ids.js";
import { XMM } from "../cpu/state.js";
import type { X86Declaration } from "./declaration.js";
import { type X86Builder, x86 } from "./lifter.js";

// Moves of whole XMM registers, and of MXCSR.

const insn = x86("SSE");

const load = (b: X86Builder): void => b.ir.set(XMM[b.register(0)]!, b.vector(1));
const store = (b: X86Builder): void => b.writeVector(0, b.ir.get(XMM[b.register(1)]!));

export const sseMoves: readonly X86Declaration<X86Builder>[] = [
  insn("movups Vps, Wps", "NP 0F 10 /r", load),
  insn("movups Wps, Vps", "NP 0F 11 /r", store),
  insn("ldmxcsr Md", "NP 0F AE /2", (b) => b.callAndDispatch(Helper.loadMxcsr, 0, b.unsigned(0))),
  insn("stmxcsr Md", "NP 0F AE /3", (b) => {
    const value = b.ir.call(Helper.storeMxcsr, 0);
    b.write(0, value);
  }),
];
