import type { SystemCase } from "./programs/case.js";
import { longProgram } from "./programs/long.js";
import { protectedProgram } from "./programs/protected.js";

// The programs of most cases, and how a case gets to where it executes.

export const one = (name: string, code: string): SystemCase => ({ name, code });

/** Code that goes on at ring 3, with the stack `user_stack`; in 32-bit code and in 64-bit code. */
export const atRing3 = (code: string): string => `mov $user_stack, %esp\n${atRing3Of64(code)}`;
export const atRing3Of64 = (code: string): string => `mov $8f, %eax\njmp to_user\n8: ${code}\nint $0x31`;

export const user = (name: string, code: string): SystemCase => one(`user: ${name}`, atRing3(code));
export const user64 = (name: string, code: string): SystemCase => one(`user: ${name}`, atRing3Of64(code));
export const compatible = (name: string, code: string): SystemCase =>
  one(`compatible: ${name}`, `mov $8f, %eax\njmp to_compatible\n.code32\n8: ${code}\nint $0x31\n.code64`);

const EXTRA = `
  jmp 9f
  .align 4
user_bounds: .long 1, 2
user_selector: .word USER_DATA32
9:
`;

export const program = (list: readonly SystemCase[]): string => protectedProgram(list, EXTRA);

const LONG_EXTRA = `
  jmp 9f
  .align 8
pointer: .quad 0, 0
user_bounds: .long 1, 2
user_selector: .word USER_DATA32
9:
`;
export const long = (list: readonly SystemCase[]): string => longProgram(list, LONG_EXTRA);
