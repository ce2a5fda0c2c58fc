/** What the boards laid out like QEMU's `virt` machines have in common; each is in a module of its own. */

export { BoardHost, type BoardHostOptions, type HostedMachine, type MachineRoom } from "./virt/host.js";
export type {
  BoardVCpu,
  MachineEnd,
  MachineRunOptions,
  MachineStatistics,
  VirtMachine,
} from "./virt/machine.js";
export type { NamedBytes, VirtHost, VirtOptions } from "./virt/options.js";
