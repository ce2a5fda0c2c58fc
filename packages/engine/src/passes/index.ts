import type { IrBlock } from "../ir/node.js";
import { removeDeadWrites } from "./dead-writes.js";

// What needs to know only the code before it - forwarding (forward.ts) and folding (fold.ts) - is done while the
// builder builds, which is much cheaper than walking the block again.

/** The passes of a finished block, in order. Each leaves valid IR; tests run the verifier after each. */
export const PASSES: readonly { readonly name: string; readonly run: (block: IrBlock) => void }[] = [
  { name: "dead-writes", run: removeDeadWrites },
];

export function runPasses(block: IrBlock): void {
  for (const pass of PASSES) pass.run(block);
}
