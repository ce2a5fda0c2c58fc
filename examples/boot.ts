// Boots the embedded guest under the hypervisor, types a command at its shell and prints what came of it.
import { embeddedGuest } from "@hypercraft/embedded-guest";
import { BufferConsole } from "@hypercraft/hypercraft";
import { DeterministicClock } from "@hypercraft/machine";
import { createRiscvVirt } from "@hypercraft/machine/boards/riscv-virt";

const terminal = new BufferConsole();
terminal.feed("run hello\rpoweroff\r");
const machine = await createRiscvVirt({
  kernel: { name: "embedded guest", bytes: embeddedGuest("riscv64") },
  memory: 16 << 20, // bytes
  console: terminal,
  clock: new DeterministicClock(10), // 10 ns an instruction; RealTimeClock for people
});
const end = await machine.run();
console.log(terminal.text().replaceAll("\r", ""));
console.log(end);
