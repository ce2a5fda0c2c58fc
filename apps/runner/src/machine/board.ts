import { describeExit, type HyperCraftHal } from "@hypercraft/hypercraft";
import type { BoardMachine, BoardVCpu, HostParts, NamedBytes } from "@hypercraft/machine/boards/common";
import type { Board, Machine, MachineHost, MachineParts } from "./contract.js";

/** What of a machine the command line needs. */
type DrivenMachine = Pick<
  BoardMachine<BoardVCpu>,
  | "dtb"
  | "machine"
  | "run"
  | "stop"
  | "inputArrived"
  | "statistics"
  | "traceInstructions"
  | "unlistedRegions"
  | "signature"
  | "save"
  | "close"
>;

/** How a board is made, and made again from a snapshot; `O` are its options. */
interface BoardMaker<O> {
  readonly create: (options: O) => Promise<DrivenMachine>;
  readonly restore: (file: NamedBytes, host: HostParts) => Promise<DrivenMachine>;
  /** The parts of a machine as the board's options; `host` takes the place of what is the host's. */
  readonly options: (parts: Omit<MachineParts, keyof MachineHost>, host: HostParts) => O;
}

/** One of the machine package's boards, as the command line drives any board. */
export function boardOf<O>({ create, restore, options }: BoardMaker<O>): Board {
  return {
    async create({ onExit, onInstruction, ...parts }) {
      const host = { ...parts, ...(onExit && { onExit }), ...(onInstruction && { onInstruction }) };
      return machineOf(await create(options(parts, hostParts(host))), host);
    },
    restore: async (bytes, name, host) => machineOf(await restore({ name, bytes }, hostParts(host)), host),
  };
}

function hostParts(given: MachineHost): HostParts {
  const { host: shared, name, console, clock, disks, tier, now, regionWatch, onExit } = given;
  const host = {
    ...{ console, clock, disks },
    ...(shared !== undefined && { host: shared }),
    ...(name !== undefined && { name }),
    ...(tier !== undefined && { tier }),
    ...(now !== undefined && { now }),
    ...(regionWatch !== undefined && { regionWatch }),
  };
  if (onExit === undefined) return host;
  const onVmExit: HyperCraftHal["onVmExit"] = (vcpu, exit) => {
    // The end of a slice is the host's doing, not the guest's.
    if (exit.kind !== "budgetSpent")
      onExit(`cpu ${vcpu.vcpuId} pc 0x${vcpu.getPc().toString(16)} ${describeExit(exit)}`);
    return undefined;
  };
  return { ...host, onVmExit };
}

function machineOf(board: DrivenMachine, { onInstruction }: MachineHost): Machine {
  if (onInstruction !== undefined) board.traceInstructions(onInstruction);
  return {
    dtb: board.dtb,
    run: (limits) => board.run({ ...limits, onIdle: "stop" }),
    stop: () => board.stop(),
    inputArrived: () => board.inputArrived(),
    unreadInput() {
      const bytes = board.machine.components.get("input")?.state().bytes;
      return bytes instanceof Uint8Array ? bytes : new Uint8Array(0);
    },
    statistics: () => board.statistics(),
    unlistedRegions: () => board.unlistedRegions(),
    signature: () => board.signature(),
    save: () => board.save(),
    close: () => board.close(),
  };
}
