import { ApicBus, IoApic, localApicPage } from "@hypercraft/arch-x86";
import { ept } from "@hypercraft/guest-page-table";
import { writeAcpiTables } from "../acpi/tables.js";
import { A20Gate } from "../devices/a20-gate.js";
import { CoprocessorError } from "../devices/coprocessor-error.js";
import { Pic } from "../devices/i8259.js";
import type { PciHost } from "../devices/pci/host.js";
import { SeededEntropy } from "../devices/seeded-entropy.js";
import { X86_64 } from "../loaders/architecture.js";
import { type PcKernel, readPcKernel } from "../loaders/pc/kernel.js";
import { MemoryType, pcMemoryMap } from "../loaders/pc/memory-map.js";
import { romRange } from "../loaders/pc/rom.js";
import { assembleBoard, restoreBoard } from "./common/assemble.js";
import type { NamedBytes } from "./common/options.js";
import { accessor } from "./common/vcpus.js";
import { ACPI_TABLES, acpiDescription } from "./pc/acpi.js";
import { PC_MAP, PINS, pcRam, splitRam } from "./pc/address-map.js";
import { BIOS_ROM_SIZE, biosRom, startLegacyInterrupts } from "./pc/bios.js";
import { type PcStart, planBoot } from "./pc/boot.js";
import { type BoardCpus, bareCpus, guestCpus, type PcVCpu } from "./pc/cpus.js";
import { addDevices } from "./pc/devices.js";
import { pcInterrupts } from "./pc/interrupts.js";
import { PcMachine } from "./pc/machine.js";
import { writeMpTable } from "./pc/mp-table.js";
import type { PcHost, PcOptions } from "./pc/options.js";
import { startPci } from "./pc/pci.js";

export type { MachineEnd, MachineRunOptions, MachineStatistics } from "./common/machine.js";
export type { NamedBytes } from "./common/options.js";
export { PC_MAP } from "./pc/address-map.js";
export { PcMachine } from "./pc/machine.js";
export type { PcHost, PcOptions } from "./pc/options.js";

const NAME = "pc";

/**
 * A PC, its images loaded and its bootstrap processor at its first instruction; the others wait for start-up IPIs.
 * Throws MachineError or HyperError with one line that names what was wrong.
 */
