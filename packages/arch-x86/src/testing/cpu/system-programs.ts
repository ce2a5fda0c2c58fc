import type { SystemCase } from "./programs/case.js";
import { longProgram } from "./programs/long.js";
import { protectedProgram } from "./programs/protected.js";

// The programs of most cases, and how a case gets to where it executes.

export const one = (name: string, code: string): SystemCase => ({ name, code });
/** Code at ring 3; the stack there is `user_stack`. */
export const user = (name: string, code: string): SystemCase =>
  one(
    `user: ${name}`,
    `mov $8f, %eax
     mov %esp, kept
     mov $user_stack, %esp
     jmp user_from_esp
     8: ${code}
     int $0x31`,
  );

export const user64 = (name: string, code: string): SystemCase =>
  one(`user: ${name}`, `mov $8f, %eax\njmp to_user\n8: ${code}\nint $0x31`);
export const compatible = (name: string, code: string): SystemCase =>
  one(`compatible: ${name}`, `mov $8f, %eax\njmp to_compatible\n.code32\n8: ${code}\nint $0x31\n.code64`);

const EXTRA = `
  jmp 9f
  .align 4
kept: .long 0
user_bounds: .long 1, 2
user_selector: .word USER_DATA32
user_from_esp:
  push $USER_DATA32
  push $user_stack
  pushf
  push $USER_CODE32
  push %eax
  mov $USER_DATA32, %eax
  mov %ax, %ds
  mov %ax, %es
  mov $0x11111111, %eax
  iret
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
