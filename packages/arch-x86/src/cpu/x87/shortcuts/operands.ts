import { wasm } from "@hypercraft/engine";
import type { Arithmetic } from "./arithmetic.js";
import { type Frame, giveUpIf } from "./frame.js";
import type { Source } from "./memory-operands.js";

// Operands of arithmetic: "destination op source".

const { i32, seq } = wasm;

/** On ST(0) and memory; without a source in memory, on ST(0) and ST(i), either of which is the destination. */
export const arithmeticOn =
  (arithmetic: Arithmetic, memory?: Source) =>
  (frame: Frame): wasm.Expr => {
    const { f } = frame;
    const [x, y] = [frame.operand(), frame.operand()];
    const place = f.local("i32");
    if (memory !== undefined)
      return seq(frame.readTop(place, x), memory(frame, y), arithmetic(frame, x, y, place));
    const other = f.local("i32");
    return seq(
      place.set(frame.place(i32.and(frame.register, frame.toRegister))),
      other.set(frame.place(i32.and(frame.register, i32.xor(frame.toRegister, -1)))),
      giveUpIf(i32.or(frame.isEmpty(place), frame.isEmpty(other))),
      frame.read(place, x),
      frame.read(other, y),
      arithmetic(frame, x, y, place),
    );
  };
