import type { IrqLine } from "../../contracts.js";
import type { FdtContext } from "../../devices/device.js";
import type { PciFunction } from "../../devices/pci/function.js";
import { PciHost } from "../../devices/pci/host.js";
import type { MessageSink } from "../../devices/pci/msix.js";
import { VirtioPci } from "../../devices/virtio/pci.js";
import type { FdtNode } from "../../fdt/node.js";
import type { MachineBuilder } from "../../machine/builder.js";
import type { Block } from "./memory.js";
import type { Behind } from "./virtio.js";

/** Where a board's PCI is. */
export interface PciPlaces {
  /** Configuration space. */
  readonly ecam: Block;
  /** Addresses that the bridge forwards. */
  readonly memory: readonly Block[];
  /** Ports that it forwards; with `first`, these are at addresses of memory, and that is the number of the first. */
  readonly ports: readonly (Block & { readonly first?: number })[];
}

export interface BoardPci {
  readonly places: PciPlaces;
  /** Device 0. */
  readonly bridge: () => PciFunction;
  /** What the pins are wired to: lines, or inputs of the board's interrupt controller. */
  readonly lines?: readonly IrqLine[];
  readonly irqs?: readonly number[];
  /** Which of these a pin (1 to 4) of a device goes to. */
  readonly lineOf: (device: number, pin: number) => number;
  readonly message?: MessageSink;
  /** Its device tree node, of boards that have such. */
  readonly node?: (context: FdtContext) => FdtNode;
  /** The virtio devices that are on it, from device 1 on. */
  readonly virtio: readonly Behind[];
}

/** Puts a PCI host bridge with its devices on the board. They are there when the machine is built. */
export function addPci(builder: MachineBuilder, board: BoardPci): PciHost {
  const { places, bridge, irqs = [], lineOf, message, node, virtio } = board;
  let inputs: readonly IrqLine[] = [];
  const lines = board.lines ?? irqs.map((_, i) => ({ set: (level: boolean) => inputs[i]!.set(level) }));
  const host = new PciHost({ lines, lineOf, message, node });
  const [irq, ...furtherIrqs] = irqs;
  builder.device("pci", { ...places.ecam, irq, furtherIrqs }, (context) => {
    const { memory } = context;
    inputs = [context.irq, ...context.furtherIrqs];
    host.add(bridge);
    for (const behind of virtio)
      host.add(({ messages }) => new VirtioPci({ memory, device: behind(context), messages }));
    return host;
  });
  for (const [i, place] of places.memory.entries())
    builder.device(`pci-memory${i}`, place, () => host.window("memory", place.base));
  for (const [i, { base, size, first }] of places.ports.entries()) {
    const space = first === undefined ? "ports" : "memory";
    const place = { base, size, space, widest: 4 } as const;
    builder.device(`pci-ports${i}`, place, () => host.window("ports", first ?? base));
  }
  return host;
}
