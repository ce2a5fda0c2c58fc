// The embedded guest exit by exit: what `machine.run()` does, as a loop of one's own.
import { embeddedGuest } from "@hypercraft/embedded-guest";
import { BufferConsole, type VmExitInfo } from "@hypercraft/hypercraft";
import { DeterministicClock } from "@hypercraft/machine";
import { createRiscvVirt } from "@hypercraft/machine/boards/riscv-virt";

const clock = new DeterministicClock(10);
const { vm } = await createRiscvVirt({
  kernel: { name: "embedded guest", bytes: embeddedGuest("riscv64") },
  append: "run=hello",
  memory: 16 << 20,
  console: new BufferConsole(),
  clock,
});
const vcpu = vm.vcpus.getVcpu(0);
const deadline = () => Math.min(vcpu.nextDeadline(), vm.timers.nextDeadline());
const budget = () => Math.max(1, Math.min(1_000_000, clock.instructionsUntil(deadline())));

function words(exit: VmExitInfo): string {
  const where = "gpa" in exit ? ` 0x${exit.gpa.toString(16)}` : "";
  const what = exit.kind === "mmioWrite" ? ` = 0x${exit.lo.toString(16)}` : "";
  return exit.kind + where + what;
}

for (let count = 1, ended = false; !ended; count++) {
  const before = vcpu.retired;
  const exit = vcpu.run(budget()); // the guest runs until something leaves it
  if (count <= 20) console.log(`${words(exit).padEnd(28)}${vcpu.disassemble()}`);
  ended = vm.handleExit(vcpu, exit) !== undefined; // devices and firmware answer it
  clock.retire(vcpu.retired - before);
  // Everything waits: time goes on to what happens next.
  if (vcpu.state === "Blocked") clock.advanceTo(deadline());
  vm.timers.runDue(clock.now());
  if (vcpu.state === "Blocked" && vcpu.hasWakeEvent()) vcpu.wake();
}
for (const [kind, count] of Object.entries(vm.stats.toJSON().byKind)) console.log(kind, count);
