import type { Shortcuts } from "../core/shortcuts.js";
import { emitSoftFloat } from "../softfloat/index.js";
import type { PageWalker } from "../walk/page-walker.js";
import { emitRefill } from "../walk/refill.js";
import { block, i32, loop, ModuleBuilder } from "../wasm/index.js";
import { addArithmeticHandlers } from "./interpreter/arithmetic.js";
import { addAtomicHandlers, emitCombine } from "./interpreter/atomics.js";
import { addSequenceHandlers, dispatch } from "./interpreter/dispatch.js";
import { addFloatHandlers, type FloatingPoint, floatFunctions } from "./interpreter/floats.js";
import { addHelperHandlers } from "./interpreter/helpers.js";
import { addJumpHandlers, enterBlock } from "./interpreter/jumps.js";
import { addLoadStoreHandlers } from "./interpreter/loads-stores.js";
import { lookUp } from "./interpreter/look-up.js";
import { type Handlers, type InterpreterPlan, Machine } from "./interpreter/machine.js";
import { emitMulHigh } from "./interpreter/mul-high.js";
import { addRegionHandler } from "./interpreter/regions.js";
import { emitShortcutCalls } from "./interpreter/shortcuts.js";
import { slowPath } from "./interpreter/slow-path.js";
import { addContextHandlers } from "./interpreter/tlb.js";
import { addVectorHandlers, emitVectors } from "./interpreter/vectors.js";

/** What an architecture adds to the interpreter. */
export interface InterpreterParts {
  readonly floatingPoint?: FloatingPoint | undefined;
  readonly pageWalker?: PageWalker | undefined;
  readonly shortcuts?: Shortcuts | undefined;
}

/**
 * The cold tier: one function `run(block)`, a loop over a br_table with a handler per micro-op.
 * Imports: `env.memory`, `env.regions` (function table), `env.access(kind)` and `env.helper(id, constant)`, which
 * answer with `After`; with shortcuts `env.ask(question)`, too, which is `GuestCpu.ask`.
 */
export function buildInterpreter(
  plan: InterpreterPlan,
  { floatingPoint, pageWalker: walker, shortcuts }: InterpreterParts = {},
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", plan.memoryPages, plan.memoryPages, plan.sharedMemory);
  const access = module.importFunction("env", "access", ["i32"], "i32");
  const helper = module.importFunction("env", "helper", ["i32", "i32"], "i32");
  // Imported functions come first.
  const ask = shortcuts && module.importFunction("env", "ask", ["i32"], "f64");
  const regions = module.importTable("env", "regions", [], "i32");
  const soft = floatingPoint && emitSoftFloat(module, floatingPoint);
  const functions = floatingPoint === undefined ? [] : floatFunctions(floatingPoint);
  const mulHigh = emitMulHigh(module);
  const refill = walker && emitRefill(module, plan, walker);
  module.export("mulh_u", mulHigh);
  if (refill !== undefined) module.export("refill", refill);

  const handlers: Handlers = new Map();
  addArithmeticHandlers(handlers, mulHigh);
  addFloatHandlers(handlers, functions);
  addLoadStoreHandlers(handlers);
  addAtomicHandlers(handlers, emitCombine(module));
  addContextHandlers(handlers);
  addHelperHandlers(
    handlers,
    helper,
    shortcuts && ask && emitShortcutCalls(module, shortcuts, plan.state, ask),
  );
  addJumpHandlers(handlers);
  addRegionHandler(handlers, module, regions);
  addVectorHandlers(handlers, emitVectors(module, plan.state));
  addSequenceHandlers(handlers);

  const run = module.func("run", ["i32"], "i32");
  const m = new Machine(plan, soft, (type) => run.local(type), run.arg(0));
  const slow = { access, refill };
  run.body(
    m.reload(),
    // `run` is given a block address: it is entered like a jump does.
    loop((entering) => {
      m.entering = entering;
      return [
        enterBlock(m),
        block((going) => {
          m.going = going;
          return [
            loop((next) => {
              m.next = next;
              return [
                block((slowStore) => [
                  block((slowLoad) => {
                    m.slowLoad = slowLoad;
                    m.slowStore = slowStore;
                    return [dispatch(m, handlers)];
                  }),
                  slowPath(m, slow, true),
                ]),
                slowPath(m, slow, false),
              ];
            }),
          ];
        }),
        lookUp(m),
      ];
    }),
    i32.const(0),
  );
  module.export("run", run);
  if (soft !== undefined) {
    // Compiled regions call the same functions and share the flags.
    module.exportGlobal("flags", soft.flags);
    if (soft.switchable) module.exportGlobal("modes", soft.modes);
    for (const fn of functions) module.export(`fp.${fn.name}`, soft.get(fn.name));
  }
  return module.encode();
}
