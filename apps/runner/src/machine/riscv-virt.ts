import { describeExit, type HyperCraftHal } from "@hypercraft/hypercraft";
import {
  type AddressMapName,
  createRiscvVirt,
  type RiscvVirtHost,
  type RiscvVirtMachine,
  restoreRiscvVirt,
} from "@hypercraft/machine/boards/riscv-virt";
import type { Board, Machine, MachineHost } from "./contract.js";

/** The RISC-V board, as the command line drives any board. */
export const riscvVirtBoard: Board = {
  async create(parts) {
    const { onExit: _, onInstruction: __, map, ...options } = parts;
    const board = await createRiscvVirt({ ...options, ...boardHost(parts), map: map as AddressMapName });
    return machineOf(board, parts);
  },
  async restore(bytes, name, host) {
    return machineOf(await restoreRiscvVirt({ name, bytes }, boardHost(host)), host);
  },
};

function boardHost(given: MachineHost): RiscvVirtHost {
  const { console, clock, disks, tier, now, regionWatch, onExit } = given;
  const host = {
    ...{ console, clock, disks },
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

function machineOf(board: RiscvVirtMachine, { onInstruction }: MachineHost): Machine {
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
  };
}
