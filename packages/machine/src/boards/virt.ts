/** What the boards laid out like QEMU's `virt` machines have in common; each is in a module of its own. */
export type {
  BoardVCpu,
  MachineEnd,
  MachineRunOptions,
  MachineStatistics,
  VirtMachine,
} from "./virt/machine.js";
export type { NamedBytes, VirtHost, VirtOptions } from "./virt/options.js";
