import type { Node } from "../ir/node.js";
import type { FloatContext } from "./float.js";

/** A faster way to an operation's exact result and flags than the call it may fall back to. */
export type FastFloat = (context: FloatContext, n: Node, call: () => void) => void;

/** By number of the function in `SOFT_FUNCTIONS`. */
export const FAST_FLOATS: (FastFloat | undefined)[] = [];
