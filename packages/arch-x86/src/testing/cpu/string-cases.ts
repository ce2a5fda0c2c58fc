import type { SystemCase } from "./programs/case.js";
import { one, user } from "./system-programs.js";

// String instructions.

const STRINGS = [
  "rep movsb",
  "rep movsw",
  "rep movsl",
  "movsb",
  "rep stosl",
  "rep lodsb",
  "lodsw",
  "repe cmpsb",
  "repne cmpsb",
  "repne scasb",
  "repe scasw",
  "cmpsl",
  "scasb",
  "stosw",
];

const prepared = (direction: string) =>
  `mov $data + 64, %esi\nmov $data + 96, %edi\nmov $5, %ecx\nmovl $0x04030201, data + 64\nmovl $0x04030200, data + 96\n${direction}\n`;
const memoryStrings = STRINGS.flatMap((text) =>
  ["cld", "std"].map((direction) =>
    one(
      `${direction}, ${text}`,
      `${prepared(direction)}${text}\nmov data + 96, %ebx\nmov data + 92, %edx\nint $0x30`,
    ),
  ),
);

const portStrings: readonly SystemCase[] = [
  one(
    "rep outsb",
    `mov $0x3f8, %dx\nmov $8, %ecx\nmov $1f, %esi\nrep outsb\nint $0x30\n.section .rodata\n1: .ascii "abcdefgh"\n.text`,
  ),
  one(
    "outsb",
    `mov $0x3f8, %dx\nmov $1f, %esi\noutsb\noutsb\noutsb\noutsb\nint $0x30\n.section .rodata\n1: .ascii "abcdefgh"\n.text`,
  ),
  one(
    "rep insb",
    `mov $0x300, %dx\nmov $3, %ecx\nmov $data, %edi\nmovl $0, data\nrep insb\nmov data, %eax\nint $0x30`,
  ),
  one("insl, backwards", `mov $0x300, %dx\nmov $data, %edi\nstd\ninsl\nint $0x30`),
  user("rep insb", `mov $0x70, %dx\nmov $3, %ecx\nmov $data, %edi\nrep insb\nint $0x30`),
];

export const strings = [...memoryStrings, ...portStrings];

/** In 64-bit mode: what reaches the end of memory stops there, and says how far it came. */
const END = 64 << 20;
const forwards = ["cld"];
export const interrupted = [
  "rep movsb",
  "rep movsw",
  "rep stosl",
  "rep stosq",
  "rep lodsb",
  "repe cmpsb",
  "repne scasb",
  "rep movsq",
].flatMap((text) =>
  (text.includes("cmps") ? forwards : ["cld", "std"]).map((direction) => {
    const [from, to] = direction === "cld" ? [END - 37, END - 21] : [END + 8, END + 3];
    return one(
      `${direction}, ${text}`,
      `mov $${from}, %rsi\nmov $${to}, %rdi\nmov $64, %ecx\nmov $0, %al\n${direction}\n${text}`,
    );
  }),
);
