// Two guests side by side on one terminal: a board for each, run together, their lines marked with their names.
import { embeddedGuest } from "@hypercraft/embedded-guest";
import { ConsoleMux, DeterministicClock } from "@hypercraft/machine";
import { createArmVirt } from "@hypercraft/machine/boards/arm-virt";
import { createRiscvVirt } from "@hypercraft/machine/boards/riscv-virt";

const decoder = new TextDecoder();
let screen = "";
const terminal = new ConsoleMux({
  write: (bytes) => {
    screen += decoder.decode(bytes, { stream: true });
  },
});

const options = (architecture: "riscv64" | "aarch64") => ({
  kernel: { name: "embedded guest", bytes: embeddedGuest(architecture) },
  memory: 16 << 20, // bytes
  console: terminal.add(architecture),
  clock: new DeterministicClock(10), // one for each: time passes for each by its own instructions
});
const machines = [await createRiscvVirt(options("riscv64")), await createArmVirt(options("aarch64"))];

// What is typed goes to the guest in focus.
terminal.input("run hello\rpoweroff\r");
terminal.focusNext();
terminal.input("run hello\rpoweroff\r");

const ends = await Promise.all(machines.map((machine) => machine.run()));
console.log(screen.replaceAll("\r", ""));
console.log(ends);
