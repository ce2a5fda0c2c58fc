/** What the boards have in common; each is in a module of its own. */

export { BoardHost, type BoardHostOptions, type HostedMachine, type MachineRoom } from "./common/host.js";
export type {
  BoardMachine,
  BoardVCpu,
  MachineEnd,
  MachineRunOptions,
  MachineStatistics,
} from "./common/machine.js";
export type { BoardOptions, HostParts, NamedBytes } from "./common/options.js";
