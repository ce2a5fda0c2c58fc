import { one, user } from "./system-programs.js";

// Single steps, by TF.

const TRAP = "pushf\norl $0x100, (%esp)\npopf\n";
const NO_TRAP = "\npushf\nandl $~0x100, (%esp)\npopf\nnop";
const kernelSteps = [
  ...[
    "nop",
    "inc %eax\ninc %ebx",
    "mov %ss, %eax\nmov %eax, %ss\nnop\nnop",
    "mov %ss, %eax\npush %eax\npop %ss\nnop",
  ],
  ...[
    "call 1f\n1: pop %eax",
    "jmp 1f\n1: nop",
    "mov $3, %ecx\n1: loop 1b",
    "int $0x30\nnop",
    "ud2",
    "int3",
    "push $2\npopf",
  ],
  ...[
    "mov $3, %ecx\nmov $data, %edi\nrep stosb\nnop",
    "mov $0, %ecx\nmov $data, %edi\nrep stosb\nnop",
    "xor %ecx, %ecx\ndiv %ecx",
  ],
  ...[
    "mov $2, %ecx\nmov $data, %esi\nmov $data, %edi\nrepe cmpsb\nnop",
    "pushf\npush $CODE32\npush $1f\niret\n1: nop",
    "lcall $CODE32, $1f\n1: nop",
  ],
  ...["mov %cr0, %eax\nmov %eax, %cr0\nnop", "cli\nnop"],
].map((text) => one(`step: ${text}`, TRAP + text + NO_TRAP));

const userSteps = ["inc %eax\ninc %ebx", "int $0x30\nnop", "mov $3, %ecx\n1: loop 1b", "ud2", "cli"].map(
  (text) => user(`step: ${text}`, TRAP + text + NO_TRAP),
);

export const steps = [...kernelSteps, ...userSteps];
