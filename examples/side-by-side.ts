// Two guests side by side on one host and one terminal: a board for each, their lines marked with their names.
import { embeddedGuest } from "@hypercraft/embedded-guest";
import { ConsoleMux, DeterministicClock } from "@hypercraft/machine";
import { createArmVirt } from "@hypercraft/machine/boards/arm-virt";
import { BoardHost } from "@hypercraft/machine/boards/common";
import { createRiscvVirt } from "@hypercraft/machine/boards/riscv-virt";

const decoder = new TextDecoder();
let screen = "";
const terminal = new ConsoleMux({
  write: (bytes) => {
    screen += decoder.decode(bytes, { stream: true });
  },
});

const memory = 16 << 20; // bytes
const host = new BoardHost({ machines: [{ memory }, { memory }] });
const options = (architecture: "riscv64" | "aarch64") => ({
  host,
  memory,
  name: architecture,
  kernel: { name: "embedded guest", bytes: embeddedGuest(architecture) },
  console: terminal.add(architecture),
  clock: new DeterministicClock(10), // one for each: time passes for each by its own instructions
});
await createRiscvVirt(options("riscv64"));
await createArmVirt(options("aarch64"));

// What is typed goes to the guest in focus.
terminal.input("run hello\rpoweroff\r");
terminal.focusNext();
terminal.input("run hello\rpoweroff\r");

const ends = await host.run();
console.log(screen.replaceAll("\r", ""));
for (const [machine, end] of ends) {
  console.log(machine.name, end);
  machine.close(); // others may have its place now
}