export async function createPc(options: PcOptions): Promise<PcMachine> {
  const { kernel: file, ...rest } = options;
  const { firmware } = options;
  const kernel =
    file && options.guestBios === undefined ? await readPcKernel(file.bytes, file.name) : undefined;
  const virtio = options.virtio ?? defaultVirtio(kernel);
  const given = { ...rest, virtio };
  const rom = romRange(
    firmware?.name ?? "the BIOS",
    firmware?.bytes.length ?? options.romSize ?? BIOS_ROM_SIZE,
  );
  const apicBus = new ApicBus();
  // The 8259s are behind the bootstrap processor's LINT0.
  const pic = new Pic({ output: { set: (level) => cpus?.apics[0]?.lint(0).set(level) } });
  const ioApic = new IoApic({ bus: apicBus, pins: PINS });
  const interrupts = pcInterrupts(ioApic, pic);
  // A stream of its own, unlike the entropy device's.
  const entropy = new SeededEntropy((options.seed ?? 1) + 0.5);
  let cpus: BoardCpus | undefined;
  const resetProcessors = () => {
    // The reset vector is where the line is high.
    a20.set(true);
    apicBus.init();
  };
  let pci: PciHost;
  const a20 = new A20Gate((open) => {
    for (const { cpu } of cpus?.vcpus ?? []) cpu.line20.mask(!open);
  });
  const coprocessor = new CoprocessorError({
    irq: interrupts.line(PC_MAP.irqs.coprocessor),
    onIgnore() {
      for (const { cpu } of cpus!.vcpus) cpu.floatErrors.ignore();
    },
  });

  return assembleBoard<PcVCpu, PcMachine, PcStart>(given, {
    name: NAME,
    architecture: X86_64,
    ram: pcRam,
    extraMemory: rom.size,
    virtioVersion: PC_MAP.virtio.version,
    secondStage: ept,
    cpuName: "cpu",
    config: { romSize: rom.size },
    addParts(builder, board) {
      builder.rom("ROM", rom.base, rom.size);
      builder.interruptController("ioapic", {
        ...PC_MAP.ioApic,
        controller: interrupts,
        firstSource: 0,
        lastSource: PINS - 1,
      });
      builder.device("lapic", PC_MAP.localApic, () => ({
        read: (...access) => page().read(...access),
        write: (...access) => page().write(...access),
      }));
      pci = addDevices(builder, board, options, {
        pic,
        apicBus,
        line: (irq) => interrupts.line(irq),
        a20,
        coprocessor,
        onInit: resetProcessors,
      });
      builder.component("a20", a20);
      builder.component("processors' entropy", entropy);
      for (let id = 0; id < board.cpus; id++) {
        builder.component(`apic${id}`, {
          state: () => ({ ...cpus!.apics[id]!.state() }) as never,
          restore: (state) => cpus!.apics[id]!.restore(state as never),
        });
      }
      const page = () => localApicPage(cpus!.apics, () => accessor(cpus!.vcpus, ({ cpu }) => cpu));
    },
    createCpus(wiring, { mode }) {
      const surroundings = { apicBus, timers: wiring.timers, legacy: pic, entropy };
      cpus = mode === "bare" ? bareCpus(wiring, surroundings) : guestCpus(wiring, surroundings);
      for (const { cpu } of cpus.vcpus) {
        cpu.floatErrors.errorRaised = () => coprocessor.raise();
        // A PC answers by INIT. Who wants that takes the table away first; of others a report says more.
        cpu.onShutdown = () => {
          if (cpu.hasInterruptTable) return false;
          resetProcessors();
          return true;
        };
      }
      return cpus;
    },
    planBoot(_kernel, parts, { memory, cpus: count }) {
      const [signature, , , features] = cpus!.vcpus[0]!.cpu.cpuid.leaf(1, 0);
      const description = acpiDescription(count);
      return planBoot(options, kernel, {
        memory: parts.ram.filter(({ readOnly }) => firmware !== undefined || !readOnly),
        map: pcMemoryMap({
          ...splitRam(memory),
          others: [{ ...PC_MAP.pci.ecam, type: MemoryType.reserved }],
        }),
        acpi: writeAcpiTables(description, ACPI_TABLES).bytes,
        mp: writeMpTable({ ...description, cpuid: { signature, features } }),
      });
    },
    start(vm, { state, afterBios = false }, { ports, memory }) {
      if (firmware === undefined) memory.write(rom.base, biosRom(rom.size));
      for (const { vcpuId } of vm.vcpus) vm.initVcpu(vcpuId, "on");
      // What comes after firmware finds the 8259 behind the local APIC.
      if (state.kind !== "reset") {
        cpus!.apics[0]!.enterVirtualWireMode();
        startPci(pci, ports);
      }
      if (afterBios) startLegacyInterrupts(ports);
      for (const vcpu of cpus!.vcpus) vcpu.start(vcpu.vcpuId === 0 ? state : { kind: "waiting" });
    },
    machine: (parts) => new PcMachine(parts),
  });
}

/**
 * A machine as `PcMachine.save` saved it, given the same disks and extensions. `clock` is set to the saved time.
 * Throws MachineError for a file that is no snapshot of this board.
 */
export async function restorePc(file: NamedBytes, host: PcHost): Promise<PcMachine> {
  return restoreBoard(NAME, createPc, file, host);
}

/** Kernels that are handed ACPI's tables find devices wherever these say; firmware and others look on PCI, as on any PC. */
function defaultVirtio(kernel: PcKernel | undefined): "mmio" | "pci" {
  return kernel?.format === "bzImage" || kernel?.format === "pvh" ? "mmio" : "pci";
}
