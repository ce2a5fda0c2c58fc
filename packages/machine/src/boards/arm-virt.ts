import {
  type ArmVCpu,
  type GicOptions,
  GicV2,
  GicV3,
  type PeVCpu,
  type VirtualGicOptions,
  VirtualGicV2,
  VirtualGicV3,
} from "@hypercraft/arch-arm";
import { aarch64Stage2 } from "@hypercraft/guest-page-table";
import { AARCH64 } from "../loaders/architecture.js";
import { QEMU_ARM_MAP } from "./arm-virt/address-map.js";
import { needsFlash, planBoot } from "./arm-virt/boot.js";
import { armBoardTree } from "./arm-virt/device-tree.js";
import { addDevices } from "./arm-virt/devices.js";
import { addGic } from "./arm-virt/gic.js";
import { ArmVirtMachine } from "./arm-virt/machine.js";
import type { ArmVirtHost, ArmVirtOptions } from "./arm-virt/options.js";
import {
  type BoardGic,
  type BoardPes,
  barePes,
  connectGic,
  gicOutputs,
  guestPes,
  hostBus,
  mapHostBus,
} from "./arm-virt/pes.js";
import { connectSemihosting } from "./arm-virt/semihosting.js";
import { assembleBoard, checkFirmware, restoreBoard, type TreeBoot } from "./common/assemble.js";
import { ramFrom } from "./common/memory.js";
import type { NamedBytes } from "./common/options.js";
import { accessor } from "./common/vcpus.js";

export { type ArmAddressMap, PrivateInterrupt, QEMU_ARM_MAP } from "./arm-virt/address-map.js";
export { ArmVirtMachine } from "./arm-virt/machine.js";
export type { ArmVirtHost, ArmVirtOptions } from "./arm-virt/options.js";
export type { MachineEnd, MachineRunOptions, MachineStatistics } from "./common/machine.js";
export type { NamedBytes } from "./common/options.js";

const NAME = "arm-virt";
/** What the device tree calls the CPU: the architecture, not a product. */
const CPU = "arm,armv8";
const X0 = 0;

/**
 * An AArch64 machine laid out like QEMU's `virt`, its images loaded and its first PE at its first instruction; the
 * guest starts the others by PSCI.
 * Throws MachineError or HyperError with one line that names what was wrong.
 */
export async function createArmVirt(options: ArmVirtOptions): Promise<ArmVirtMachine> {
  checkFirmware(options, "EL2");
  const map = QEMU_ARM_MAP;
  const { gic: gicVersion = 2, flash = needsFlash(options, map.flash), semihosting = false } = options;
  let pes: BoardPes | undefined;
  let gic: BoardGic;

  return assembleBoard<PeVCpu, ArmVirtMachine, TreeBoot>(options, {
    name: NAME,
    architecture: AARCH64,
    ram: ramFrom(map.ram.base),
    extraMemory: flash ? map.flash.size : 0,
    virtioVersion: map.virtio.version,
    secondStage: aarch64Stage2,
    cpuName: "cpu",
    config: { gic: gicVersion, semihosting, flash },
    addParts(builder, board) {
      const { mode, cpus } = board;
      if (flash) builder.ram("flash", map.flash.base, map.flash.size);
      const common = {
        accessor: () => accessor(pes?.vcpus, ({ pe }) => pe),
        interrupts: map.gic.lastShared + 1,
      };
      const own: VirtualGicOptions = {
        ...common,
        cpus,
        vcpu: (cpu) => pes?.vcpus[cpu] as ArmVCpu | undefined,
      };
      const outputs = Array.from({ length: cpus }, (_, cpu) => gicOutputs(() => pes?.inputs[cpu]));
      const physical: GicOptions = { ...common, cpus: outputs };
      if (gicVersion === 2) {
        const parts = mode === "vm" ? new VirtualGicV2(own) : new GicV2(physical);
        gic = parts;
        addGic(builder, { map, mode, gic: { version: 2, parts } });
      } else {
        // Guests that come after firmware expect that it has woken the redistributors.
        const awake = true;
        const parts = mode === "vm" ? new VirtualGicV3({ ...own, awake }) : new GicV3({ ...physical, awake });
        gic = parts;
        addGic(builder, { map, mode, gic: { version: 3, parts } });
      }
      addDevices(builder, board, options, map);
    },
    createCpus(wiring, board) {
      pes = board.mode === "bare" ? barePes(wiring) : guestPes(wiring, hostBus(gic, map));
      connectGic(pes.vcpus, gic);
      if (semihosting) connectSemihosting(pes.vcpus, options, board);
      return pes;
    },
    async planBoot(kernel, parts, { memory, cpus, mode }) {
      const tree = armBoardTree(parts, { map, cpus, mode, cpu: CPU, gicVersion });
      return planBoot(options, kernel, map, memory, tree);
    },
    start(vm, { entry, dtbAddress }) {
      mapHostBus(vm.guestPageTable, gic, map);
      for (const { vcpuId } of vm.vcpus) vm.initVcpu(vcpuId);
      const boot = vm.vcpus.getVcpu(vm.bootVcpuId);
      boot.setPc(BigInt(entry));
      boot.setGpr(X0, BigInt(dtbAddress));
    },
    machine: (parts) => new ArmVirtMachine(parts),
  });
}

/**
 * A machine as `ArmVirtMachine.save` saved it, given the same disks and extensions. `clock` is set to the saved
 * time. Throws MachineError for a file that is no snapshot of this board.
 */
export async function restoreArmVirt(file: NamedBytes, host: ArmVirtHost): Promise<ArmVirtMachine> {
  return restoreBoard(NAME, createArmVirt, file, host);
}
