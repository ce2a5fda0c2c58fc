import type { IrqLine } from "../../contracts.js";
import type { PciFunction } from "../../devices/pci/function.js";
import { PciHost } from "../../devices/pci/host.js";
import type { MessageSink } from "../../devices/pci/msix.js";
import { VirtioPci } from "../../devices/virtio/pci.js";
import type { MachineBuilder } from "../../machine/builder.js";
import type { Behind } from "./virtio.js";

interface Block {
  readonly base: number;
  readonly size: number;
}

/** Where a board's PCI is. */
export interface PciPlaces {
  /** Configuration space. */
  readonly ecam: Block;
  /** Stretches of memory and of ports that the bridge forwards. */
  readonly memory: readonly Block[];
  readonly ports: readonly Block[];
}

export interface BoardPci {
  readonly places: PciPlaces;
  /** Device 0. */
  readonly bridge: () => PciFunction;
  readonly lines: readonly IrqLine[];
  /** Which of the lines a pin (1 to 4) of a device goes to. */
  readonly lineOf: (device: number, pin: number) => number;
  readonly message?: MessageSink;
  /** The virtio devices that are on it, from device 1 on. */
  readonly virtio: readonly Behind[];
}

/** Puts a PCI host bridge with its devices on the board. They are there when the machine is built. */
export function addPci(builder: MachineBuilder, board: BoardPci): PciHost {
  const { places, bridge, lines, lineOf, message, virtio } = board;
  const host = new PciHost({ lines, lineOf, message });
  builder.device("pci", places.ecam, (context) => {
    const { memory } = context;
    host.add(bridge);
    for (const behind of virtio)
      host.add(({ messages }) => new VirtioPci({ memory, device: behind(context), messages }));
    return host;
  });
  for (const space of ["memory", "ports"] as const)
    for (const [i, place] of places[space].entries())
      builder.device(`pci-${space}${i}`, { ...place, space, widest: 4 }, () =>
        host.window(space, place.base),
      );
  return host;
}
