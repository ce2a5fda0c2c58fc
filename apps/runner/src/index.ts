/** The command line as a function, and the guest images it can get; everything else is the libraries'. */
export * from "./guests/index.js";
export type { CliIo, InputStream, OutputStream, ProcessEvents } from "./io.js";
export { ARCHITECTURES, type Architecture, type ArchitectureTable } from "./machine/architectures.js";
export type {
  Board,
  Machine,
  MachineEnd,
  MachineHost,
  MachineParts,
  MachineStatistics,
} from "./machine/contract.js";
export { main, runProcess } from "./main.js";
