import type { FdtContext } from "../../devices/device.js";
import { ECAM_BUS_SIZE, PCI_PINS } from "../../devices/pci/constants.js";
import { GenericHostBridge } from "../../devices/pci/host-bridges.js";
import { addressCells, type FdtCell, FdtNode } from "../../fdt/node.js";
import type { MachineBuilder } from "../../machine/builder.js";
import type { BoardContext } from "./assemble.js";
import type { Block } from "./memory.js";
import type { BoardOptions } from "./options.js";
import { addPci } from "./pci.js";
import { addVirtioMmioOr, type VirtioPlaces } from "./virtio.js";

/** Where a generic host bridge is (the binding pci-host-ecam-generic): QEMU's `virt` machines have one. */
export interface GenericPciPlaces {
  readonly ecam: Block;
  readonly memory: Block;
  /** Where in memory the ports are, from port 0 on. */
  readonly ports: Block;
  /** First of the four inputs that pins lead to. */
  readonly irq: number;
}

/** Which of the four inputs a pin (1 to 4) of a device leads to: the usual rotation. */
const lineOf = (device: number, pin: number): number => (device + pin - 1) % PCI_PINS;

/** A board's virtio devices, where its variant has them: on PCI, or in memory. False if there is no PCI then. */
export function addVirtioOrPci(
  builder: MachineBuilder,
  options: BoardOptions,
  places: { readonly virtio: VirtioPlaces; readonly pci: GenericPciPlaces },
  board: Pick<BoardContext, "variant" | "end">,
): boolean {
  const virtio = addVirtioMmioOr(builder, options, places.virtio, board);
  if (board.variant.virtio !== "pci") return false;
  const { ecam, memory, ports, irq } = places.pci;
  addPci(builder, {
    places: { ecam, memory: [memory], ports: [{ ...ports, first: 0 }] },
    bridge: () => new GenericHostBridge(),
    irqs: Array.from({ length: PCI_PINS }, (_, pin) => irq + pin),
    lineOf,
    node: (context) => pciNode(context, places.pci),
    virtio,
  });
  return true;
}

/** Kinds of address spaces in the first cell of a PCI address. */
const PORT_SPACE = 0x0100_0000;
const MEMORY_SPACE = 0x0200_0000;

function pciNode({ base, size, interrupt }: FdtContext, { memory, ports }: GenericPciPlaces): FdtNode {
  const node = new FdtNode(`pcie@${base.toString(16)}`);
  node.string("compatible", "pci-host-ecam-generic").string("device_type", "pci");
  node.cells("#address-cells", 3).cells("#size-cells", 2).cells("#interrupt-cells", 1);
  node.cells("reg", ...addressCells(base, 2), ...addressCells(size, 2));
  node
    .cells("bus-range", 0, size / ECAM_BUS_SIZE - 1)
    .cells("linux,pci-domain", 0)
    .flag("dma-coherent");
  const range = (space: number, first: number, { base: at, size: bytes }: Block): FdtCell[] => [
    space,
    ...addressCells(first, 2),
    ...addressCells(at, 2),
    ...addressCells(bytes, 2),
  ];
  node.cells("ranges", ...range(PORT_SPACE, 0, ports), ...range(MEMORY_SPACE, memory.base, memory));
  if (interrupt === undefined) return node;
  const { controller, specifier, further } = interrupt;
  const inputs = [specifier, ...further];
  const routes: FdtCell[] = [];
  // Of the devices' numbers two bits say where their pins go.
  for (let device = 0; device < PCI_PINS; device++)
    for (let pin = 1; pin <= PCI_PINS; pin++)
      routes.push(device << 11, 0, 0, pin, controller, ...inputs[lineOf(device, pin)]!);
  return node.cells("interrupt-map-mask", (PCI_PINS - 1) << 11, 0, 0, 7).cells("interrupt-map", ...routes);
}
