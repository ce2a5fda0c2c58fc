import type { IrBlock } from "../ir/node.js";
import { removeDeadWrites } from "./dead-writes.js";
import { foldConstants } from "./fold.js";
import { forwardState } from "./forward.js";

/** The passes of a block, in order. Each leaves valid IR; tests run the verifier after each. */
export const PASSES: readonly { readonly name: string; readonly run: (block: IrBlock) => void }[] = [
  { name: "forward", run: forwardState },
  { name: "fold", run: foldConstants },
  { name: "dead-writes", run: removeDeadWrites },
];

export function runPasses(block: IrBlock): void {
  for (const pass of PASSES) pass.run(block);
}
