/** How the interpreter goes on after JavaScript did an access or a helper. */
export const After = {
  /** Access: probe the TLB again. Helper: next micro-op. */
  again: 0,
  /** Access: it is done. */
  done: 1,
  /** Return from `run`. */
  leave: 2,
  /** The instruction is settled; go on at the state's `pc`. */
  go: 3,
} as const;
