import { type Shortcuts, wasm } from "@hypercraft/engine";
import { QUICK_TIMESTAMP, TIMESTAMP_FIELDS } from "./timestamp.js";

const { i32, i64, f64, ret, when } = wasm;

/** RDTSC and RDTSCP where nothing stands in their way and time is not made of instructions. */
export const TIMESTAMP_SHORTCUTS: Shortcuts = {
  list: [
    { name: "timestamp", fields: [TIMESTAMP_FIELDS.lo, TIMESTAMP_FIELDS.hi] },
    { name: "timestampAndProcessor", fields: Object.values(TIMESTAMP_FIELDS) },
  ],
  emit(module, state, ask) {
    return [false, true].map((withProcessor) => {
      const f = module.func("timestamp", ["i32", "i64", "i64"], "i32");
      const ticks = f.local("f64");
      const counter = f.local("i64");
      const at = ({ offset }: { readonly offset: number }): number => state + offset;
      const { lo, hi, processor, ownProcessor } = TIMESTAMP_FIELDS;
      return f.body(
        ticks.set(ask.call(withProcessor ? QUICK_TIMESTAMP.withProcessor : QUICK_TIMESTAMP.plain)),
        when(f64.lt(ticks, 0), [ret(i32.const(0))]),
        counter.set(i64.trunc_f64_s(ticks)),
        i64.store(0, i64.and(counter, 0xffff_ffffn), at(lo)),
        i64.store(0, i64.shr_u(counter, 32n), at(hi)),
        ...(withProcessor ? [i64.store(0, i64.load32_u(0, at(ownProcessor)), at(processor))] : []),
        i32.const(1),
      );
    });
  },
};
