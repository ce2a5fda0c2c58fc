import { isaStrings } from "@hypercraft/arch-riscv";
import { clintInterrupts } from "../../devices/clint.js";
import type { FdtContext } from "../../devices/device.js";
import { finisherActions } from "../../devices/test-finisher.js";
import { addressCells, FdtNode } from "../../fdt/node.js";
import type { DeviceTree } from "../../fdt/tree.js";
import type { Machine } from "../../machine/machine.js";
import type { AddressMap } from "./address-map.js";

const TIMEBASE_HZ = 10_000_000;
/** PLIC interrupt inputs of a hart: machine and supervisor external. */
const MACHINE_EXTERNAL = 11;
const SUPERVISOR_EXTERNAL = 9;

interface BoardTreeOptions {
  readonly map: AddressMap;
  readonly cpus: number;
  /** Guests of a hypervisor do not see the H extension. */
  readonly mode: "vm" | "bare";
}

/** The board's device tree, laid out like the one QEMU generates for `virt`. */
export function boardTree(machine: Machine, { map, cpus, mode }: BoardTreeOptions): DeviceTree {
  return machine.deviceTree({
    compatible: ["riscv-virtio"],
    model: "riscv-virtio,hypercraft",
    memory: machine.ram.filter(({ base }) => base >= map.ram.base),
    prepare: (tree) => addCpus(tree.root, cpus, mode),
    finish: (tree, nodes) => {
      tree.root.child("chosen").string("stdout-path", `/soc/serial@${map.uart.base.toString(16)}`);
      const clint = nodes.get("clint");
      if (clint !== undefined) clintInterrupts(clint, hartControllers(tree, cpus));
      const test = nodes.get("test");
      if (test !== undefined) finisherActions(tree.root, test);
    },
  });
}

function addCpus(root: FdtNode, cpus: number, mode: "vm" | "bare"): void {
  const parent = root.child("cpus");
  parent.cells("#address-cells", 1).cells("#size-cells", 0).cells("timebase-frequency", TIMEBASE_HZ);
  const { isa, extensions } = isaStrings({ hypervisor: mode === "bare" });
  for (let hart = 0; hart < cpus; hart++) {
    const cpu = parent.child(`cpu@${hart.toString(16)}`);
    cpu
      .string("device_type", "cpu")
      .cells("reg", hart)
      .string("status", "okay")
      .string("compatible", "riscv");
    cpu
      .string("riscv,isa", isa)
      .string("riscv,isa-base", "rv64i")
      .string("riscv,isa-extensions", ...extensions);
    cpu
      .string("mmu-type", "riscv,sv57")
      .cells("riscv,cbom-block-size", 64)
      .cells("riscv,cboz-block-size", 64);
    const controller = cpu.child("interrupt-controller");
    controller
      .cells("#interrupt-cells", 1)
      .cells("#address-cells", 0)
      .flag("interrupt-controller")
      .string("compatible", "riscv,cpu-intc");
  }
}

function hartControllers(tree: DeviceTree, cpus: number): FdtNode[] {
  return Array.from({ length: cpus }, (_, hart) =>
    tree.root
      .child("cpus")
      .child(`cpu@${hart.toString(16)}`)
      .child("interrupt-controller"),
  );
}

/** The PLIC's node: contexts of each hart in turn, machine mode before supervisor mode. */
export function plicNode(
  { base, size }: FdtContext,
  tree: DeviceTree,
  { plic }: AddressMap,
  cpus: number,
): FdtNode {
  const node = new FdtNode(`plic@${base.toString(16)}`);
  node.string("compatible", "sifive,plic-1.0.0", "riscv,plic0");
  node.cells("reg", ...addressCells(base, 2), ...addressCells(size, 2));
  node
    .cells("#interrupt-cells", 1)
    .cells("#address-cells", 0)
    .flag("interrupt-controller")
    .cells("riscv,ndev", plic.sources);
  const contexts = hartControllers(tree, cpus).flatMap((hart) => [
    hart,
    MACHINE_EXTERNAL,
    hart,
    SUPERVISOR_EXTERNAL,
  ]);
  return node.cells("interrupts-extended", ...contexts);
}
