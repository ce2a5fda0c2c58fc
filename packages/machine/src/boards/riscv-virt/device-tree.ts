import { isaStrings } from "@hypercraft/arch-riscv";
import { clintInterrupts } from "../../devices/clint.js";
import type { Device } from "../../devices/device.js";
import { addressCells, FdtNode } from "../../fdt/node.js";
import { DeviceTree } from "../../fdt/tree.js";
import type { AddressMap } from "./address-map.js";

const TIMEBASE_HZ = 10_000_000;
/** PLIC interrupt inputs of a hart: machine and supervisor external. */
const MACHINE_EXTERNAL = 11;
const SUPERVISOR_EXTERNAL = 9;
const CELLS = { addressCells: 2, sizeCells: 2 } as const;

/** A device on the board, as its node needs it. */
export interface PlacedDevice {
  readonly device: Device;
  readonly base: number;
  readonly size: number;
  readonly irq?: number;
}

export interface DeviceTreeOptions {
  readonly map: AddressMap;
  readonly memory: number;
  readonly cpus: number;
  /** Guests of a hypervisor see neither M-mode's timer nor the H extension. */
  readonly mode: "vm" | "bare";
  readonly devices: readonly PlacedDevice[];
  readonly clint: Device | undefined;
}

/** The board's device tree, laid out like the one QEMU generates for `virt`. */
export function boardTree(options: DeviceTreeOptions): DeviceTree {
  const { map, memory } = options;
  const root = new FdtNode();
  root.cells("#address-cells", 2).cells("#size-cells", 2);
  root.string("compatible", "riscv-virtio").string("model", "riscv-virtio,hypercraft");
  root.child("chosen").string("stdout-path", `/soc/serial@${map.uart.base.toString(16)}`);
  const ram = root.child(`memory@${map.ram.base.toString(16)}`);
  ram.string("device_type", "memory").cells("reg", ...addressCells(map.ram.base, 2), ...addressCells(memory, 2));
  const controllers = cpuNodes(root, options);
  const soc = root.child("soc");
  soc.cells("#address-cells", 2).cells("#size-cells", 2).string("compatible", "simple-bus").flag("ranges");
  const plic = plicNode(soc, map, controllers);
  for (const { device, base, size, irq } of options.devices) {
    const interrupt = irq === undefined ? undefined : { controller: plic, specifier: [irq] };
    const node = device.fdt?.({ base, size, ...CELLS, interrupt });
    if (node !== undefined) soc.add(node);
  }
  finisherNodes(root, soc, map);
  if (options.clint?.fdt !== undefined) {
    const node = options.clint.fdt({ ...map.clint, ...CELLS });
    if (node !== undefined) clintInterrupts(soc.add(node), controllers);
  }
  return new DeviceTree(root);
}

function cpuNodes(root: FdtNode, { cpus, mode }: DeviceTreeOptions): FdtNode[] {
  const parent = root.child("cpus");
  parent.cells("#address-cells", 1).cells("#size-cells", 0).cells("timebase-frequency", TIMEBASE_HZ);
  const isa = isaStrings({ hypervisor: mode === "bare" });
  return Array.from({ length: cpus }, (_, hart) => {
    const cpu = parent.child(`cpu@${hart.toString(16)}`);
    cpu.string("device_type", "cpu").cells("reg", hart).string("status", "okay").string("compatible", "riscv");
    cpu.string("riscv,isa", isa.isa).string("riscv,isa-base", "rv64i").string("riscv,isa-extensions", ...isa.extensions);
    cpu.string("mmu-type", "riscv,sv57").cells("riscv,cbom-block-size", 64).cells("riscv,cboz-block-size", 64);
    const controller = cpu.child("interrupt-controller");
    controller.cells("#interrupt-cells", 1).flag("interrupt-controller").string("compatible", "riscv,cpu-intc");
    return controller;
  });
}

function plicNode(soc: FdtNode, { plic }: AddressMap, controllers: readonly FdtNode[]): FdtNode {
  const node = soc.child(`plic@${plic.base.toString(16)}`);
  node.string("compatible", "sifive,plic-1.0.0", "riscv,plic0");
  node.cells("reg", ...addressCells(plic.base, 2), ...addressCells(plic.size, 2));
  node.cells("#interrupt-cells", 1).cells("#address-cells", 0).flag("interrupt-controller").cells("riscv,ndev", plic.sources);
  node.cells("interrupts-extended", ...controllers.flatMap((c) => [c, MACHINE_EXTERNAL, c, SUPERVISOR_EXTERNAL]));
  return node;
}

/** Power-off and reboot through the test finisher, as operating systems find them. */
function finisherNodes(root: FdtNode, soc: FdtNode, { testFinisher }: AddressMap): void {
  const test = soc.child(`test@${testFinisher.base.toString(16)}`);
  test.string("compatible", "sifive,test1", "sifive,test0", "syscon");
  test.cells("reg", ...addressCells(testFinisher.base, 2), ...addressCells(testFinisher.size, 2));
  for (const [name, value] of [["poweroff", 0x5555], ["reboot", 0x7777]] as const) {
    root.child(name).string("compatible", `syscon-${name}`).cells("regmap", test).cells("offset", 0).cells("value", value);
  }
}
