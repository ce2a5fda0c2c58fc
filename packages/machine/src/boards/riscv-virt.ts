import { type HartVCpu, Plic } from "@hypercraft/arch-riscv";
import { sv39x4 } from "@hypercraft/guest-page-table";
import type { Vm } from "@hypercraft/hypercraft";
import { Htif } from "../devices/htif.js";
import { RISCV64 } from "../loaders/architecture.js";
import type { BusMemory } from "../memory/guest-memory.js";
import { assembleBoard, type BoardContext, checkFirmware, restoreBoard } from "./common/assemble.js";
import { ramFrom } from "./common/memory.js";
import type { NamedBytes } from "./common/options.js";
import { ADDRESS_MAPS, type AddressMap } from "./riscv-virt/address-map.js";
import { type BootPlan, planBoot } from "./riscv-virt/boot.js";
import { boardTree, plicNode } from "./riscv-virt/device-tree.js";
import { addDevices } from "./riscv-virt/devices.js";
import { type BoardHarts, bareHarts, guestHarts } from "./riscv-virt/harts.js";
import { RiscvVirtMachine } from "./riscv-virt/machine.js";
import type { RiscvVirtHost, RiscvVirtOptions } from "./riscv-virt/options.js";

export type { MachineEnd, MachineRunOptions, MachineStatistics } from "./common/machine.js";
export type { NamedBytes } from "./common/options.js";
export {
  ADDRESS_MAPS,
  type AddressMap,
  type AddressMapName,
  HCHYPER_MAP,
  QEMU_MAP,
} from "./riscv-virt/address-map.js";
export { RiscvVirtMachine } from "./riscv-virt/machine.js";
export type { RiscvVirtHost, RiscvVirtOptions } from "./riscv-virt/options.js";

const NAME = "riscv-virt";
const A0 = 10;
const A1 = 11;
const A2 = 12;

/**
 * A RISC-V machine laid out like QEMU's `virt`, its images loaded and its harts at their first instruction.
 * Throws MachineError or HyperError with one line that names what was wrong.
 */
export async function createRiscvVirt(options: RiscvVirtOptions): Promise<RiscvVirtMachine> {
  checkFirmware(options, "M-mode");
  const map = ADDRESS_MAPS[options.map ?? "qemu"];
  // Filled in below, before anything runs.
  let harts: BoardHarts;
  let htif: Htif | undefined;

  return assembleBoard<HartVCpu, RiscvVirtMachine, BootPlan>(options, {
    name: NAME,
    architecture: RISCV64,
    ram: ramFrom(map.ram.base),
    virtioVersion: map.virtio.version,
    secondStage: sv39x4,
    cpuName: "hart",
    config: { map: map.name },
    addParts(builder, board) {
      if (board.mode === "bare") builder.ram("boot ROM", map.mrom.base, map.mrom.size);
      builder.interruptController("plic", {
        ...map.plic,
        controller: createPlic(map, board.cpus, () => harts),
        firstSource: 1,
        lastSource: map.plic.sources,
        fdt: (context, tree) => plicNode(context, tree, map, board.cpus),
      });
      addDevices(builder, board, { options, map, harts: () => harts });
      builder.component("htif", {
        state: () => htif?.state() ?? { version: 1, wanted: 0 },
        restore: (state) => htif?.restore(state),
      });
    },
    createCpus(wiring, { mode }) {
      harts = mode === "bare" ? bareHarts(wiring) : guestHarts(wiring);
      return harts;
    },
    planBoot: (kernel, parts, { memory, cpus, mode }) =>
      planBoot(options, kernel, map, memory, boardTree(parts, { map, cpus, mode })),
    start: (vm, boot, { memory }, { mode }) => start(vm, boot, mode, map, memory),
    polled(boot, { memory }, { end }) {
      htif = createHtif(boot, memory, options, end);
      return htif;
    },
    machine: (parts) => new RiscvVirtMachine(parts),
  });
}

/**
 * A machine as `RiscvVirtMachine.save` saved it, given the same disks and extensions. `clock` is set to the
 * saved time. Throws MachineError for a file that is no snapshot of this board.
 */
export async function restoreRiscvVirt(file: NamedBytes, host: RiscvVirtHost): Promise<RiscvVirtMachine> {
  return restoreBoard(NAME, createRiscvVirt, file, host);
}

function createPlic({ plic, uart, virtio }: AddressMap, cpus: number, harts: () => BoardHarts): Plic {
  return new Plic({
    sources: plic.sources,
    perEvent: (source) => source === uart.irq || (source >= virtio.irq && source < virtio.irq + virtio.count),
    contexts: Array.from(
      { length: 2 * cpus },
      (_, context) => (level: boolean) => harts()?.contexts[context]?.(level),
    ),
  });
}

/** Berkeley test programs talk through two words of their own. */
function createHtif(
  boot: BootPlan,
  memory: BusMemory,
  { console }: RiscvVirtOptions,
  end: BoardContext["end"],
): Htif | undefined {
  const tohost = boot.elf?.symbols.get("tohost");
  if (tohost === undefined) return undefined;
  const fromhost = boot.elf?.symbols.get("fromhost");
  return new Htif({
    memory,
    tohost: Number(tohost.address),
    fromhost: fromhost && Number(fromhost.address),
    sink: console,
    onExit: (code) => end({ kind: "shutdown", failure: code !== 0, code }),
  });
}

/** Give the harts their first state: a0 hart id, a1 device tree, a2 OpenSBI's next stage. */
function start(
  vm: Vm<HartVCpu>,
  boot: BootPlan,
  mode: "vm" | "bare",
  map: AddressMap,
  memory: BusMemory,
): void {
  const dynamicInfo = boot.nextStage === undefined ? 0 : writeDynamicInfo(memory, map, boot.nextStage);
  for (const vcpu of vm.vcpus) {
    // Bare harts all start, as after a reset; under the hypervisor the guest starts the others by HSM.
    vm.initVcpu(vcpu.vcpuId, mode === "bare" || vcpu.vcpuId === 0 ? "on" : "off");
    vcpu.setPc(BigInt(boot.entry));
    vcpu.setGpr(A0, BigInt(vcpu.vcpuId));
    vcpu.setGpr(A1, BigInt(boot.dtbAddress));
    if (mode === "bare") vcpu.setGpr(A2, BigInt(dynamicInfo));
  }
}

/** OpenSBI's struct fw_dynamic_info, version 2: where and in which mode to go on. */
function writeDynamicInfo(memory: BusMemory, { mrom }: AddressMap, nextStage: number): number {
  const address = mrom.base;
  const supervisor = 1n;
  [0x4942534fn, 2n, BigInt(nextStage), supervisor, 0n, 0n].forEach((word, i) => {
    memory.writeU64(address + i * 8, word);
  });
  return address;
}
