import { primecellClocks } from "../../devices/primecell.js";
import type { FdtNode } from "../../fdt/node.js";
import type { DeviceTree } from "../../fdt/tree.js";
import type { Machine } from "../../machine/machine.js";
import { type ArmAddressMap, PrivateInterrupt } from "./address-map.js";
import { privateInterrupt } from "./gic.js";

/** The clock of the PrimeCells. */
const APB_HZ = 24_000_000;

export interface ArmTreeOptions {
  readonly map: ArmAddressMap;
  /** 1 to 8: CPU `i` has affinity `i`. */
  readonly cpus: number;
  /** What the CPU is compatible with, by the bindings: "arm,armv8" or a product's name. */
  readonly cpu: string;
  /** Who owns EL2 is above PSCI: calls are SMC then, HVC otherwise. */
  readonly mode: "vm" | "bare";
  readonly gicVersion: 2 | 3;
}

/** The board's device tree: what QEMU generates for `virt`, with devices below `/soc`. */
export function armBoardTree(machine: Machine, options: ArmTreeOptions): DeviceTree {
  const { map, cpus, gicVersion } = options;
  return machine.deviceTree({
    compatible: ["linux,dummy-virt"],
    model: "hypercraft,virt",
    memory: machine.ram.filter(({ base }) => base >= map.ram.base),
    prepare: ({ root }) => {
      root.flag("dma-coherent");
      addPsci(root, options.mode);
      addCpus(root, cpus, options.cpu);
      addTimer(root, gicVersion, cpus);
      root
        .child("pmu")
        .string("compatible", "arm,armv8-pmuv3")
        .cells("interrupts", ...privateInterrupt(PrivateInterrupt.performanceMonitors, gicVersion, cpus));
    },
    finish: ({ root }, nodes) => {
      const gic = nodes.get("gic");
      if (gic !== undefined) root.cells("interrupt-parent", gic);
      addClock(root, nodes);
      const uart = `/soc/pl011@${map.uart.base.toString(16)}`;
      root.child("aliases").string("serial0", uart);
      root.child("chosen").string("stdout-path", uart);
    },
  });
}

/** With the function ids that a client of PSCI 0.1 takes from here. */
function addPsci(root: FdtNode, mode: "vm" | "bare"): void {
  root
    .child("psci")
    .string("compatible", "arm,psci-1.0", "arm,psci-0.2", "arm,psci")
    .string("method", mode === "bare" ? "smc" : "hvc")
    .cells("cpu_suspend", 0xc400_0001)
    .cells("cpu_off", 0x8400_0002)
    .cells("cpu_on", 0xc400_0003);
}

function addCpus(root: FdtNode, cpus: number, compatible: string): void {
  const parent = root.child("cpus").cells("#address-cells", 1).cells("#size-cells", 0);
  const cluster = parent.child("cpu-map").child("socket0").child("cluster0");
  for (let index = 0; index < cpus; index++) {
    const cpu = parent.child(`cpu@${index.toString(16)}`);
    cpu
      .string("device_type", "cpu")
      .string("compatible", compatible)
      .cells("reg", index)
      .string("enable-method", "psci");
    cluster.child(`core${index}`).cells("cpu", cpu);
  }
}

/** Timers in the order of the binding: secure, non-secure physical, virtual, hypervisor's. */
function addTimer(root: FdtNode, gicVersion: 2 | 3, cpus: number): void {
  const { securePhysicalTimer, physicalTimer, virtualTimer, hypervisorTimer } = PrivateInterrupt;
  const timers = [securePhysicalTimer, physicalTimer, virtualTimer, hypervisorTimer];
  root
    .child("timer")
    .string("compatible", "arm,armv8-timer", "arm,armv7-timer")
    .cells("interrupts", ...timers.flatMap((id) => privateInterrupt(id, gicVersion, cpus)))
    .flag("always-on");
}

function addClock(root: FdtNode, nodes: ReadonlyMap<string, FdtNode>): void {
  const clock = root
    .child("apb-pclk")
    .string("compatible", "fixed-clock")
    .cells("#clock-cells", 0)
    .cells("clock-frequency", APB_HZ)
    .string("clock-output-names", "clk24mhz");
  const [uart, rtc] = [nodes.get("uart"), nodes.get("rtc")];
  if (uart !== undefined) primecellClocks(uart, clock, "uartclk", "apb_pclk");
  if (rtc !== undefined) primecellClocks(rtc, clock, "apb_pclk");
}
